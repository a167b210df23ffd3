"""A one-shot of two bands: the low one of one sound and the high one of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from rmod_pipeline.audio import Audio, peak, to_channels, to_pcm
from rmod_pipeline.effects.crossover import Crossover
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Sounds, render_pair
from rmod_pipeline.render.pair import render_one_shot
from rmod_pipeline.spec import DrumTrack, PairSpec
from tests.render.render_examples import RATE, SETTINGS, drum, spec_of

BANDS = ("low", "high")


def in_bands(track: DrumTrack, hz: float) -> DrumTrack:
    """Return a drum track with the low band of its first sound and the high band of its second."""
    layers = (
        replace(layer, weight=0.5, effects=(Crossover(passes=band, hz=hz),))
        for layer, band in zip(track.layers, BANDS, strict=True)
    )
    return replace(track, layers=tuple(layers))


def level_db(one_shot: Audio) -> np.ndarray:
    """Return the level of a one-shot in 40 parts of the spectrum, in dB."""
    power = np.abs(np.fft.rfft(one_shot[0].astype(np.float64), 2 * RATE)) ** 2
    return 10 * np.log10([part.sum() for part in np.array_split(power[20:], 40)])


@pytest.mark.parametrize("kind", ["kick", "snare", "hihat"])
@pytest.mark.parametrize("hz", [150.0, 1000.0, 4000.0])
def test_the_two_bands_of_one_sound_have_its_spectrum(kind: str, hz: float, tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, kind, [0])
    first, _ = track.layers
    whole = render_one_shot(replace(track, layers=(replace(first, weight=1.0),)), sounds, SETTINGS)
    joined = render_one_shot(in_bands(replace(track, layers=(first, first)), hz), sounds, SETTINGS)
    assert joined.shape == whole.shape
    assert peak(joined) == pytest.approx(peak(whole), abs=1e-6)
    # The phase differs, and with it the peak and the level; but this is the same at every frequency.
    assert np.ptp(level_db(joined) - level_db(whole)) < 0.1


def test_each_layer_gives_the_band_of_its_sound_at_its_speed(tiny: Library, sounds: Sounds) -> None:
    hz, track = 800.0, drum(tiny, "kick", [0])
    fast = replace(track, layers=(track.layers[0], replace(track.layers[1], semitones=7.0)))
    joined = render_one_shot(in_bands(fast, hz), sounds, SETTINGS)
    expected = np.zeros((2, joined.shape[1]))
    for layer, band in zip(fast.layers, BANDS, strict=True):
        section = butter(2, hz, btype=band, fs=RATE, output="sos")
        sound = to_channels(sounds.one_shot(layer, SETTINGS), 2)
        expected[:, : sound.shape[1]] += sosfilt(section, sosfilt(section, sound))
    assert joined == pytest.approx(expected / np.abs(expected).max(), abs=1e-5)
    pair = render_pair(spec_of([in_bands(fast, hz)]), sounds)
    assert np.array_equal(pair.targets["kick"], to_pcm(joined))


def test_effects_of_a_layer_change_neither_the_other_layer_nor_the_peak(tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, "snare", [0], weights=(0.6, 0.3))
    first, second = track.layers
    louder = replace(track, layers=(first, replace(second, effects=(Gain(gain_db=20.0),))))
    expected = render_one_shot(replace(track, layers=(first, replace(second, weight=3.0))), sounds, SETTINGS)
    found = render_one_shot(louder, sounds, SETTINGS)
    assert peak(found) == pytest.approx(0.9, abs=1e-6)
    assert found == pytest.approx(expected * 0.9 / peak(expected), abs=1e-5)


def test_the_json_holds_the_effects_of_a_layer_only_if_it_has_some(tiny: Library) -> None:
    plain, banded = (spec_of([track]) for track in (drum(tiny, "kick", [0]), in_bands(drum(tiny, "kick", [0]), 500.0)))
    assert "effects" not in plain.to_dict()["drums"][0]["layers"][0]
    low = {"effect": "crossover", "match_rms": False, "passes": "low", "hz": 500.0}
    assert banded.to_dict()["drums"][0]["layers"][0]["effects"] == [low]
    for spec in (plain, banded):
        assert PairSpec.from_json(spec.to_json()) == spec
