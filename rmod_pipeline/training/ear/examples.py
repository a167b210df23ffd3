"""Turn pairs of features into training examples, and examples into batches, in the workers of a DataLoader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmod_pipeline.ear.loss import EarBatch
from rmod_pipeline.ear.pooling import NO_HIT
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.ear.spectrum import count_sound_frames
from rmod_pipeline.reading.features import FeaturePair
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.training.loop.examples import LoaderError, find_loader_error, frames_of_hits


class EarExample(NamedTuple):
    """A mixture, the hits of every instrument in it, and the one-shots behind these."""

    key: str
    levels: NDArray[np.uint8]
    """[windows, bands, frames]"""
    hits: NDArray[np.int64]
    """[instruments, most], padded with -1."""
    targets: NDArray[np.uint8]
    """[instruments, windows, bands, sound frames]"""


class KeyedBatch(NamedTuple):
    """A batch of examples; lightning moves its tensors to the device, which it refuses to do for a frozen record."""

    keys: list[str]
    levels: Tensor
    hits: Tensor
    targets: Tensor

    def to_ear(self) -> EarBatch:
        """Return the input of the loss."""
        return EarBatch(levels=self.levels, hits=self.hits, targets=self.targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleMaker:
    """Makes the example of a pair."""

    instruments: tuple[str, ...]
    most_hits: int
    sound_frames: int
    """Frames of a one-shot: those of ``ear.spectrum.count_sound_frames``. A shorter window is padded with silence."""

    @classmethod
    def of(cls, recipe: EarRecipe) -> ExampleMaker:
        """Return the maker of examples for the training of a recipe."""
        frames = count_sound_frames(recipe.model)
        return cls(instruments=recipe.instruments, most_hits=recipe.most_hits, sound_frames=frames)

    def __call__(self, index: int, pair: FeaturePair) -> tuple[EarExample]:  # noqa: ARG002
        """Return the example of a pair."""
        levels = pair["levels"]
        frames = levels[MIX].shape[2]
        hits = [self._pad(frames_of_hits(pair["hits"][name], pair["definition"], frames)) for name in self.instruments]
        targets = [self._cut(levels[name]) for name in self.instruments]
        return (EarExample(pair["key"], levels[MIX], np.stack(hits), np.stack(targets)),)

    def _cut(self, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cut = levels[:, :, : self.sound_frames]
        return np.pad(cut, ((0, 0), (0, 0), (0, self.sound_frames - cut.shape[2])))

    def _pad(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        padded = np.full(self.most_hits, NO_HIT, np.int64)
        padded[: len(frames)] = frames[: self.most_hits]
        return padded


def collate(items: Sequence[Any]) -> KeyedBatch | LoaderError:
    """Join examples into a batch, or return the error among them."""
    error = find_loader_error(items)
    if error:
        return error
    return KeyedBatch(
        keys=[item.key for item in items],
        levels=torch.from_numpy(np.stack([item.levels for item in items])),
        hits=torch.from_numpy(np.stack([item.hits for item in items])),
        targets=torch.from_numpy(np.stack([item.targets for item in items])),
    )
