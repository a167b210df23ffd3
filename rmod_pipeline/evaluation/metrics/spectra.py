"""Metrics of spectra: MSS, the distance of log-mel spectra, the error of the spectral centroid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import WINDOWS, log_of_magnitudes, magnitudes, normalize_sounds
from rmod_pipeline.evaluation.metrics.sounds import (
    Alignment,
    Level,
    check_batch,
    compare_values,
    is_silent,
    prepare_sounds,
    require_equal_shapes,
)

LONG_WINDOW = 2048
"""Samples of the window of the log-mel spectrum; the hop is a quarter of it."""
MEL_BANDS = 64
MEL_LOWEST_HZ = 30.0
MEL_HIGHEST_HZ = 16_000.0
MEL_FLOOR_DB = -80.0
"""Level of everything quieter, relative to a full-scale sine."""
LOWEST_CENTROID_HZ = 20.0
MOST_OCTAVES = 10.0
"""Range of centroids in octaves from 20 Hz, the range of hearing; the largest error of a centroid."""

Magnitude = Literal["linear", "log"]
"""``linear``: magnitudes. ``log``: their log10, with a floor of -80 dB below a full-scale sine."""
Scaling = Literal["sum", "sine"]
"""``sum``: the plain sum over a window. ``sine``: relative to a full-scale sine, so that no window counts for more."""


def mss(
    estimate: Tensor,
    reference: Tensor,
    sample_rate: int,  # noqa: ARG001
    *,
    sizes: Sequence[int] = WINDOWS,
    magnitude: Magnitude = "linear",
    scaling: Scaling = "sum",
    level: Level = "peak",
    alignment: Alignment = "none",
) -> Tensor:
    """Return the multi-scale spectral distance [n] of sounds [n, samples]: 0 for equal sounds, without an upper limit.

    Formula: the sum over FFT sizes of the mean over bins and frames of (|X| - |Y|)^2, X and Y being the spectra of
    both sounds. Source: the DOSE paper, arXiv 2504.18157, names "MSS, mean squared error of spectrograms at FFT 2048,
    1024, 512, 256, 128, 64" and leaves the rest open. Ours: a Hann window as long as the FFT, a hop of a quarter,
    linear magnitudes, no division by the window's sum, no alignment, and both sounds scaled to a peak of 1. With the
    plain sum a long window counts for more: noise has a mean square of 3/8 of its variance times the FFT size.

    ``magnitude="log"`` is six times ``spectral_distance``; its magnitudes are relative to a full-scale sine whatever
    ``scaling`` says. Silence is as far away as the reference's spectra are strong.
    """
    require_equal_shapes(estimate, reference)
    own, true = (prepare_sounds(sounds, level, alignment) for sounds in (estimate, reference))
    distances = []
    for size in sizes:
        spectra = [_scale(magnitudes(sounds, size), size, magnitude, scaling) for sounds in (own, true)]
        distances.append(squared_mean(*spectra))
    return torch.stack(distances).sum(0)


def log_mel_distance(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the log-spectral distance in mel bands [n] of sounds [n, samples]: 0 dB for equal sounds, at most 80 dB.

    Formula: the root mean square over bands of the difference of levels in dB, averaged over the frames in which
    either sound is above the floor. Source: the log-spectral distance of Gray and Markel (1976), in mel bands. Ours:
    64 bands from 30 Hz to 16 kHz, a Hann window of 2048 samples, a hop of 512, a floor of -80 dB below a full-scale
    sine, both sounds scaled to a peak of 1 and not aligned. Silence is at the floor in every band.
    """
    require_equal_shapes(estimate, reference)
    normalized = (prepare_sounds(sounds, "peak", "none") for sounds in (estimate, reference))
    own, true = (mel_levels(magnitudes(sounds, LONG_WINDOW), sample_rate) for sounds in normalized)
    return compare_mel_levels(own, true)


def centroid_error(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the error of the spectral centroid in octaves [n] of sounds [n, samples]: 0 to 10.

    Formula: |log2(c / d)|, c and d being the centroids of both sounds: the mean frequency, weighted by energy, limited
    to 20 Hz to 20.48 kHz. An error of 1 is twice or half the frequency. Source: Peeters (2004). Ours: one spectrum of
    the whole sound without a window, so that level and place do not count. If one sound is silent, the error is 10.
    """
    require_equal_shapes(estimate, reference)
    own, true = (centroid_octaves(check_batch(sounds), sample_rate) for sounds in (estimate, reference))
    return compare_values(own, true, (is_silent(estimate), is_silent(reference)), MOST_OCTAVES)


def squared_mean(spectrum: Tensor, other: Tensor) -> Tensor:
    """Return the mean squared difference [n] of spectra [n, bins, frames]."""
    return (spectrum - other).square().mean((1, 2))


def mel_levels(spectrum: Tensor, sample_rate: int) -> Tensor:
    """Return the levels of mel bands in dB: [n, bands, frames], for magnitudes of windows of ``LONG_WINDOW``."""
    filters, scale = _mel_filters(sample_rate), 2 / torch.hann_window(LONG_WINDOW).sum()
    power = filters.to(spectrum.device) @ (spectrum * scale).square()
    return 10 * power.clamp_min(10 ** (MEL_FLOOR_DB / 10)).log10()


def compare_mel_levels(levels: Tensor, other: Tensor) -> Tensor:
    """Return the log-spectral distance in dB [n] of levels [n, bands, frames]; frames of silence do not count."""
    sounding = ((levels > MEL_FLOOR_DB) | (other > MEL_FLOOR_DB)).any(1)
    frames = (levels - other).square().mean(1).sqrt()
    return (frames * sounding).sum(1) / sounding.sum(1).clamp_min(1)


def centroid_octaves(sounds: Tensor, sample_rate: int) -> Tensor:
    """Return the centroids [n] of sounds [n, samples] in octaves above 20 Hz; 0 for silence."""
    size = 2 ** (sounds.shape[1] - 1).bit_length()  # a fast length, filled up with silence
    energy = torch.fft.rfft(normalize_sounds(sounds), size).abs().square().double()
    frequencies = torch.linspace(0, sample_rate / 2, energy.shape[1], dtype=energy.dtype, device=energy.device)
    centroid = (energy @ frequencies) / energy.sum(1).clamp_min(1e-12)
    octaves: Tensor = (centroid.clamp_min(LOWEST_CENTROID_HZ) / LOWEST_CENTROID_HZ).log2()
    return octaves.clamp_max(MOST_OCTAVES)


def _scale(spectrum: Tensor, size: int, magnitude: Magnitude, scaling: Scaling) -> Tensor:
    if magnitude == "log":
        return log_of_magnitudes(spectrum, size)
    return spectrum * (2 / torch.hann_window(size).sum()) if scaling == "sine" else spectrum


@cache
def _mel_filters(sample_rate: int) -> Tensor:
    """Return the weights of each band: [bands, bins]."""
    import librosa

    highest = min(MEL_HIGHEST_HZ, sample_rate / 2)
    filters = librosa.filters.mel(
        sr=sample_rate, n_fft=LONG_WINDOW, n_mels=MEL_BANDS, fmin=MEL_LOWEST_HZ, fmax=highest, norm=None
    )
    return torch.from_numpy(filters)
