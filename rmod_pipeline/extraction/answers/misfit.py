"""Measure how badly a one-shot explains a window of music: its misfit.

The one-shot is compared with the window at every time offset, at the gain that suits it there. Where it is louder than
the music, it cannot be what was played. Where the music is louder, another sound may play as well, so that costs less.
The cost is the quantile (pinball) loss of the difference in dB, over the mel bands and frames in which the one-shot
sounds. The misfit is the cost at the best offsets, minus half of the cost at the median offset: a sound that suits
every offset explains none.

An effect chain on the drum raises the misfit of all candidates alike. So only differences between candidates for the
same window have a meaning.
"""

from __future__ import annotations

from functools import cache

import librosa
import torch
from torch import Tensor

WINDOW, HOP, BANDS = 1024, 256, 40
"""Samples per frame, samples between frames, mel bands."""
SOUNDING_DB = 40.0
"""A band of a frame counts unless it is more than this below the loudest of the one-shot."""
QUANTILE = 0.4
"""Share of bands that may be quieter than the one-shot at its gain; below a half, because other sounds add to it."""
MOST_DB = 20.0
"""Largest difference that counts in a band: a larger one comes from another sound."""
LONGEST_FRAMES = 180
"""Frames of a one-shot that are compared: 1.04 s at 44.1 kHz."""
SKETCH_BANDS = 128
"""Bands, over all frames, of the rough comparison that selects offsets."""
CLOSE_OFFSETS = 16
"""Best offsets of the rough comparison, which are compared in full."""
BEST_OFFSETS = 3
"""Best offsets of the full comparison, over which the mean is taken: most drums are hit more than once."""
MEDIAN_SHARE = 0.5
"""Share of the median cost that is subtracted."""
LEAST_DB = -100.0
"""Lowest level of a mel band."""


@torch.no_grad()
def measure_misfits(window: Tensor, one_shots: Tensor, sample_rate: int) -> Tensor:
    """Return how badly each one-shot explains a window, in dB: [n] for one-shots [n, samples], window [samples]."""
    music, candidates = (_log_mel(audio, sample_rate) for audio in (window[None], one_shots))
    candidates = candidates[..., :LONGEST_FRAMES]
    frames = candidates.shape[2]
    # A one-shot may end after the window does: silence follows the window.
    padded = torch.nn.functional.pad(music[0], (0, frames - 1), value=LEAST_DB)
    offsets = padded.unfold(1, frames, 1).transpose(0, 1).flatten(1)
    return torch.stack([_measure_misfit(offsets, candidate.flatten()) for candidate in candidates])


def _measure_misfit(offsets: Tensor, candidate: Tensor) -> Tensor:
    """Return the misfit of one candidate [bands * frames] to the music at all offsets [n, bands * frames], in dB."""
    sounding = (candidate > candidate.max() - SOUNDING_DB).nonzero()[:, 0]
    sketch = sounding[torch.linspace(0, len(sounding) - 1, min(SKETCH_BANDS, len(sounding))).long()]
    rough = _cost(offsets[:, sketch] - candidate[sketch])
    best = rough.topk(min(CLOSE_OFFSETS, len(rough)), largest=False).indices
    fine = _cost(offsets[best][:, sounding] - candidate[sounding])
    return fine.topk(min(BEST_OFFSETS, len(fine)), largest=False).values.mean() - MEDIAN_SHARE * rough.median()


def _cost(difference_db: Tensor) -> Tensor:
    """Return the mean cost [n] of differences music - one-shot [n, bands] in dB, at the best gain of the one-shot."""
    rest = difference_db - torch.quantile(difference_db, QUANTILE, dim=1, keepdim=True)
    return torch.where(rest > 0, QUANTILE * rest.clamp_max(MOST_DB), (QUANTILE - 1) * rest.clamp_min(-MOST_DB)).mean(1)


def _log_mel(audio: Tensor, sample_rate: int) -> Tensor:
    """Return mel spectrograms in dB [n, bands, frames] of audio [n, samples]."""
    spectrum = torch.stft(audio, WINDOW, HOP, window=_hann(), return_complex=True).abs().square()
    return (10 * (_mel_filters(sample_rate) @ spectrum).log10()).clamp_min(LEAST_DB)


@cache
def _hann() -> Tensor:
    return torch.hann_window(WINDOW) * (2 / torch.hann_window(WINDOW).sum())


@cache
def _mel_filters(sample_rate: int) -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=WINDOW, n_mels=BANDS, norm=None)).float()
