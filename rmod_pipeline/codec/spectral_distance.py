"""Multi-resolution spectral distance of one-shots.

The DOSE paper names "MSS, mean squared error of spectrograms at FFT 2048, 1024, 512, 256, 128, 64", without window, hop
and scale. Here: a Hann window, a hop of a quarter window, log10 of magnitudes relative to a full-scale sine with a
floor of -80 dB, the mean squared difference over each spectrogram, and the mean over the six sizes. All audio is scaled
to a peak of 1 first, so that the level has no influence. A distance of 1 is a difference of 20 dB everywhere. The
values cannot be compared with those of the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOWS = (2048, 1024, 512, 256, 128, 64)
FLOOR = 1e-4
"""-80 dB: lower magnitudes count as silence."""


def spectral_distance(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the distances [n] of audio [n, samples] from a reference [n, samples]: 0 for equal audio."""
    return squared_difference(log_spectra(normalize_sounds(estimate)), log_spectra(normalize_sounds(reference)))


def distance_from_mean(sounds: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the distance of each sound from the mean log spectrum of all: sounds [n, samples], returns [n].

    ``weights`` [n] must add up to 1; by default all sounds have equal weight. Because the distance is squared, the
    sound with the smallest one is also the one that is nearest to all sounds on average. To save memory, the spectra of
    one sound are computed at a time.
    """
    if weights is None:
        weights = torch.full((len(sounds),), 1 / len(sounds), device=sounds.device)
    normalized = normalize_sounds(sounds)
    spectra = (log_spectra(sound[None]) for sound in normalized)
    mean = [weights[0] * spectrum for spectrum in next(spectra)]
    for weight, other in zip(weights[1:], spectra, strict=True):
        mean = [total + weight * spectrum for total, spectrum in zip(mean, other, strict=True)]
    return torch.cat([squared_difference(log_spectra(sound[None]), mean) for sound in normalized])


def log_spectra(sounds: Tensor) -> list[Tensor]:
    """Return the log spectra of audio [n, samples] without scaling it: one [n, bins, frames] per window size."""
    return [log_of_magnitudes(magnitudes(sounds, size), size) for size in WINDOWS]


def squared_difference(spectra: list[Tensor], reference: list[Tensor]) -> Tensor:
    """Return the mean squared differences [n] of two lists of log spectra."""
    distances = [(a - b).square().mean((1, 2)) for a, b in zip(spectra, reference, strict=True)]
    return torch.stack(distances).mean(0)


def normalize_sounds(sounds: Tensor) -> Tensor:
    """Return audio [n, samples] scaled to a peak of 1; below a peak of 1e-6, silence stays silence."""
    return sounds / sounds.abs().amax(-1, keepdim=True).clamp_min(1e-6)


def magnitudes(sounds: Tensor, size: int) -> Tensor:
    """Return the magnitudes [n, bins, frames] of the spectra of audio [n, samples].

    The window is a Hann window of ``size`` samples, whose sum is not divided out, and the hop a quarter of it. The
    audio is mirrored at both ends, so that a frame is centred on every hop.
    """
    window = torch.hann_window(size, device=sounds.device)
    return torch.stft(sounds, size, size // 4, window=window, return_complex=True).abs()


def log_of_magnitudes(spectrum: Tensor, size: int) -> Tensor:
    """Return log10 of magnitudes [n, bins, frames] relative to a full-scale sine, with the floor."""
    window = torch.hann_window(size, device=spectrum.device)
    return (spectrum * (2 / window.sum())).clamp_min(FLOOR).log10()
