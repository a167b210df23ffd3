"""What a reconstruction is worth: distances of spectra, of mel spectrograms and of waveforms."""

from __future__ import annotations

from collections.abc import Sequence

import librosa
import torch
from torch import Tensor, nn

from rmod_pipeline.codec.spectral_distance import log_spectra, squared_difference

FLOOR = 1e-5
"""Below this magnitude nothing counts: as in DAC's mel loss."""


class MelDistance(nn.Module):
    """Mean absolute distance of log10 mel spectrograms over several windows, hop a quarter of the window.

    After Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN" (2023), section 3.4.
    """

    def __init__(self, sample_rate: int, windows: Sequence[int], mels: Sequence[int]) -> None:
        super().__init__()
        self.windows = tuple(windows)
        for window, bands in zip(windows, mels, strict=True):
            bank = torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=window, n_mels=bands))
            self.register_buffer(f"bank_{window}", bank, persistent=False)
            self.register_buffer(f"window_{window}", torch.hann_window(window), persistent=False)

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """Return the distance of two batches [n, frames]: 0 for equal ones, 1 where every band is ten times off."""
        distances = [(self.log_mel(made, size) - self.log_mel(wanted, size)).abs().mean() for size in self.windows]
        return torch.stack(distances).mean()

    def log_mel(self, audio: Tensor, size: int) -> Tensor:
        """Return log10 mel magnitudes [n, bands, times] of [n, frames]."""
        window, bank = getattr(self, f"window_{size}"), getattr(self, f"bank_{size}")
        spectrum = torch.stft(audio, size, size // 4, window=window, return_complex=True)
        # The root's grad_norm at silence would be infinite.
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-12).sqrt()
        return (bank @ magnitude).clamp_min(FLOOR).log10()


def spectral_difference(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared difference of log10 spectra of [n, frames] at six resolutions: 1 where all is 20 dB off.

    As `rmod evaluate` compares sounds, but both at the level that gives the wanted one a peak of 1, so that a lost
    attack costs as much as a tail that is too loud. Crops that are nearly silent are not made louder than by 40 dB.
    """
    peak = wanted.abs().amax(-1, keepdim=True).clamp_min(1e-2)
    return squared_difference(log_spectra(made / peak), log_spectra(wanted / peak)).mean()


def waveform_distance(made: Tensor, wanted: Tensor) -> Tensor:
    """Return log10 of the error's share of the energy of [n, frames], meaned over crops: 0 for silence, -3 at best."""
    share = (made - wanted).square().mean(dim=-1) / (wanted.square().mean(dim=-1) + 1e-6)
    return (share + 1e-3).log10().mean()


def signal_to_distortion_db(made: Tensor, wanted: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio of [n, frames] in dB, [n]. Le Roux et al. (2019)."""
    made, wanted = made - made.mean(-1, keepdim=True), wanted - wanted.mean(-1, keepdim=True)
    energy = wanted.square().sum(-1, keepdim=True) + 1e-8
    target = (made * wanted).sum(-1, keepdim=True) / energy * wanted
    noise = made - target
    return 10 * torch.log10((target.square().sum(-1) + 1e-8) / (noise.square().sum(-1) + 1e-8))
