"""Metrics of how a sound goes on in time: its envelope, its decay, its transient.

All three ignore the level, and silence before the sound: they measure from the onset, or relative to all energy.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.evaluation.metrics.sounds import (
    SILENCE,
    align_onsets,
    check_batch,
    compare_values,
    is_silent,
    require_equal_shapes,
)

ENVELOPE_SECONDS = 0.005
"""Length of a frame of the envelope."""
ENVELOPE_FLOOR_DB = -60.0
"""Level of everything quieter, relative to the loudest frame."""
DECAY_FROM_DB, DECAY_TO_DB = -5.0, -25.0
"""Part of the decay curve to which T20 fits a line (ISO 3382-1)."""
SHORTEST_DECAY_SECONDS = 0.001
MOST_DOUBLINGS = 14.0
"""Range of decay times in doublings from 1 ms: to 16.4 s; the largest error of a decay time."""
TRANSIENT_SECONDS = 0.02
MOST_RATIO_DB = 40.0
"""A larger ratio of transient and tail, in either direction, counts as this one; twice it is the largest error."""


def envelope_error(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the error of the envelope in dB [n] of sounds [n, samples]: 0 for equal envelopes, at most 60 dB.

    Formula: the mean absolute difference of the levels of frames in dB, over the frames in which either sound is above
    the floor. Level of a frame: the root mean square of 5 ms, relative to the loudest frame, with a floor of -60 dB.
    Both sounds begin at their onset: the first sample within 20 dB of the peak. Source: ours. Silence is at the floor
    in every frame.
    """
    require_equal_shapes(estimate, reference)
    levels = [envelope_levels(align_onsets(check_batch(sounds)), sample_rate) for sounds in (estimate, reference)]
    return compare_envelopes(*levels)


def decay_error(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the error of the decay time in doublings [n] of sounds [n, samples]: 0 to 14.

    Formula: |log2(T / U)|, T and U being the decay times T20 of both sounds, limited to 1 ms to 16.4 s. At 1 a decay is
    twice or half as long. T20: Schroeder's backward integral of the squared samples, in dB; a line is fitted
    from -5 to -25 dB and extended to 60 dB. Source: ISO 3382-1; Schroeder (1965). Where both sounds are cut at the same
    length, both decays look shorter than they are. If one sound is silent, the error is 14.
    """
    require_equal_shapes(estimate, reference)
    own, true = (decay_doublings(check_batch(sounds), sample_rate) for sounds in (estimate, reference))
    return compare_values(own, true, (is_silent(estimate), is_silent(reference)), MOST_DOUBLINGS)


def transient_ratio_error(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the error of the transient-to-tail ratio in dB [n] of sounds [n, samples]: 0 to 80 dB.

    Formula: the absolute difference of 10 log10(E / F), E being the energy of the first 20 ms after the onset and F
    that of what follows; a ratio is limited to -40 to 40 dB. Source: the early-to-late index of ISO 3382-1, with 20 ms
    in place of 80 ms. The onset is the first sample within 20 dB of the peak. If one sound is silent, the error is 80.
    """
    require_equal_shapes(estimate, reference)
    aligned = (align_onsets(check_batch(sounds)) for sounds in (estimate, reference))
    own, true = (transient_ratio_db(sounds, sample_rate) for sounds in aligned)
    return compare_values(own, true, (is_silent(estimate), is_silent(reference)), 2 * MOST_RATIO_DB)


def envelope_levels(aligned: Tensor, sample_rate: int) -> Tensor:
    """Return the levels of frames in dB relative to the loudest: [n, frames], for sounds that begin at their onset."""
    length = max(round(ENVELOPE_SECONDS * sample_rate), 1)
    frames = math.ceil(aligned.shape[1] / length)
    padded = functional.pad(aligned, (0, frames * length - aligned.shape[1]))
    power: Tensor = padded.unflatten(1, (frames, length)).square().mean(2)
    relative = power / power.amax(1, keepdim=True).clamp_min(SILENCE**2 / length)
    return 10 * relative.clamp_min(10 ** (ENVELOPE_FLOOR_DB / 10)).log10()


def compare_envelopes(levels: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference in dB [n] of levels [n, frames]; frames of silence do not count."""
    sounding = (levels > ENVELOPE_FLOOR_DB) | (other > ENVELOPE_FLOOR_DB)
    return ((levels - other).abs() * sounding).sum(1) / sounding.sum(1).clamp_min(1)


def decay_doublings(sounds: Tensor, sample_rate: int) -> Tensor:
    """Return the decay times T20 [n] of sounds [n, samples] in doublings of 1 ms; 0 for a single click."""
    energy = sounds.double().square()
    remaining = energy.flip(1).cumsum(1).flip(1)
    levels = 10 * (remaining / remaining[:, :1].clamp_min(1e-300)).clamp_min(1e-12).log10()
    used = ((levels <= DECAY_FROM_DB) & (levels >= DECAY_TO_DB)).double()
    seconds = torch.arange(sounds.shape[1], dtype=torch.float64, device=sounds.device) / sample_rate
    gradient = _fit_line(seconds, levels, used)
    decay = torch.where(gradient < 0, -60 / gradient, 0.0)
    return (decay.clamp_min(SHORTEST_DECAY_SECONDS) / SHORTEST_DECAY_SECONDS).log2().clamp_max(MOST_DOUBLINGS)


def transient_ratio_db(aligned: Tensor, sample_rate: int) -> Tensor:
    """Return the ratio of transient and tail in dB [n], for sounds [n, samples] that begin at their onset."""
    energy = aligned.double().square()
    early = energy[:, : round(TRANSIENT_SECONDS * sample_rate)].sum(1)
    late = energy.sum(1) - early
    ratio = 10 * ((early + 1e-30) / (late.clamp_min(0) + 1e-30)).log10()
    return ratio.clamp(-MOST_RATIO_DB, MOST_RATIO_DB)


def _fit_line(seconds: Tensor, levels: Tensor, used: Tensor) -> Tensor:
    """Return the gradients [n] in dB per second of lines through used points of levels [n, samples]; 0 without two."""
    count = used.sum(1).clamp_min(1)
    mean = (used @ seconds) / count
    deviation = (seconds - mean[:, None]) * used
    variance = deviation.square().sum(1)
    gradient = (deviation * levels).sum(1) / variance.clamp_min(1e-30)
    return torch.where(variance > 0, gradient, 0.0)
