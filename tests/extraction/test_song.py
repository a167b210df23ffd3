"""Reading songs: any file becomes the same mono audio, block by block, and errors name the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.errors import AssetError, RmodError
from rmod_pipeline.extraction.extract import _detect_all_onsets
from rmod_pipeline.extraction.listening import song as song_module
from rmod_pipeline.extraction.listening.onsets import detect_onsets, find_hits
from rmod_pipeline.extraction.listening.song import (
    Song,
    SongPart,
    open_song,
    read_mono_blocks,
    read_parts,
    song_from_array,
)
from rmod_pipeline.extraction.listening.windows import ChosenWindow, TimePosition, pick_windows, read_windows
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.library import long_files
from tests.tiny_codec import noise
from tests.tiny_dose import RATE, make_song


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (22_050, 2), (44_100, 6), (48_000, 2), (96_000, 1)])
def test_any_rate_and_channels_become_mono_at_the_codecs_rate(rate: int, channels: int, tmp_path: Path) -> None:
    tone = 0.5 * np.sin(2 * np.pi * 500 * np.arange(2 * rate) / rate)
    weights = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    soundfile.write(tmp_path / "a.wav", tone[:, None] * weights * 0.5, rate, subtype="FLOAT")
    audio = np.concatenate(list(read_mono_blocks(open_song(tmp_path / "a.wav"), RATE)))
    expected = 0.25 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    assert abs(audio.size - expected.size) <= 1
    inner = slice(2000, 2 * RATE - 2000)
    np.testing.assert_allclose(audio[inner], expected[inner], atol=2e-3)


@pytest.mark.parametrize("rate", [32_000, RATE])
def test_a_file_in_blocks_gives_the_same_as_the_array_at_once(
    rate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mono = make_song(30, {"kick": [4.0, 20.0], "snare": [9.0]}, rate)
    stereo = np.stack([mono, 0.5 * mono])
    soundfile.write(tmp_path / "song.wav", stereo.T, rate, subtype="FLOAT")
    parts = [SongPart(start=start, samples=5000) for start in (0, 700_000, 30 * RATE - 2000, 123)]

    def analyse(song: Song) -> Any:
        onsets = detect_onsets(read_mono_blocks(song, RATE), RATE)
        return onsets, pick_windows(find_hits("kick", onsets), onsets, 4.0, 3), read_parts(song, RATE, parts)

    monkeypatch.setattr(song_module, "BLOCK", 10**9)
    whole, positions, read = analyse(song_from_array(stereo, rate))
    for size in (1 << 16, 1111):
        monkeypatch.setattr(long_files, "BLOCK", size)
        in_blocks, block_positions, block_parts = analyse(open_song(tmp_path / "song.wav"))
        assert block_positions == positions
        assert in_blocks.seconds == whole.seconds
        for band, levels in whole.levels_db.items():
            assert np.array_equal(levels, in_blocks.levels_db[band])
        for part in parts:
            assert np.array_equal(read[part], block_parts[part])


def test_parts_hold_the_song_and_silence_after_its_end() -> None:
    song = noise(1, RATE)[0]
    parts = [SongPart(start=start, samples=1000) for start in (0, 500, RATE - 300)]
    read = read_parts(song_from_array(song, RATE), RATE, parts)
    assert np.array_equal(read[parts[1]], song[500:1500])
    assert np.array_equal(read[parts[2]][:300], song[-300:])
    assert not read[parts[2]][300:].any()


def test_a_long_file_is_never_completely_in_memory(tmp_path: Path) -> None:
    rate, seconds = 8_000, 1_200
    with soundfile.SoundFile(tmp_path / "long.wav", "w", rate, 1, "PCM_16") as file:
        for _ in range(seconds // 60):
            file.write(make_song(60, {"kick": [5.0, 30.0]}, rate))
    tracemalloc.start()
    onsets = detect_onsets(read_mono_blocks(open_song(tmp_path / "long.wav"), 16_000), 16_000)
    read_parts(open_song(tmp_path / "long.wav"), 16_000, [SongPart(start=16_000 * 1_190, samples=64_000)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert onsets.seconds == pytest.approx(seconds)
    assert peak < seconds * 16_000 * 4 / 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "an empty file"),
        (lambda path: path.write_text("no audio at all"), "not readable as audio"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "no such file"),
        (lambda path: soundfile.write(path, np.full(9000, np.nan, np.float32), 8000, subtype="FLOAT"), "NaN"),
    ],
)
def test_an_error_names_a_file_that_is_no_song(make: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    make(path)
    with pytest.raises(RmodError, match=message):
        list(open_song(path).blocks())


def test_an_error_names_a_file_that_ends_early(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, noise(1, 60_000)[0], 8000)
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(AssetError, match="ends early"):
        list(open_song(path).blocks())


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("offset", [0.01, -0.4])
def test_an_offset_makes_no_song_and_no_window_audible(rate: int, offset: float) -> None:
    silence = np.full((2, 6 * rate), offset, np.float32)
    left = np.random.default_rng(1).uniform(-0.5, 0.5, 6 * rate).astype(np.float32)
    silence += np.float32(1e-5) * left
    cancelled = np.stack([left, -left])
    for audio in (silence, cancelled):
        song = song_from_array(audio, rate)
        with pytest.raises(RmodError, match="silent: nothing is louder"):
            _detect_all_onsets(song, RATE, lambda *_: None)
        for start in (0, RATE, 5 * RATE):
            with pytest.raises(RmodError, match="silence: nothing is louder"):
                read_window(song, start)


def test_a_hit_on_an_offset_is_heard_in_its_window() -> None:
    audio = np.full(6 * RATE, 0.3, np.float32)
    audio[2 * RATE : 2 * RATE + 4000] += np.random.default_rng(2).uniform(-0.01, 0.01, 4000).astype(np.float32)
    assert read_window(song_from_array(audio, RATE), RATE)["kick"]


def read_window(song: Song, start: int) -> Any:
    """Read the window of 4 s from a sample on, as ``--at`` does."""
    position = TimePosition(seconds=start / RATE, clarity_db=None)
    chosen = ChosenWindow(position=position, hits=(), part=SongPart(start=start, samples=4 * RATE))
    return read_windows({"kick": [chosen]}, song, RATE, ExtractionConfig(at=(start / RATE,)))


def test_an_array_needs_a_rate() -> None:
    song = np.zeros(9_000, np.float32)
    with pytest.raises(RmodError, match="sample_rate: is missing"):
        open_song(song)
    with pytest.raises(RmodError, match="a sample rate of 0 Hz"):
        open_song(song, 0)
    assert open_song(song, 9_000).seconds == 1
