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
    return squared_difference(log_spectra(_normalize(estimate)), log_spectra(_normalize(reference)))


def distance_from_mean(sounds: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the distance of each sound from the mean log spectrum of all: sounds [n, samples], returns [n].

    ``weights`` [n] must add up to 1; by default all sounds have equal weight. Because the distance is squared, the
    sound with the smallest value is also the nearest to all other sounds on average. To save memory, the spectra of one
    sound are computed at a time.
    """
    normalized = _normalize(sounds)
    if weights is None:
        weights = torch.full((len(sounds),), 1 / len(sounds), device=sounds.device)
    mean = [weights[0] * spectrum for spectrum in log_spectra(normalized[:1])]
    for sound, weight in zip(normalized[1:], weights[1:], strict=True):
        mean = [total + weight * spectrum for total, spectrum in zip(mean, log_spectra(sound[None]), strict=True)]
    return torch.cat([squared_difference(log_spectra(sound[None]), mean) for sound in normalized])


def log_spectra(sounds: Tensor) -> list[Tensor]:
    """Return the log spectra of audio [n, samples] without scaling it: one [n, bins, frames] per window size."""
    return [_log_magnitude(sounds, size) for size in WINDOWS]


def squared_difference(spectra: list[Tensor], reference: list[Tensor]) -> Tensor:
    """Return the mean squared differences [n] of two lists of log spectra."""
    distances = [(a - b).square().mean((1, 2)) for a, b in zip(spectra, reference, strict=True)]
    return torch.stack(distances).mean(0)


def _normalize(sounds: Tensor) -> Tensor:
    """Return audio [n, samples] scaled to a peak of 1."""
    return sounds / sounds.abs().amax(-1, keepdim=True).clamp_min(1e-6)


def _log_magnitude(sound: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=sound.device)
    spectrum = torch.stft(sound, size, size // 4, window=window, return_complex=True).abs()
    return (spectrum * (2 / window.sum())).clamp_min(FLOOR).log10()
