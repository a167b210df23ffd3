"""How well a one-shot explains a window of music: whether it can be found in it.

A model proposes; this listens again. A one-shot is laid over every moment of the window, at the gain that suits it
there. Where it is then louder than what is heard, it cannot be what was played; where something is louder than it,
something else may play too, so that costs less. That is the quantile (pinball) loss of the difference in dB, over the
mel bands and times in which the one-shot itself sounds. What is left at the best moments, less half of what is left
at a usual one, is its misfit: a sound that suits every moment is found at none.

What an effect chain does to a drum counts as misfit as well, for all candidates alike: only differences between
candidates for one window mean anything.
"""

from __future__ import annotations

from functools import cache

import librosa
import torch
from torch import Tensor

WINDOW, HOP, BANDS = 1024, 256, 40
"""Samples of a frame and from one to the next, and mel bands."""
SOUNDING_DB = 40.0
"""A band counts while it is no further than this below the one-shot's loudest."""
QUANTILE = 0.4
"""Share of bands that may be quieter than the one-shot at its gain. Below a half, because other sounds add to it."""
MOST_DB = 20.0
"""A band that is further off costs no more than this: it is another sound's."""
LONGEST_FRAMES = 180
"""Hops of a one-shot that are compared: 1.04 s at 44.1 kHz."""
SKETCH = 128
"""Bands and times, of all, by which moments are told good or bad at first."""
CLOSER = 16
"""Moments that are looked at closely."""
MOMENTS = 3
"""The best of them, whose mean is taken: most drums are hit more than once."""
ELSEWHERE = 0.5
"""Share of a usual moment's misfit that is taken off."""
LEAST_DB = -100.0
"""Below this nothing is heard."""


@torch.no_grad()
def misfits(window: Tensor, sounds: Tensor, sample_rate: int) -> Tensor:
    """Return how badly each of several one-shots [n, samples] explains a window [samples], in dB: [n]."""
    heard, candidates = (_log_mel(each, sample_rate) for each in (window[None], sounds))
    candidates = candidates[..., :LONGEST_FRAMES]
    frames = candidates.shape[2]
    # What is asked for may end after the window does: there nothing is heard.
    padded = torch.nn.functional.pad(heard[0], (0, frames - 1), value=LEAST_DB)
    moments = padded.unfold(1, frames, 1).transpose(0, 1).flatten(1)
    return torch.stack([_misfit(moments, each.flatten()) for each in candidates])


def _misfit(moments: Tensor, candidate: Tensor) -> Tensor:
    """Return the misfit of one candidate [bands * times] at its best of moments [n, bands * times]."""
    sounding = (candidate > candidate.max() - SOUNDING_DB).nonzero()[:, 0]
    sketch = sounding[torch.linspace(0, len(sounding) - 1, min(SKETCH, len(sounding))).long()]
    rough = _unexplained(moments[:, sketch] - candidate[sketch])
    best = rough.topk(min(CLOSER, len(rough)), largest=False).indices
    fine = _unexplained(moments[best][:, sounding] - candidate[sounding])
    return fine.topk(min(MOMENTS, len(fine)), largest=False).values.mean() - ELSEWHERE * rough.median()


def _unexplained(louder: Tensor) -> Tensor:
    """Return the mean cost of moments [n, bands] that are so many dB louder than a one-shot, at its best gain."""
    left = louder - torch.quantile(louder, QUANTILE, dim=1, keepdim=True)
    return torch.where(left > 0, QUANTILE * left.clamp_max(MOST_DB), (QUANTILE - 1) * left.clamp_min(-MOST_DB)).mean(1)


def _log_mel(sounds: Tensor, sample_rate: int) -> Tensor:
    """Return mel spectrograms of sounds [n, samples] in dB, [n, bands, times]."""
    spectrum = torch.stft(sounds, WINDOW, HOP, window=_hann(), return_complex=True).abs().square()
    return (10 * (_bank(sample_rate) @ spectrum).log10()).clamp_min(LEAST_DB)


@cache
def _hann() -> Tensor:
    return torch.hann_window(WINDOW) * (2 / torch.hann_window(WINDOW).sum())


@cache
def _bank(sample_rate: int) -> Tensor:
    return torch.from_numpy(librosa.filters.mel(sr=sample_rate, n_fft=WINDOW, n_mels=BANDS, norm=None)).float()
