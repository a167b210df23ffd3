"""Measure how far a reconstruction is from its target: by spectra, mel spectrograms and waveforms."""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import torch
from torch import Tensor, nn

from rmod_pipeline.codec.spectral_distance import log_spectra, squared_difference

FLOOR = 1e-5
"""Lowest magnitude, as in DAC's mel loss."""


class MelDistance(nn.Module):
    """Mean absolute distance of log10 mel spectrograms over several window sizes; the hop is a quarter of the window.

    After Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (2023), section 3.4.
    """

    def __init__(self, sample_rate: int, windows: Sequence[int], mels: Sequence[int]) -> None:
        super().__init__()
        self.windows = tuple(windows)
        for window, bands in zip(windows, mels, strict=True):
            filters = torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=bands))
            self.register_buffer(f"filters_{window}", filters, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        """Return the distance of two batches [n, frames]: 0 if equal, 1 if every band differs by a factor of ten."""
        distances = [
            (self.log_mel(reconstruction, size) - self.log_mel(target, size)).abs().mean() for size in self.windows
        ]
        return torch.stack(distances).mean()

    def log_mel(self, audio: Tensor, window: int) -> Tensor:
        """Return log10 mel magnitudes [n, bands, times] of audio [n, frames]."""
        hann, filters = getattr(self, f"window_{window}"), getattr(self, f"filters_{window}")
        spectrum = torch.stft(audio, window, window // 4, window=hann, return_complex=True)
        # Without the constant, the gradient of the root would be infinite at silence.
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt()
        levels: Tensor = (filters @ magnitude).clamp_min(FLOOR).log10()
        return levels


def spectral_difference(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared difference of log10 spectra at six resolutions: 1 if everything is 20 dB off.

    reconstruction and target [n, frames]. Unlike in `rmod evaluate`, both are scaled by the gain that gives the target
    a peak of 1, so that a lost attack costs as much as a tail that is too loud. Near-silent crops are amplified by at
    most 40 dB.
    """
    peak = target.abs().amax(-1, keepdim=True).clamp_min(1e-2)
    return squared_difference(log_spectra(reconstruction / peak), log_spectra(target / peak)).mean()


def waveform_distance(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return log10 of the error's share of the energy, averaged over crops [n, frames]: 0 for silence, -3 at best."""
    share = (reconstruction - target).square().mean(dim=-1) / (target.square().mean(dim=-1) + 1e-6)
    return (share + 1e-3).log10().mean()


def signal_to_distortion_db(reconstruction: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio [n] in dB of [n, frames]. Le Roux et al. (2019)."""
    reconstruction = reconstruction - reconstruction.mean(-1, keepdim=True)
    target = target - target.mean(-1, keepdim=True)
    energy = target.square().sum(-1, keepdim=True) + 1e-8
    projection = (reconstruction * target).sum(-1, keepdim=True) / energy * target
    noise = reconstruction - projection
    return 10 * torch.log10((projection.square().sum(-1) + 1e-8) / (noise.square().sum(-1) + 1e-8))
