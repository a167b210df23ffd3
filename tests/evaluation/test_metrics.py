"""Metrics on planted cases: zero for equal sounds, larger for larger errors, blind to what they do not measure."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import WINDOWS, spectral_distance
from rmod_pipeline.evaluation.metrics import METRICS, analyse_sounds, compare_analyses, measure_all, mss
from rmod_pipeline.evaluation.metrics.sounds import align_onsets

RATE = 44_100
SAMPLES = 16_384

SEES_LEVEL = {"mss": {"level": "none"}}
"""Options with which a metric measures the level; no other metric does."""
SEES_SHIFT = {"mss", "spectral_distance", "log_mel_distance"}
"""Metrics that compare sounds as they lie."""
WORST = {"centroid_error": 10.0, "decay_error": 14.0, "transient_ratio_error": 80.0}
"""The error of silence where it has no value to compare."""


def make_drum(decay_ms: float = 60.0, seed: int = 0) -> Tensor:
    """Return a drum [1, samples]: a falling tone and a burst of noise, silent at its end."""
    seconds = np.arange(SAMPLES) / RATE
    tone = np.sin(2 * np.pi * (180 * seconds + 3 * np.exp(-seconds * 40)))
    noise = np.random.default_rng(seed).standard_normal(SAMPLES) * np.exp(-seconds * 200)
    sound = (tone + 0.5 * noise) * np.exp(-seconds * 1000 / decay_ms) * (seconds < 0.3)
    return torch.from_numpy(0.5 * sound).float()[None]


def filter_low(sound: Tensor, cutoff: float) -> Tensor:
    filtered = sosfilt(butter(4, cutoff, fs=RATE, output="sos"), sound.numpy())
    return torch.from_numpy(filtered).float()


def shift(sound: Tensor, samples: int) -> Tensor:
    return torch.nn.functional.pad(sound, (samples, 0))[:, : sound.shape[1]]


def measure(name: str, estimate: Tensor, reference: Tensor) -> float:
    return float(METRICS[name].function(estimate, reference, RATE))


@pytest.mark.parametrize("name", METRICS)
def test_equal_sounds_have_no_distance(name: str) -> None:
    sounds = torch.cat([make_drum(), make_drum(20, seed=1), torch.zeros(1, SAMPLES)])
    assert METRICS[name].function(sounds, sounds.clone(), RATE).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", METRICS)
def test_the_level_does_not_count_unless_asked_for(name: str) -> None:
    drum = make_drum()
    # A factor of two changes no rounding.
    assert measure(name, drum / 4, drum) < 1e-3
    options = SEES_LEVEL.get(name)
    if options:
        values = [float(mss(gain * drum, drum, RATE, **options)) for gain in (1.0, 0.9, 0.5, 0.1)]  # type: ignore[arg-type]
        assert values == sorted(values)
        assert values[-1] > values[0] == 0


@pytest.mark.parametrize("name", ["mss", "spectral_distance", "log_mel_distance", "envelope_error"])
def test_more_noise_is_further_away(name: str) -> None:
    drum = make_drum()
    noise = torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(0))
    values = [measure(name, drum + gain * noise, drum) for gain in (0, 0.001, 0.01, 0.1)]
    assert values == sorted(set(values))


@pytest.mark.parametrize("name", METRICS)
def test_a_shift_counts_only_where_sounds_are_not_aligned(name: str) -> None:
    drum = make_drum()
    values = [measure(name, shift(drum, samples), drum) for samples in (0, 22, 88, 441, 1764)]
    if name in SEES_SHIFT:
        assert values == sorted(set(values))
    else:
        assert max(values) < 1e-4


def test_mss_aligns_if_asked_for() -> None:
    drum = align_onsets(make_drum())
    assert float(mss(shift(drum, 700), drum, RATE, alignment="onset")) == 0


@pytest.mark.parametrize("name", ["mss", "spectral_distance", "log_mel_distance", "centroid_error"])
def test_a_lower_low_pass_is_further_away(name: str) -> None:
    drum = make_drum()
    values = [measure(name, filter_low(drum, cutoff), drum) for cutoff in (16_000, 8000, 2000, 500)]
    assert values == sorted(set(values))


def test_each_error_has_its_unit() -> None:
    seconds = torch.arange(SAMPLES, dtype=torch.float64) / RATE
    tone, octave = ((torch.sin(2 * math.pi * hertz * seconds)).float()[None] for hertz in (500, 1000))
    assert measure("centroid_error", octave, tone) == pytest.approx(1, abs=0.02)
    noise = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0))
    decaying = [(noise * torch.exp(-seconds * math.log(1000) / decay))[None].float() for decay in (0.05, 0.1, 0.2)]
    for short, long in pairwise(decaying):
        assert measure("decay_error", short, long) == pytest.approx(1, abs=0.1)
    flat, soft = torch.ones(1, 320), torch.ones(1, 320)  # 40 ms at 8 kHz
    soft[:, 160:] = 10 ** (-12 / 20)
    errors = measure_all(soft, flat, 8000)
    assert float(errors["transient_ratio_error"]) == pytest.approx(12, abs=1e-3)
    assert float(errors["envelope_error"]) == pytest.approx(6, abs=1e-3)


def test_decays_are_those_of_schroeder() -> None:
    """The time of 60 dB of an exponential decay that ends in the window is the one it was made with."""
    seconds = torch.arange(RATE, dtype=torch.float64) / RATE
    sound = torch.exp(-seconds * math.log(1000) / 0.3).float()[None]
    doublings = analyse_sounds(sound, RATE).decay
    assert 2 ** float(doublings) / 1000 == pytest.approx(0.3, rel=0.01)


def plain_mss(estimate: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Compute MSS of two sounds [samples] frame by frame."""
    total = 0.0
    for size in WINDOWS:
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
        spectra = []
        for sound in (estimate, reference):
            padded = np.pad(sound / np.abs(sound).max(), size // 2, mode="reflect")
            starts = range(0, len(padded) - size + 1, size // 4)
            spectra.append(np.array([np.abs(np.fft.rfft(padded[start : start + size] * hann)) for start in starts]))
        total += np.square(spectra[0] - spectra[1]).mean()
    return total


def test_mss_is_the_plain_sum_over_frames() -> None:
    drum, other = make_drum()[:, :6000], make_drum(20, seed=1)[:, :6000]
    expected = plain_mss(other[0].double().numpy(), drum[0].double().numpy())
    assert measure("mss", other, drum) == pytest.approx(expected, rel=1e-4)


def test_mss_is_that_of_auraloss() -> None:
    """Its multi-resolution loss, with the squared error of linear magnitudes alone, is the mean over the sizes."""
    freq = pytest.importorskip("auraloss.freq", reason="auraloss is not installed")
    drum, other = make_drum(), make_drum(20, seed=1)
    loss = freq.MultiResolutionSTFTLoss(
        fft_sizes=list(WINDOWS),
        hop_sizes=[size // 4 for size in WINDOWS],
        win_lengths=list(WINDOWS),
        w_sc=0.0,
        w_log_mag=0.0,
        w_lin_mag=1.0,
        mag_distance="L2",
    )
    expected = len(WINDOWS) * float(loss(other[None], drum[None]))
    assert float(mss(other, drum, RATE, level="none")) == pytest.approx(expected, rel=1e-4)


def test_mss_of_log_spectra_is_the_spectral_distance() -> None:
    drum, other = make_drum(), make_drum(20, seed=1)
    value = mss(other, drum, RATE, magnitude="log") / len(WINDOWS)
    torch.testing.assert_close(value, spectral_distance(other, drum))
    assert float(mss(other, drum, RATE, scaling="sine")) < float(mss(other, drum, RATE))


def test_one_pass_is_every_metric_and_an_analysis_is_used_again() -> None:
    reference = torch.cat([make_drum(), make_drum(30, seed=2), torch.zeros(1, SAMPLES)])
    estimate = torch.cat([make_drum(20, seed=1), torch.zeros(1, SAMPLES), make_drum()])
    found = measure_all(estimate, reference, RATE)
    assert list(found) == list(METRICS)
    for name, metric in METRICS.items():
        torch.testing.assert_close(found[name], metric.function(estimate, reference, RATE), atol=1e-5, rtol=1e-5)
    against_first = compare_analyses(analyse_sounds(estimate, RATE), analyse_sounds(reference[:1], RATE))
    repeated = measure_all(estimate, reference[:1].expand(3, -1), RATE)
    for name in METRICS:
        torch.testing.assert_close(against_first[name], repeated[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", METRICS)
def test_silence_is_a_finite_and_a_bad_answer(name: str) -> None:
    drum, silence = make_drum(), torch.zeros(1, SAMPLES)
    value = measure(name, silence, drum)
    assert value > measure(name, filter_low(drum, 8000), drum)
    assert value == pytest.approx(measure(name, drum, silence), rel=1e-5)
    assert value == WORST.get(name, value)


@given(
    samples=st.integers(1, 5000),
    rate=st.sampled_from([8000, 22_050, 44_100, 96_000]),
    loudest=st.sampled_from([0.0, 1e-30, 1e-7, 1e-3, 1.0, 100.0]),
    place=st.floats(0, 1),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_any_sound_has_finite_values(samples: int, rate: int, loudest: float, place: float, seed: int) -> None:
    click = torch.zeros(1, samples)
    click[0, min(int(place * samples), samples - 1)] = loudest
    noise = loudest * torch.randn(1, samples, generator=torch.Generator().manual_seed(seed))
    for name, values in measure_all(torch.cat([click, noise]), torch.cat([noise, click]), rate).items():
        assert torch.isfinite(values).all(), name
        assert (values >= 0).all(), name


def test_sounds_that_cannot_be_compared_are_refused() -> None:
    drum = make_drum()
    for estimate in (drum[0], drum[:, :-1], torch.cat([drum, drum]), drum / 0):
        with pytest.raises(ValueError, match=r"shape|NaN"):
            measure_all(estimate, drum, RATE)
        with pytest.raises(ValueError, match=r"shape|NaN"):
            mss(estimate, drum, RATE)
