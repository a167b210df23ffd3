"""Choose the sounds of a kit among the candidates of its pads: good ones, and no two alike.

First every pad gets the candidate with which the sum of all scores is highest, with no two pads at the same place of a
file. Then pad after pad changes to the candidate with which the kit is best, likeness to the other pads deducted,
until none changes. A seed adds a drawn number to every score, so that another kit of good candidates comes out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.drum_kit.pads import ESSENTIAL, Pad
from rmod_pipeline.curation.drum_kit.results import TunedCandidate
from rmod_pipeline.draw import Draw

LIKENESS_FROM = 0.7
"""Cosine similarity of two embeddings from which sounds count as alike."""
LIKENESS_WEIGHT = 2.0
"""What full likeness to one other pad costs: as much as a probability that is 7 times smaller."""
GOOD_MARGIN = 1.0
"""Candidates whose score is less than this below the best of their pad may be drawn."""
DRAWN_SCALE = 0.5
"""How far what is drawn outweighs scores: 0 would always draw the best."""
LAYER_MARGIN = 1.5
"""Candidates whose score is less than this below the best of their pad may be further layers."""
LAYER_WEIGHT = 2.0
"""Worth of likeness between the layers of a pad, which should sound like one drum."""

ESSENTIAL_WEIGHT = 2.0
"""Weight of the scores of kick, snare and hi-hat against those of other pads, and against likeness."""

_ESSENTIAL_BONUS = 1_000.0
"""Kick, snare and hi-hat get a sound first if there are fewer sounds than pads."""
_MOST_ROUNDS = 20

Chosen = Mapping[str, TunedCandidate]
"""By the name of the pad."""


def choose_sounds(
    options: Mapping[str, Sequence[TunedCandidate]], pads: Sequence[Pad], seed: int | None = None
) -> dict[str, TunedCandidate]:
    """Return the sound of each pad that can have one, by the name of the pad. Without a seed, the best kit.

    options: the tuned candidates by the name of the pad.
    """
    worth = {
        pad.name: [
            value * (ESSENTIAL_WEIGHT if pad.kind in ESSENTIAL else 1.0)
            for value in _draw_worth(options.get(pad.name, ()), seed)
        ]
        for pad in pads
    }
    chosen = _assign(options, pads, worth)
    return _spread(options, pads, worth, chosen)


def choose_layers(
    options: Mapping[str, Sequence[TunedCandidate]], chosen: Chosen, layers: int
) -> dict[str, list[TunedCandidate]]:
    """Return up to ``layers`` sounds per pad, the chosen one first: good candidates that are like it."""
    sounds = {name: [candidate] for name, candidate in chosen.items()}
    for _ in range(layers - 1):
        for name, first in chosen.items():
            taken = [sound for of_pad in sounds.values() for sound in of_pad]
            best = max(each.rating.score for each in options[name])
            free = [
                each
                for each in options[name]
                if each.rating.score >= best - LAYER_MARGIN and not _is_taken(each, taken)
            ]
            if free:
                sounds[name].append(min(free, key=lambda each: (-_layer_worth(each, first), each.place.order)))
    return sounds


def likeness(first: TunedCandidate, second: TunedCandidate) -> float:
    """Return how alike two sounds are: 0 up to the similarity ``LIKENESS_FROM``, 1 for equal ones."""
    similarity = float(np.dot(first.embedding, second.embedding))
    return min(max((similarity - LIKENESS_FROM) / (1 - LIKENESS_FROM), 0.0), 1.0)


def _layer_worth(candidate: TunedCandidate, first: TunedCandidate) -> float:
    return candidate.rating.score + LAYER_WEIGHT * float(np.dot(candidate.embedding, first.embedding))


def _draw_worth(options: Sequence[TunedCandidate], seed: int | None) -> list[float]:
    """Return what each candidate is worth: its score, and with a seed a number of a Gumbel distribution on top.

    So a good candidate is drawn with a probability that grows with its score; the others stay what they are.
    """
    scores = [each.rating.score for each in options]
    if seed is None or not scores:
        return scores
    draw, best = Draw.of(seed, "drum kit"), max(scores)
    return [
        score + DRAWN_SCALE * _gumbel(draw.at(each.pad.name, *each.place.order))
        if score >= best - GOOD_MARGIN
        else score
        for each, score in zip(options, scores, strict=True)
    ]


def _gumbel(draw: Draw) -> float:
    return -math.log(-math.log(min(max(draw.uniform(), 1e-12), 1 - 1e-12)))


def _assign(
    options: Mapping[str, Sequence[TunedCandidate]], pads: Sequence[Pad], worth: Mapping[str, Sequence[float]]
) -> dict[str, TunedCandidate]:
    """Return one candidate per pad with the highest sum of worths, and no two at one place."""
    from scipy.optimize import linear_sum_assignment

    starts = sorted({each.place.order for pad in pads for each in options.get(pad.name, ())})
    if not starts:
        return {}
    columns = {start: number for number, start in enumerate(starts)}
    least = min(value for pad in pads for value in worth[pad.name])
    table: NDArray[np.float64] = np.zeros((len(pads), len(starts)))
    best: dict[tuple[int, int], TunedCandidate] = {}
    for row, pad in enumerate(pads):
        for each, value in zip(options.get(pad.name, ()), worth[pad.name], strict=True):
            column = columns[each.place.order]
            # More than nothing, so that as many pads as possible get a sound; the more important ones first.
            table[row, column] = value - least + 100 + (_ESSENTIAL_BONUS if pad.kind in ESSENTIAL else 0.0)
            best[row, column] = each
    rows, chosen_columns = linear_sum_assignment(table, maximize=True)
    chosen: dict[str, TunedCandidate] = {}
    for row, column in zip(rows.tolist(), chosen_columns.tolist(), strict=True):
        candidate = best.get((row, column))
        if candidate is not None and not _is_taken(candidate, chosen.values()):
            chosen[pads[row].name] = candidate
    return chosen


def _spread(
    options: Mapping[str, Sequence[TunedCandidate]],
    pads: Sequence[Pad],
    worth: Mapping[str, Sequence[float]],
    chosen: dict[str, TunedCandidate],
) -> dict[str, TunedCandidate]:
    """Return the kit after every pad has changed to what is best beside the others, until none changes."""
    for _ in range(_MOST_ROUNDS):
        has_changed = False
        for pad in pads:
            others = [sound for name, sound in chosen.items() if name != pad.name]
            free = [
                (value - LIKENESS_WEIGHT * sum(likeness(each, other) for other in others), each)
                for each, value in zip(options.get(pad.name, ()), worth[pad.name], strict=True)
                if not _is_taken(each, others)
            ]
            if not free:
                continue
            _, best = min(free, key=lambda pair: (-pair[0], pair[1].place.order))
            if best is not chosen.get(pad.name):
                chosen[pad.name], has_changed = best, True
        if not has_changed:
            break
    return {pad.name: chosen[pad.name] for pad in pads if pad.name in chosen}


def _is_taken(candidate: TunedCandidate, others: Iterable[TunedCandidate]) -> bool:
    return any(candidate.place.overlaps(other.place) for other in others)
