"""Hand-made features say what they are named after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.hand_made import NAMES, RATE, compute_hand_made

Sound = NDArray[np.float32]


def make_tone(hertz: float, seconds: float, decay: float, level: float = 0.5) -> Sound:
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hertz * time) * np.exp(-time / decay)).astype(np.float32)


def feature(sound: Sound, name: str) -> float:
    return float(compute_hand_made(sound)[NAMES.index(name)])


@given(st.integers(0, 1000), st.sampled_from([1, 50, 3000, 200_000]), st.sampled_from([0.001, 1.0]))
@settings(max_examples=15)
def test_any_sound_has_finite_features_that_its_level_does_not_change(seed: int, samples: int, level: float) -> None:
    sound = np.random.default_rng(seed).standard_normal(samples).astype(np.float32)
    found = compute_hand_made(sound)
    assert found.shape == (len(NAMES),) and np.isfinite(found).all()
    assert compute_hand_made(sound * np.float32(level)) == pytest.approx(found, rel=1e-3, abs=2e-2)


def test_silence_has_features_and_nan_has_none() -> None:
    assert np.isfinite(compute_hand_made(np.zeros(1000, np.float32))).all()
    with pytest.raises(ValueError, match="NaN"):
        compute_hand_made(np.array([0.1, np.nan], np.float32))


def test_the_features_move_as_the_sound_does() -> None:
    low, high = make_tone(80, 0.5, 0.1), make_tone(5000, 0.5, 0.1)
    assert feature(high, "centroid_octaves") - feature(low, "centroid_octaves") == pytest.approx(
        np.log2(5000 / 80), abs=0.5
    )
    assert feature(high, "zero_crossings_mean") > feature(low, "zero_crossings_mean")
    assert feature(low, "band_1_db") > -1 and feature(high, "band_1_db") < -20
    short, long = make_tone(200, 2.0, 0.02), make_tone(200, 2.0, 0.3)
    assert feature(long, "decay") - feature(short, "decay") == pytest.approx(np.log2(0.3 / 0.02), abs=0.3)
    assert feature(long, "length") > feature(short, "length")
    assert feature(short, "transient_db") > feature(long, "transient_db")


def test_at_most_three_seconds_are_heard() -> None:
    sound = make_tone(200, 5.0, 10.0)
    assert np.array_equal(compute_hand_made(sound), compute_hand_made(sound[: 3 * RATE]))
