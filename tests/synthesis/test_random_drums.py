"""Laws of the drums that are synthesised for training: every class has them, and each one is another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.draw import Draw
from rmod_pipeline.library.taxonomy import CLASSES, subkinds_of
from rmod_pipeline.synthesis.dsp import SAMPLE_RATE
from rmod_pipeline.synthesis.random_drums import LONGEST_SECONDS, RANDOM_DRUMS, synthesize_random_drum


def test_every_drum_of_the_taxonomy_can_be_synthesised() -> None:
    leaves = {
        f"{name}/{subkind}" if subkind else name
        for name in CLASSES
        if name != "not_a_drum"
        for subkind in subkinds_of(name) or ("",)
    }
    assert set(RANDOM_DRUMS) == leaves


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(RANDOM_DRUMS)), st.integers(0, 10_000))
def test_a_drum_is_finite_has_a_peak_of_one_and_is_drawn_by_name(name: str, number: int) -> None:
    first, second = (synthesize_random_drum(name, Draw.of("test", number)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(1)
    assert 0.01 <= len(first) / SAMPLE_RATE <= LONGEST_SECONDS + 0.001


@pytest.mark.parametrize("name", sorted(RANDOM_DRUMS))
def test_two_drums_of_a_class_are_different(name: str) -> None:
    sounds = [synthesize_random_drum(name, Draw.of("test", number)) for number in range(3)]
    assert len({sound.tobytes() for sound in sounds}) == 3


def test_low_toms_are_lower_than_high_ones() -> None:
    def centre(name: str) -> float:
        powers = []
        for number in range(12):
            sound = synthesize_random_drum(name, Draw.of("test", number))
            spectrum = np.abs(np.fft.rfft(sound, 65_536))
            powers.append(np.fft.rfftfreq(65_536, 1 / SAMPLE_RATE)[spectrum.argmax()])
        return float(np.median(powers))

    assert centre("tom/low") < centre("tom/mid") < centre("tom/high") < centre("bongo")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError):
        synthesize_random_drum("piano", Draw.of("test"))
