"""Rank the candidates for one instrument: prefer what they have in common, and what is found in the music.

The candidate nearest to all others stands for most of the model's probability, while the most likely sequence of codes
may be a dull sound or a loop. If each candidate is equally likely to be right, it is the best choice (minimum Bayes
risk). Where comparing with the music tells which are more likely, these weigh more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import WINDOWS, distance_from_mean
from rmod_pipeline.codec.window import fit_window
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
    if instrument not in MISFIT_SCALE_DB:
        return RankingScores(distance_from_mean(sounds), None)
    indices = torch.tensor(window_indices)
    misfits = torch.zeros(len(sounds))
    for index in sorted(set(window_indices)):
        misfits[indices == index] = measure_misfits(windows[index], sounds[indices == index], sample_rate)
    weights = torch.softmax(-misfits / MISFIT_SCALE_DB[instrument], 0)
    return RankingScores(distance_from_mean(sounds, weights), misfits)


def rank_generated(
    candidates: Sequence[GeneratedCandidate], instrument: str, windows: Sequence[Window], sample_rate: int
) -> list[GeneratedCandidate]:
    """Return generated candidates with their scores, the best first and silent ones last.

    Fewer than three have no nearest to the others; then the most likely comes first.
    """
    audible = [candidate for candidate in candidates if not candidate.silent]
    if len(audible) > 2:
        audible = _add_scores(audible, instrument, windows, sample_rate)
    return sorted([*audible, *(candidate for candidate in candidates if candidate.silent)], key=_sort_key)


def rank_by_ear(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates, the most like what the ear heard first; silent ones last, in their present order."""
    return sorted(candidates, key=lambda candidate: (candidate.silent, candidate.unlikeness or 0.0))


def _add_scores(
    candidates: Sequence[GeneratedCandidate], instrument: str, windows: Sequence[Window], sample_rate: int
) -> list[GeneratedCandidate]:
    # The largest window of the spectral distance must fit into the sounds.
    longest = max([WINDOWS[0], *(candidate.audio.size for candidate in candidates)])
    sounds = np.stack([fit_window(candidate.audio, longest, 1).audio for candidate in candidates])
    music = np.stack([window.audio for window in windows])
    indices = [candidate.window for candidate in candidates]
    scores = score_candidates(instrument, torch.from_numpy(sounds), torch.from_numpy(music), indices, sample_rate)
    misfits = [None] * len(candidates) if scores.misfits_db is None else scores.misfits_db.tolist()
    return [
        replace(candidate, distance_from_mean=distance, misfit_db=misfit)
        for candidate, distance, misfit in zip(candidates, scores.distances.tolist(), misfits, strict=True)
    ]


def _sort_key(candidate: GeneratedCandidate) -> tuple[Any, ...]:
    """Return the sort key of a candidate. Silent ones come last, although the model may be sure of them."""
    return (
        candidate.silent,
        candidate.distance_from_mean or 0.0,
        -candidate.log_probability,
        candidate.window,
        candidate.try_index,
    )
