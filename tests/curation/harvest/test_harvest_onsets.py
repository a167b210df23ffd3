"""Laws of onsets: planted attacks are found, whatever the level, the rate and the blocks of a song."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmod_pipeline.curation.harvest.onsets import find_attack, merge_near, pick_onsets, refine_onsets
from rmod_pipeline.curation.harvest.song import measure_levels, read_ranges, survey_song
from rmod_pipeline.extraction.listening.song import Song
from tests.curation.harvest.drum_songs import KINDS, RATE, make_hit, make_loop, place, song_of

TOLERANCE_SECONDS = 0.002


def detect(song: Song) -> NDArray[np.int64]:
    survey = survey_song(song)
    coarse = pick_onsets(measure_levels(song, survey))
    return merge_near(refine_onsets(song, survey, coarse), song.sample_rate)


@st.composite
def planted(draw: st.DrawFn, rate: int = RATE) -> list[tuple[int, str, float]]:
    """Frames, kinds and gains of hits that are at least 0.15 s apart."""
    count = draw(st.integers(1, 6))
    hits, frame = [], 0
    for _ in range(count):
        frame += draw(st.integers(round(0.15 * rate), round(0.4 * rate)))
        hits.append((frame, draw(st.sampled_from(KINDS)), draw(st.floats(0.35, 1.0))))
    return hits


@settings(max_examples=12)
@given(planted(), st.sampled_from([None, -60.0, -50.0]))
def test_planted_attacks_are_found_and_no_others(hits: list[tuple[int, str, float]], noise_db: float | None) -> None:
    sounds = [(frame, make_hit(kind, seed=number), gain) for number, (frame, kind, gain) in enumerate(hits)]
    found = detect(song_of(place(sounds, hits[-1][0] + RATE // 2, noise_db)))
    found = found[found > RATE // 50]  # noise that begins with the song is an onset of its own
    assert len(found) == len(hits)
    planted_frames = np.array([frame for frame, _, _ in hits])
    assert np.abs(found - planted_frames).max() <= TOLERANCE_SECONDS * RATE


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_attacks_are_found_at_any_rate(rate: int) -> None:
    frames = [round(seconds * rate) for seconds in (0.2, 0.6, 1.0)]
    sounds = [(frame, make_hit(kind, rate), 1.0) for frame, kind in zip(frames, KINDS, strict=True)]
    found = detect(song_of(place(sounds, 2 * rate), rate))
    assert len(found) == 3
    assert np.abs(found - frames).max() <= TOLERANCE_SECONDS * rate


@settings(max_examples=8)
@given(st.sampled_from([1, 127, 4096, 65_536, 100_003]))
def test_blocks_do_not_count(block: int) -> None:
    audio = make_loop(1, gap=0.2)[:, : RATE // 2 if block == 1 else None]
    whole, parts = song_of(audio), song_of(audio, block=block)
    assert survey_song(whole) == survey_song(parts)
    levels, same = (measure_levels(song, survey_song(song)) for song in (whole, parts))
    for name in ("flux", "wave", "difference"):
        np.testing.assert_array_equal(getattr(levels, name), getattr(same, name))
    np.testing.assert_array_equal(detect(whole), detect(parts))


@given(st.sampled_from([2.0**-6, 0.25, 0.5]))
def test_the_level_of_a_song_does_not_count(gain: float) -> None:
    audio = make_loop(2, gap=0.3)
    np.testing.assert_array_equal(detect(song_of(audio)), detect(song_of(audio * np.float32(gain))))


def test_a_hit_at_the_first_sample_is_found() -> None:
    found = detect(song_of(place([(0, make_hit("snare"), 1.0)], RATE)))
    assert len(found) == 1
    assert found[0] <= TOLERANCE_SECONDS * RATE


@pytest.mark.parametrize("level_db", [-60.0, -20.0])
def test_steady_noise_has_hardly_an_onset(level_db: float) -> None:
    noise = place([], 10 * RATE, level_db)
    assert len(detect(song_of(noise))) <= 3  # the beginning is one


def test_an_attack_is_found_to_the_sample_in_silence() -> None:
    for kind in KINDS:
        audio = place([(3000, make_hit(kind), 1.0)], 6000)[0]
        assert abs(find_attack(audio, RATE, 3000) - 3000) <= 2


@given(st.lists(st.integers(0, 100_000), max_size=30))
def test_merged_onsets_are_apart(frames: list[int]) -> None:
    merged = merge_near(np.array(frames, np.int64), RATE)
    assert set(merged.tolist()) <= set(frames)
    assert (np.diff(merged) >= RATE * 0.01 - 1).all()
    assert bool(frames) == bool(merged.size)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(-50, 3000), st.integers(0, 900)), max_size=12),
    st.sampled_from([1, 64, 1000, 5000]),
)
def test_ranges_are_the_samples_of_the_song(ranges: list[tuple[int, int]], block: int) -> None:
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 2500)).astype(np.float32)
    song = song_of(audio, block=block)
    wanted = sorted((start, start + length) for start, length in ranges)
    parts = list(read_ranges(song, survey_song(song), wanted))
    assert len(parts) == len(wanted)
    for (start, stop), part in zip(wanted, parts, strict=True):
        np.testing.assert_array_equal(part, audio[:, max(start, 0) : max(stop, 0)])


def test_ranges_ascend() -> None:
    song = song_of(make_loop(1))
    with pytest.raises(ValueError, match="ascend"):
        list(read_ranges(song, survey_song(song), [(5, 6), (1, 2)]))


def test_an_offset_is_measured_and_removed() -> None:
    audio = make_loop(3) + np.float32(0.25)
    survey = survey_song(song_of(audio))
    assert survey.offset[0] == pytest.approx(0.25, abs=1e-3)
    (part,) = read_ranges(song_of(audio), survey, [(0, 1000)])
    assert np.abs(part).max() < 1e-3
    np.testing.assert_array_equal(detect(song_of(audio)), detect(song_of(make_loop(3))))


def test_channels_become_mono_or_stay_stereo() -> None:
    mono = make_loop(4)
    assert survey_song(song_of(mono)).channels == 1
    assert survey_song(song_of(np.repeat(mono, 2, axis=0))).channels == 1
    assert survey_song(song_of(np.concatenate([mono, mono / 2]))).channels == 2
    assert survey_song(song_of(np.repeat(mono, 6, axis=0))).channels == 1
