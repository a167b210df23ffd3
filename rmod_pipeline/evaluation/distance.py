"""Multi-resolution spectral distance of two one-shots.

The DOSE paper names "MSS, mean squared error of spectrograms at FFT 2048, 1024, 512, 256, 128, 64", and neither
window, hop nor scale. Ours: a Hann window, a hop of a quarter of it, log10 of magnitudes relative to a full-scale sine
with a floor at -80 dB, the mean of the squared difference over each spectrogram, then the mean over the six. Both
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
    one, other = _at_full_scale(made), _at_full_scale(wanted)
    distances = [(_log_magnitude(one, size) - _log_magnitude(other, size)).square().mean((1, 2)) for size in WINDOWS]
    return torch.stack(distances).mean(0)


def _at_full_scale(sound: Tensor) -> Tensor:
    return sound / sound.abs().amax(-1, keepdim=True).clamp_min(1e-6)


def _log_magnitude(sound: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size, device=sound.device)
    spectrum = torch.stft(sound, size, size // 4, window=window, return_complex=True).abs()
    return (spectrum * (2 / window.sum())).clamp_min(FLOOR).log10()
