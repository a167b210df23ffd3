"""Polish: the silent end is cut, the peak is normalised, silence is unchanged alone."""

from __future__ import annotations

import numpy as np
import pytest

from rmod_pipeline.extraction.answers.polish import polish
from tests.tiny_dose import RATE


def test_a_sound_is_cut_at_its_end_with_a_fade() -> None:
    sound = np.concatenate([0.3 * np.ones(1000), 1e-5 * np.ones(5000)]).astype(np.float32)
    polished = polish(sound, RATE)
    fade = round(0.005 * RATE)
    assert polished.audio.size == 1000 + fade
    assert polished.audio[-1] == 0
    assert float(np.abs(polished.audio).max()) == pytest.approx(10 ** (-1 / 20), rel=1e-4)
    assert polished.gain_db == pytest.approx(20 * np.log10(10 ** (-1 / 20) / 0.3), abs=1e-3)
    unchanged = polish(sound, RATE, trim=False, normalize=False)
    assert np.array_equal(unchanged.audio, sound)
    assert unchanged.gain_db == 0


def test_a_sound_that_does_not_end_is_faded_at_its_end() -> None:
    polished = polish(np.ones(4000, np.float32), RATE, normalize=False)
    assert polished.audio.size == 4000
    assert polished.audio[-1] == 0
    assert bool((polished.audio[:3700] == 1).all())
    assert polish(np.ones(10, np.float32), RATE).audio.size == 10


def test_a_sound_that_would_clip_is_attenuated_and_silence_is_unchanged() -> None:
    assert float(np.abs(polish(2 * np.ones(2000, np.float32), RATE, normalize=False).audio).max()) == 1.0
    silent = polish(1e-4 * np.ones(2000, np.float32), RATE)
    assert silent.silent
    assert silent.gain_db == 0
    assert silent.audio.size == 2000


@pytest.mark.parametrize("offset", [0.004, -0.02, 0.1])
def test_an_offset_hides_neither_the_end_nor_silence(offset: float) -> None:
    time = np.arange(RATE) / RATE
    sound = (0.5 * np.sin(2 * np.pi * 200 * time) * np.exp(-30 * time)).astype(np.float32)
    sound[RATE // 2 :] = 0
    shifted = sound + np.float32(offset)
    assert polish(shifted, RATE).audio.size == polish(sound, RATE).audio.size
    assert np.allclose(polish(shifted, RATE).audio, polish(sound, RATE).audio, atol=1e-5)
    faint = 1e-3 * sound + np.float32(offset)
    assert polish(faint, RATE).silent
    assert np.array_equal(polish(faint, RATE).audio, faint)
