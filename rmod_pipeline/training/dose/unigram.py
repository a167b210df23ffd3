"""The baseline: how well one does who knows how often each code comes, and listens to nothing.

A model that is worth anything beats it. Of each codebook the frequencies in the train split, one added to each (so that
a code never seen is not impossible), whatever the frame; its cross-entropy on the valid split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.dose.layout import code_area, onset_area, target_of
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.reading.loader import TokenPair, load_tokens
from rmod_pipeline.training.dose.data import (
    ExampleStream,
    LoaderError,
    LoaderSettings,
    TokenData,
    loader_error_in,
    raise_loader_errors,
)
from rmod_pipeline.training.dose.losses import StepLosses, means

COUNTED_AT_ONCE = 64
"""Pairs of a batch."""


class CodeCounts(NamedTuple):
    """How often each code comes, in all places that the loss counts and in those of the onset."""

    full: Tensor
    """[codebooks, entries] int64."""
    onset: Tensor

    def plus(self, other: CodeCounts) -> CodeCounts:
        """Return the sum."""
        return CodeCounts(self.full + other.full, self.onset + other.onset)


def no_counts(codebooks: int, entries: int) -> CodeCounts:
    """Return counts of nothing."""
    return CodeCounts(*(torch.zeros(codebooks, entries, dtype=torch.int64) for _ in range(2)))


def count_codes(codes: Tensor, lengths: Tensor, entries: int, masked: bool) -> CodeCounts:
    """Return the counts of one-shots' codes [n, codebooks, frames], of which ``lengths`` [n] frames hold sound.

    ``masked`` leaves out what comes after these, as the loss does.
    """
    target = target_of(codes)
    rows, codebooks = target.shape[1:]
    places = target > 0
    if masked:
        places = places & code_area(lengths, rows, codebooks)
    return CodeCounts(
        _counted(target, places, entries), _counted(target, places & onset_area(rows, codebooks), entries)
    )


def _counted(target: Tensor, places: Tensor, entries: int) -> Tensor:
    found = [target[..., book][places[..., book]] - 1 for book in range(target.shape[2])]
    return torch.stack([torch.bincount(each, minlength=entries) for each in found])


def surprise(counts: Tensor, of: Tensor) -> Tensor:
    """Return how much codes counted in ``of`` surprise one who expects ``counts``: (nats, codes), float64.

    Both [codebooks, entries]; one is added to every one of ``counts``.
    """
    smooth = counts.double() + 1
    nats = smooth.sum(1, keepdim=True).log() - smooth.log()
    return torch.stack([(nats * of).sum(), of.sum().double()])


def baseline(train: Mapping[str, CodeCounts], valid: Mapping[str, CodeCounts]) -> StepLosses:
    """Return the baseline's losses on the valid split, by the names of the model's."""
    sums = [
        torch.stack([surprise(train[name].full, valid[name].full), surprise(train[name].full, valid[name].onset)])
        for name in train
    ]
    return means(torch.stack(sums), list(train))


@dataclass(frozen=True, slots=True)
class _Counting:
    """Pairs -> their instruments' counts."""

    instruments: tuple[str, ...]
    entries: int
    masked: bool

    def __call__(self, pairs: Sequence[Any]) -> dict[str, CodeCounts] | LoaderError:
        return loader_error_in(pairs) or {name: self._counts(pairs, name) for name in self.instruments}

    def _counts(self, pairs: Sequence[Any], name: str) -> CodeCounts:
        codes = torch.from_numpy(np.stack([pair["codes"][name] for pair in pairs]))
        lengths = torch.tensor([pair["frames"][name] for pair in pairs])
        return count_codes(codes, lengths, self.entries, self.masked)


def _as_it_is(turn: int, pair: TokenPair) -> tuple[TokenPair]:  # noqa: ARG001
    return (pair,)


def count_split(
    data: TokenData, split: str, recipe: DoseRecipe, instruments: Sequence[str], reading: LoaderSettings
) -> dict[str, CodeCounts]:
    """Return the counts of this rank's share of a split, by instrument. Raises ShardError."""
    size = recipe.model
    pairs = load_tokens(
        data.out, split, data.family.name, sounds=instruments, rank=reading.rank, world_size=reading.world
    )
    counting = _Counting(tuple(instruments), size.codebook_size, recipe.loss.tail == "masked")
    total = {name: no_counts(size.codebooks, size.codebook_size) for name in instruments}
    for counts in raise_loader_errors(reading.loader(ExampleStream(pairs, _as_it_is), COUNTED_AT_ONCE, counting)):
        total = {name: total[name].plus(counts[name]) for name in instruments}
    return total
