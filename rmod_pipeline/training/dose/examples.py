"""Turn pairs of tokens into training examples, and examples into batches, in the workers of a DataLoader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmod_pipeline.dose.layout import ABSENT
from rmod_pipeline.dose.loss import TokenBatch
from rmod_pipeline.reading.loader import TokenPair
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.training.loop.examples import LoaderError, find_loader_error


class TrainingExample(NamedTuple):
    """A mixture and one of its one-shots."""

    key: str
    mixture: NDArray[np.int64]
    """[codebooks, condition frames]"""
    target: NDArray[np.int64]
    """[codebooks, frames]"""
    length: int
    """Frames of the target that hold sound."""
    instrument: int
    """Class of the target's instrument."""


class ExampleBatch(NamedTuple):
    """A batch of examples."""

    keys: list[str]
    mixtures: Tensor
    """[n, codebooks, condition frames] int32."""
    targets: Tensor
    """[n, codebooks, frames] int32; -1 after the end of a shorter window."""
    lengths: Tensor
    """[n] int64: frames of each target that hold sound."""
    instruments: Tensor
    """[n] int64: class of each target's instrument."""

    def to_tokens(self, several: bool) -> TokenBatch:
        """Return the input of the loss, for a model of ``several`` instruments or of one."""
        return TokenBatch(
            mixtures=self.mixtures,
            targets=self.targets,
            lengths=self.lengths,
            instruments=self.instruments if several else None,
        )

    def select(self, instrument: int) -> ExampleBatch:
        """Return the examples of one instrument."""
        mask = self.instruments == instrument
        keys = [key for key, selected in zip(self.keys, mask.tolist(), strict=True) if selected]
        return ExampleBatch(keys, self.mixtures[mask], self.targets[mask], self.lengths[mask], self.instruments[mask])


@dataclass(frozen=True, slots=True)
class InterleavedInstruments:
    """Choose one instrument per pair, cycling through the instruments from pair to pair."""

    instruments: tuple[str, ...]

    def __call__(self, index: int, pair: TokenPair) -> Iterator[TrainingExample]:
        """Yield the example of the stream's pair number ``index``."""
        class_index = index % len(self.instruments)
        yield _make_example(pair, self.instruments[class_index], class_index)


@dataclass(frozen=True, slots=True)
class AllInstruments:
    """Choose every instrument of each pair."""

    instruments: tuple[str, ...]

    def __call__(self, index: int, pair: TokenPair) -> Iterator[TrainingExample]:  # noqa: ARG002
        """Yield an example for each instrument of a pair."""
        for class_index, instrument in enumerate(self.instruments):
            yield _make_example(pair, instrument, class_index)


def _make_example(pair: TokenPair, instrument: str, class_index: int) -> TrainingExample:
    codes, frames = pair["codes"], pair["frames"]
    return TrainingExample(pair["key"], codes[MIX], codes[instrument], frames[instrument], class_index)


@dataclass(frozen=True, slots=True)
class Collate:
    """Join examples into a batch whose targets are padded to ``frames`` frames."""

    frames: int

    def __call__(self, items: Sequence[Any]) -> ExampleBatch | LoaderError:
        """Return the batch, or the error among the items."""
        error = find_loader_error(items)
        if error:
            return error
        targets = np.full((len(items), items[0].target.shape[0], self.frames), ABSENT, dtype=np.int32)
        for row, item in enumerate(items):
            targets[row, :, : item.target.shape[1]] = item.target
        return ExampleBatch(
            keys=[item.key for item in items],
            mixtures=torch.from_numpy(np.stack([item.mixture for item in items]).astype(np.int32)),
            targets=torch.from_numpy(targets),
            lengths=torch.tensor([item.length for item in items]),
            instruments=torch.tensor([item.instrument for item in items]),
        )
