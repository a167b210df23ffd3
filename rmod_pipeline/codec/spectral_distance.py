"""Multi-resolution spectral distance of one-shots: of two, and of many from what they have in common.

The DOSE paper names "MSS, mean squared error of spectrograms at FFT 2048, 1024, 512, 256, 128, 64", and neither
window, hop nor scale. Ours: a Hann window, a hop of a quarter of it, log10 of magnitudes relative to a full-scale sine
with a floor at -80 dB, the mean of the squared difference over each spectrogram, then the mean over the six. All
sounds are brought to a peak of 1 first: what is judged is the sound, not its level. So 1 is a difference of 20 dB
everywhere, and the figures are not those of the paper.
"""

from __future__ import annotations

import torch
from torch import Tensor

WINDOWS = (2048, 1024, 512, 256, 128, 64)
FLOOR = 1e-4
"""-80 dB: what is below is silence."""


def spectral_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the distances [n] of sounds [n, samples]: 0 for equal ones. Silence is at -80 dB everywhere."""
    return squared_difference(log_spectra(_levelled(made)), log_spectra(_levelled(wanted)))


def distance_from_mean(sounds: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return how far each of several sounds [n, samples] is from the mean of all their log spectra: [n].

    ``weights`` [n], which add up to 1, are how much each counts for the mean; all alike without. The spectral distance
    is a squared one, so the sound with the least of this is also the one that is nearest to all the others on average.
    One spectrum of each sound is held at a time.
    """
    levelled = _levelled(sounds)
    shares = torch.full((len(sounds),), 1 / len(sounds), device=sounds.device) if weights is None else weights
    mean = [shares[0] * each for each in log_spectra(levelled[:1])]
    for sound, share in zip(levelled[1:], shares[1:], strict=True):
        mean = [total + share * each for total, each in zip(mean, log_spectra(sound[None]), strict=True)]
    return torch.cat([squared_difference(log_spectra(sound[None]), mean) for sound in levelled])


def log_spectra(sounds: Tensor) -> list[Tensor]:
    """Return the log spectra of sounds [n, samples] at their own level, one a window, each [n, bins, frames]."""
    return [_log_magnitude(sounds, size) for size in WINDOWS]


def squared_difference(some: list[Tensor], others: list[Tensor]) -> Tensor:
    """Return the distances [n] of two sets of log spectra."""
    distances = [(one - other).square().mean((1, 2)) for one, other in zip(some, others, strict=True)]
    return torch.stack(distances).mean(0)


def _levelled(sounds: Tensor) -> Tensor:
    """Return sounds [n, samples] with a peak of 1."""
    return sounds / sounds.abs().amax(-1, keepdim=True).clamp_min(1e-6)


def _log_magnitude(sound: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=sound.device)
    spectrum = torch.stft(sound, size, size // 4, window=window, return_complex=True).abs()
    return (spectrum * (2 / window.sum())).clamp_min(FLOOR).log10()
