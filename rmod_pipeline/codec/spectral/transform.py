"""Short-time Fourier transforms whose frames belong to whole steps of audio, and back.

A step is a quarter of a window. Frame t is centred on the middle of step t, so audio of n steps has n frames. Before
and after the audio there is silence. Call these functions outside autocast, which would lower their precision.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

OVERLAP = 4
"""Steps per window."""
LOW_HZ = 1000.0
"""Below, the latents of a spectral codec hold the waveform itself; above, what spectra look like."""


def count_low(hop: int, sample_rate: int) -> int:
    """Return the number of lapped coefficients below ``LOW_HZ``."""
    return max(1, round(LOW_HZ * 2 * hop / sample_rate))


def analyse(audio: Tensor, step: int) -> Tensor:
    """Return the spectra [n, frames, 2 * step + 1] complex64 of audio [n, frames * step]; a full-scale sine has 1."""
    edge = (OVERLAP - 1) * step // 2
    windows = functional.pad(audio.float(), (edge, edge)).unfold(1, OVERLAP * step, step)
    hann = _hann(step, audio.device)
    spectra: Tensor = torch.fft.rfft(windows * hann) * (2 / hann.sum())
    return spectra


def synthesise(spectra: Tensor, step: int) -> Tensor:
    """Return the audio [n, frames * step] whose spectra are nearest to the given ones [n, frames, 2 * step + 1]."""
    hann = _hann(step, spectra.device)
    windows = torch.fft.irfft(spectra, n=OVERLAP * step) * (hann * hann.sum() / 2)
    audio = _overlap(windows, step)
    weight = _overlap((hann * hann).expand(1, spectra.shape[1], -1), step)
    edge = (OVERLAP - 1) * step // 2
    kept: Tensor = (audio / weight.clamp_min(1e-3))[:, edge : edge + spectra.shape[1] * step]
    return kept


def _overlap(windows: Tensor, step: int) -> Tensor:
    """Add windows [n, frames, 4 * step] that begin one step apart: [n, (frames + 3) * step]."""
    parts = windows.unflatten(2, (OVERLAP, step))
    return torch.stack(
        [functional.pad(parts[:, :, k], (0, 0, k, OVERLAP - 1 - k)).flatten(1) for k in range(OVERLAP)]
    ).sum(0)


def _hann(step: int, device: torch.device) -> Tensor:
    return torch.hann_window(OVERLAP * step, device=device)


def make_lapped_basis(hop: int, count: int) -> Tensor:
    """Return the lowest ``count`` functions of an MDCT with a sine window: [2 * hop, count]."""
    time = torch.arange(2 * hop, dtype=torch.float64)
    window = torch.sin(torch.pi / (2 * hop) * (time + 0.5))
    angles = torch.pi / hop * (time[:, None] + 0.5 + hop / 2) * (torch.arange(count) + 0.5)
    return (window[:, None] * torch.cos(angles)).float()


def analyse_low(audio: Tensor, basis: Tensor) -> Tensor:
    """Return the coefficients [n, frames, count] of audio [n, frames * hop]; a full-scale sine has up to about 1."""
    hop = len(basis) // 2
    windows = functional.pad(audio.float(), (hop // 2, hop // 2 + hop % 2)).unfold(1, 2 * hop, hop)
    coefficients: Tensor = windows @ basis * (2 / hop)
    return coefficients


def synthesise_low(coefficients: Tensor, basis: Tensor) -> Tensor:
    """Return the audio [n, frames * hop] of coefficients [n, frames, count].

    It is the inverse where two windows overlap: everywhere but in half a hop at both ends.
    """
    hop = len(basis) // 2
    halves = (coefficients @ basis.t()).unflatten(2, (2, hop))
    first, second = functional.pad(halves[:, :, 0], (0, 0, 0, 1)), functional.pad(halves[:, :, 1], (0, 0, 1, 0))
    audio: Tensor = (first + second).flatten(1)[:, hop // 2 : hop // 2 + coefficients.shape[1] * hop]
    return audio
