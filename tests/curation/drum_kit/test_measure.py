"""Length, centre and loudness follow what is done to a sound."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import SILENCE_DB
from rmod_pipeline.curation.drum_kit.measure import (
    RATE,
    audible_samples,
    find_centre,
    measure_pad_loudness,
    measure_shape,
)
from rmod_pipeline.render.tracks import change_speed
from tests.curation.drum_kit.kit_sounds import DRUMS


@pytest.mark.parametrize("drum", DRUMS)
@pytest.mark.parametrize("gain_db", [-30.0, 6.0])
def test_a_gain_changes_loudness_and_nothing_else(drum: str, gain_db: float) -> None:
    sound = DRUMS[drum]()[0]
    before, after = measure_shape(sound), measure_shape(sound * np.float32(10 ** (gain_db / 20)))
    assert after.loudness_db - before.loudness_db == pytest.approx(gain_db, abs=0.01)
    assert after.centre_hz == pytest.approx(before.centre_hz, rel=1e-4)
    assert after.seconds == before.seconds


@given(semitones=st.floats(-6, 6), hz=st.floats(100, 4000))
def test_a_change_of_speed_moves_the_centre_by_as_many_semitones(semitones: float, hz: float) -> None:
    time = np.arange(RATE // 2) / RATE
    tone = (np.sin(2 * np.pi * hz * time) * np.exp(-4 * time)).astype(np.float32)[None]
    moved = 12 * np.log2(find_centre(change_speed(tone, semitones)[0]) / find_centre(tone[0]))
    assert moved == pytest.approx(semitones, abs=0.3)


def test_loudness_is_that_of_bs_1770() -> None:
    """Of a steady sound, for which the window does not matter."""
    meter = pyloudnorm.Meter(RATE)
    for hz in (60, 1000, 9000):
        tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(3 * RATE) / RATE)
        assert measure_pad_loudness(tone.astype(np.float32)) == pytest.approx(meter.integrated_loudness(tone), abs=0.5)


@given(st.integers(1, RATE))
def test_silence_after_a_sound_is_not_its_length(silence: int) -> None:
    sound = DRUMS["snare"]()[0]
    assert audible_samples(np.pad(sound, (0, silence))) == pytest.approx(audible_samples(sound), abs=441)


@pytest.mark.parametrize("samples", [0, 1, 5, 441, 100_000])
def test_silence_has_a_shape_too(samples: int) -> None:
    silence = np.zeros(samples, np.float32)
    assert audible_samples(silence) == 0
    assert measure_pad_loudness(silence) == SILENCE_DB
    assert 30 < find_centre(silence) < 16_000
