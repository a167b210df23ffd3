"""What a classifier hears of a sound: no level, no leading silence, no offset, and at most its first seconds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.classification.levels import FRAME_STEP, compute_sound_levels, prepare_sound
from rmod_pipeline.features import LogMel

RATE = 44_100
MEL = LogMel()


def make_hit(seconds: float = 0.3, hz: float = 200.0, rate: int = RATE) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (np.sin(2 * np.pi * hz * time) * np.exp(-12 * time)).astype(np.float32)


@given(st.floats(-60, 20))
def test_the_level_of_a_sound_is_not_heard(gain_db: float) -> None:
    sound = make_hit()
    louder = (sound * 10 ** (gain_db / 20)).astype(np.float32)
    difference = compute_sound_levels(sound, MEL, 3.0).astype(int) - compute_sound_levels(louder, MEL, 3.0)
    assert np.abs(difference).max() <= 1  # a rounding of half a decibel


@given(st.integers(0, 200_000))
def test_levels_have_a_multiple_of_the_step_and_at_most_the_seconds(samples: int) -> None:
    levels = compute_sound_levels(np.resize(make_hit(), samples), MEL, 1.0)
    assert levels.shape[:2] == (2, 64)
    assert levels.shape[2] % FRAME_STEP == 0
    assert 0 < levels.shape[2] <= RATE / MEL.hop + 2 * FRAME_STEP


def test_what_comes_after_the_seconds_is_not_heard() -> None:
    sound = np.resize(make_hit(), 2 * RATE)
    changed = np.concatenate([sound[:RATE], -0.5 * sound[RATE:]])
    assert np.array_equal(compute_sound_levels(sound, MEL, 1.0), compute_sound_levels(changed, MEL, 1.0))


def test_a_silent_tail_is_not_heard() -> None:
    sound = make_hit()
    assert np.array_equal(
        compute_sound_levels(sound, MEL, 3.0), compute_sound_levels(np.pad(sound, (0, 2 * RATE)), MEL, 3.0)
    )


def test_silence_is_silent() -> None:
    assert not compute_sound_levels(np.zeros(1000, np.float32), MEL, 3.0).any()
    assert not compute_sound_levels(np.zeros(0, np.float32), MEL, 3.0).any()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="NaN"):
        compute_sound_levels(np.array([0.5, value], np.float32), MEL, 3.0)


@given(st.integers(1, 20_000), st.floats(-0.3, 0.3))
def test_silence_before_a_sound_and_its_offset_are_removed(silence: int, offset: float) -> None:
    sound = make_hit()[None]
    later = np.pad(sound, ((0, 0), (silence, 0))) * np.float32(0.5)
    plain, moved = prepare_sound(sound, RATE), prepare_sound(later, RATE)
    assert moved.shape == plain.shape
    assert np.abs(2 * moved - plain).max() < 1e-3
    shifted = prepare_sound((later + np.float32(offset)).astype(np.float32), RATE)
    assert abs(shifted.size - plain.size) < 0.02 * RATE


def test_channels_that_cancel_are_not_added() -> None:
    sound = make_hit()
    prepared = prepare_sound(np.stack([sound, -sound]), RATE)
    assert np.abs(prepared).max() > 0.5


def test_any_rate_becomes_one() -> None:
    low, high = make_hit(rate=22_050)[None], make_hit(rate=96_000)[None]
    first, second = prepare_sound(low, 22_050), prepare_sound(high, 96_000)
    frames = min(first.size, second.size)
    assert abs(first.size - second.size) <= 50
    assert np.abs(first[:frames] - second[:frames])[100:].max() < 0.05
