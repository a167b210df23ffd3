"""Which of several candidates to take: what they agree on, those counting most that can be found in the music.

The one that is nearest to all others is what a model is most of the opinion of, while the likeliest sequence of codes
may be a dull sound or a loop. Where the truth is as likely to be any of them it is the best choice (minimum Bayes
risk). Where listening again tells which are likelier, these weigh more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rmod_pipeline.codec.spectral_distance import distance_from_mean
from rmod_pipeline.extraction.misfit import misfits

TELLING_DB: Mapping[str, float] = {"kick": 0.25}
"""By how much misfit, in dB, a candidate counts e times less, for instruments that are listened for again. Where all
candidates are found equally well they count alike, as without listening. Hardly anything else sounds where a kick does
for as long as it does. Noise is found everywhere: for snares nothing was gained, and short hi-hats, which have little
to explain, won (docs/explanation/decisions/0016)."""


class RankingScores(NamedTuple):
    """What is to be said of candidates, for each of n."""

    apart: Tensor
    """Spectral distance from what they have in common: the least is the one to take."""
    misfit: Tensor | None
    """How badly each explains its window (``match``), in dB; None where that is not asked for."""


def score_candidates(
    instrument: str,
    sounds: Tensor,
    windows: Tensor,
    places: Sequence[int],
    sample_rate: int,
) -> RankingScores:
    """Judge candidates [n, samples] for windows [w, samples], each made for the window at its place."""
    if instrument not in TELLING_DB:
        return RankingScores(distance_from_mean(sounds), None)
    place = torch.tensor(places)
    misfit = torch.zeros(len(sounds))
    for number in sorted(set(places)):
        misfit[place == number] = misfits(windows[number], sounds[place == number], sample_rate)
    weights = torch.softmax(-misfit / TELLING_DB[instrument], 0)
    return RankingScores(distance_from_mean(sounds, weights), misfit)
