"""Rank the candidates for one instrument: prefer the one that is nearest on average to what the drum may sound like.

Where sounds are picked, that is the ear's expectation. Where a model alone answers, it is also what its tries have in
common (minimum Bayes risk): the likeliest sequence of codes may be a dull sound or a loop, but what all tries have in
common stands for most of the model's probability. Both are about spectral distances, so the least sum is the best.
Tries of kicks count more for what is common if they are found in the music.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import WINDOWS, distance_from_mean
from rmod_pipeline.codec.window import Mono, fit_window
from rmod_pipeline.extraction.answers.misfit import measure_misfits
from rmod_pipeline.extraction.results import Candidate, GeneratedCandidate, Window

MISFIT_SCALE_DB: Mapping[str, float] = {"kick": 0.25}
"""Instruments whose candidates are compared with the music, and the misfit in dB that lowers a weight by a factor of e.
Candidates of equal misfit weigh the same, as without the comparison. It helps for kicks, because hardly any other sound
lasts as long in their bands. Noise is found everywhere: for snares nothing was gained, and for hi-hats short candidates
won, which have little to explain (docs/explanation/decisions/0016)."""


class RankingScores(NamedTuple):
    """The scores of n candidates."""

    distances: Tensor
    """[n]: spectral distance from the weighted mean of all candidates; the least is the best."""
    misfits_db: Tensor | None
    """[n]: how badly each explains its window; None for instruments that are not compared with the music."""


def score_candidates(
    instrument: str, sounds: Tensor, windows: Tensor, window_indices: Sequence[int], sample_rate: int
) -> RankingScores:
    """Score candidates [n, samples] for windows [w, samples]; ``window_indices`` [n] tells the window of each."""
    doubts = torch.zeros(len(sounds))
    misfits: Tensor | None = None
    if instrument in MISFIT_SCALE_DB:
        indices = torch.tensor(window_indices)
        misfits = torch.zeros(len(sounds))
        for index in sorted(set(window_indices)):
            misfits[indices == index] = measure_misfits(windows[index], sounds[indices == index], sample_rate)
        doubts = misfits / MISFIT_SCALE_DB[instrument]
    return RankingScores(distance_from_mean(sounds, torch.softmax(-doubts, 0)), misfits)


def rank_generated(
    candidates: Sequence[GeneratedCandidate],
    instrument: str,
    windows: Sequence[Window],
    sample_rate: int,
    samples: int | None = None,
) -> list[GeneratedCandidate]:
    """Return generated candidates with their scores, the best first and silent ones last.

    They are compared in ``samples`` samples, the window of the instrument; by default in those of the longest one.

    Two have no nearest to the others. Where no ear heard the instrument either, the more likely comes first.
    """
    audible = [candidate for candidate in candidates if not candidate.silent]
    if len(audible) > 2:
        longest = max(candidate.audio.size for candidate in audible)
        audible = _add_scores(audible, instrument, windows, sample_rate, samples or longest)
    return sorted([*audible, *(candidate for candidate in candidates if candidate.silent)], key=_sort_key)


def rank_by_ear(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return generated and picked candidates, the most like what the ear heard first; silent ones last."""
    return sorted(candidates, key=lambda candidate: (candidate.silent, candidate.unlikeness or 0.0))


def _add_scores(
    candidates: Sequence[GeneratedCandidate],
    instrument: str,
    windows: Sequence[Window],
    sample_rate: int,
    samples: int,
) -> list[GeneratedCandidate]:
    sounds = _stack([each.audio for each in candidates], samples)
    music = torch.from_numpy(np.stack([window.audio for window in windows]))
    indices = [candidate.window for candidate in candidates]
    scores = score_candidates(instrument, sounds, music, indices, sample_rate)
    misfits = [None] * len(candidates) if scores.misfits_db is None else scores.misfits_db.tolist()
    return [
        replace(candidate, apart=distance, misfit_db=misfit)
        for candidate, distance, misfit in zip(candidates, scores.distances.tolist(), misfits, strict=True)
    ]


def _stack(sounds: Sequence[Mono], samples: int) -> Tensor:
    """Return sounds that are cut or padded to a length: [n, samples]. It holds the largest window at least."""
    return torch.from_numpy(np.stack([fit_window(sound, max(samples, WINDOWS[0]), 1).audio for sound in sounds]))


def _sort_key(candidate: GeneratedCandidate) -> tuple[Any, ...]:
    """Return the sort key of a candidate. Silent ones come last, although the model may be sure of them."""
    return (
        candidate.silent,
        (candidate.unlikeness or 0.0) + (candidate.apart or 0.0),
        -candidate.log_probability,
        candidate.window,
        candidate.try_index,
    )
