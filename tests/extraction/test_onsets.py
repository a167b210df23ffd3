"""Onsets and windows: windows lie where drums are, spread over the song, whatever its level."""

from __future__ import annotations

import numpy as np
import pytest

from rmod_pipeline.extraction.listening.onsets import detect_onsets, find_hits
from rmod_pipeline.extraction.listening.song import read_mono_blocks, song_from_array
from rmod_pipeline.extraction.listening.windows import pick_windows
from tests.tiny_dose import RATE, make_song

PLANTED = {
    "kick": [10.0, 10.5, 11.0, 11.5, 40.0],
    "snare": [25.0, 25.5, 26.0, 26.5, 41.0],
    "hihat": [45.0 + 0.25 * hit for hit in range(12)],
}


def test_windows_are_where_the_drums_were_planted() -> None:
    song = make_song(60, PLANTED)
    onsets = detect_onsets(read_mono_blocks(song_from_array(song, RATE), RATE), RATE)
    for instrument, planted in PLANTED.items():
        hits = find_hits(instrument, onsets)
        clear = hits.seconds[hits.clarity_db > 20]
        assert len(clear) == len(planted)
        np.testing.assert_allclose(clear, planted, atol=0.025)
        first, second = pick_windows(hits, onsets, 4.0, 2)
        assert first.seconds == pytest.approx(planted[0] - 0.1, abs=0.03)
        assert first.clarity_db is not None
        assert first.clarity_db > 20
        assert abs(first.seconds - second.seconds) >= 2.0
    # The second kick window is the single hit far away, not the same bar again.
    assert pick_windows(find_hits("kick", onsets), onsets, 4.0, 2)[1].seconds == pytest.approx(39.9, abs=0.03)


@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_the_level_of_a_song_does_not_change_its_windows(gain: float) -> None:
    song = make_song(20, {"kick": [3.0, 12.0], "hihat": [7.0]}) * np.float32(gain)
    onsets = detect_onsets(read_mono_blocks(song_from_array(song, RATE), RATE), RATE)
    assert pick_windows(find_hits("kick", onsets), onsets, 4.0, 1)[0].seconds == pytest.approx(2.9, abs=0.03)


def test_windows_are_spread_over_a_steady_song() -> None:
    song = make_song(64, {"kick": np.arange(0.5, 63, 0.5).tolist()})
    onsets = detect_onsets(read_mono_blocks(song_from_array(song, RATE), RATE), RATE)
    starts = sorted(position.seconds for position in pick_windows(find_hits("kick", onsets), onsets, 4.0, 4))
    assert len(starts) == 4
    assert min(np.diff(starts)) >= 60 / 8


def test_without_any_hit_the_loudest_windows_are_taken() -> None:
    song = np.zeros(30 * RATE, np.float32)
    song[20 * RATE : 22 * RATE] = 0.1 * np.hanning(2 * RATE) * np.sin(np.arange(2 * RATE) * 0.06)
    onsets = detect_onsets(read_mono_blocks(song_from_array(song, RATE), RATE), RATE)
    positions = pick_windows(find_hits("hihat", onsets), onsets, 4.0, 3)
    assert positions
    for position in positions:
        assert position.clarity_db == 0
        assert 16 < position.seconds < 22
