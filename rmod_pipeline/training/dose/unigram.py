"""Compute the unigram baseline: the losses of a prediction by code frequencies alone, without the mixture.

The frequencies of each codebook are counted in the train split, over all frames, with one added to each code, so that a
code that never occurs is not impossible. The losses are cross-entropies on the valid split. A useful model beats them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.dose.layout import delay_target, make_code_mask, make_onset_mask
from rmod_pipeline.dose.loss import LOSS_PARTS
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.training.dose.data import TokenData
from rmod_pipeline.training.loop.examples import (
    ExampleStream,
    LoaderError,
    find_loader_error,
    keep_pair,
    raise_loader_errors,
)
from rmod_pipeline.training.loop.loaders import LoaderSettings
from rmod_pipeline.training.loop.module import HeldOutLosses, average_losses

PAIRS_PER_BATCH = 64


class CodeCounts(NamedTuple):
    """How often each code occurs, among all codes that the loss counts and among those of the onset."""

    full: Tensor
    """[codebooks, entries] int64."""
    onset: Tensor
    """[codebooks, entries] int64."""

    def plus(self, other: CodeCounts) -> CodeCounts:
        """Return the sum of both counts."""
        return CodeCounts(self.full + other.full, self.onset + other.onset)


def zero_counts(codebooks: int, entries: int) -> CodeCounts:
    """Return counts of zero."""
    return CodeCounts(*(torch.zeros(codebooks, entries, dtype=torch.int64) for _ in range(2)))


def count_codes(codes: Tensor, lengths: Tensor, entries: int, masked: bool) -> CodeCounts:
    """Count the codes of one-shots [n, codebooks, frames], of which ``lengths`` [n] frames hold sound.

    ``masked`` leaves out the codes after the sound, as the loss does.
    """
    target = delay_target(codes)
    rows, codebooks = target.shape[1:]
    mask = target > 0
    if masked:
        mask = mask & make_code_mask(lengths, rows, codebooks)
    onset_mask = mask & make_onset_mask(rows, codebooks)
    return CodeCounts(_count_tokens(target, mask, entries), _count_tokens(target, onset_mask, entries))


def _count_tokens(target: Tensor, mask: Tensor, entries: int) -> Tensor:
    """Return counts [codebooks, entries] of the codes in target rows [n, rows, codebooks] under a mask."""
    codes = [target[..., book][mask[..., book]] - 1 for book in range(target.shape[2])]
    return torch.stack([torch.bincount(book_codes, minlength=entries) for book_codes in codes])


def cross_entropy_of_counts(expected: Tensor, actual: Tensor) -> Tensor:
    """Return the cross-entropy of ``actual`` codes under a prediction by ``expected`` counts: float64 [nats, codes].

    Both [codebooks, entries]; one is added to each of the expected counts.
    """
    smoothed = expected.double() + 1
    nats = smoothed.sum(1, keepdim=True).log() - smoothed.log()
    return torch.stack([(nats * actual).sum(), actual.sum().double()])


def unigram_losses(train: Mapping[str, CodeCounts], valid: Mapping[str, CodeCounts]) -> HeldOutLosses:
    """Return the losses of the baseline on the valid split, from the counts of each instrument in both splits."""
    sums = [
        torch.stack(
            [cross_entropy_of_counts(train[name].full, actual) for actual in (valid[name].full, valid[name].onset)]
        )
        for name in train
    ]
    return mean_losses(torch.stack(sums), list(train))


def mean_losses(sums: Tensor, instruments: Sequence[str]) -> HeldOutLosses:
    """Return the mean losses of sums [instruments, (full, onset), (nats, codes)]."""
    return average_losses(sums, instruments, LOSS_PARTS)


@dataclass(frozen=True, slots=True)
class _CountBatch:
    """Count the codes of a batch of pairs, by instrument."""

    instruments: tuple[str, ...]
    entries: int
    masked: bool

    def __call__(self, pairs: Sequence[Any]) -> dict[str, CodeCounts] | LoaderError:
        return find_loader_error(pairs) or {name: self._count(pairs, name) for name in self.instruments}

    def _count(self, pairs: Sequence[Any], name: str) -> CodeCounts:
        codes = torch.from_numpy(np.stack([pair["codes"][name] for pair in pairs]))
        lengths = torch.tensor([pair["frames"][name] for pair in pairs])
        return count_codes(codes, lengths, self.entries, self.masked)


def count_split(
    data: TokenData, split: str, recipe: DoseRecipe, instruments: Sequence[str], settings: LoaderSettings
) -> dict[str, CodeCounts]:
    """Count the codes of this rank's share of a split, by instrument. Raises ShardError."""
    size = recipe.model
    pairs = load_tokens(
        data.out, split, data.family.name, sounds=instruments, rank=settings.rank, world_size=settings.world_size
    )
    count_batch = _CountBatch(tuple(instruments), size.codebook_size, recipe.loss.tail == "masked")
    loader = settings.make_loader(ExampleStream(pairs, keep_pair), PAIRS_PER_BATCH, count_batch)
    total = {name: zero_counts(size.codebooks, size.codebook_size) for name in instruments}
    for counts in raise_loader_errors(loader):
        total = {name: total[name].plus(counts[name]) for name in instruments}
    return total
