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
from rmod_pipeline.ear.hits import MOST_HITS
from rmod_pipeline.ear.pooling import NO_HIT
from rmod_pipeline.features import MelLevels
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.training.dose.pairs import HeardPair
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
    levels: MelLevels | None = None
    """[windows, bands, condition frames] of the mixture, for models that hear."""
    hits: NDArray[np.int64] | None = None
    """Ascending frames of the mixture in which the instrument is hit, for models that hear."""


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
    levels: Tensor | None = None
    """[n, windows, bands, condition frames] uint8, for models that hear."""
    hits: Tensor | None = None
    """[n, most] int64: frames in which the instrument is hit, padded with -1, for models that hear."""

    def to_tokens(self, several: bool) -> TokenBatch:
        """Return the input of the loss, for a model of ``several`` instruments or of one."""
        return TokenBatch(
            mixtures=self.mixtures,
            targets=self.targets,
            lengths=self.lengths,
            instruments=self.instruments if several else None,
            levels=self.levels,
            hits=self.hits,
        )

    def select(self, instrument: int) -> ExampleBatch:
        """Return the examples of one instrument."""
        mask = self.instruments == instrument
        keys = [key for key, selected in zip(self.keys, mask.tolist(), strict=True) if selected]
        parts = {name: part[mask] for name, part in self._asdict().items() if isinstance(part, Tensor)}
        return ExampleBatch(keys, **parts)


@dataclass(frozen=True, slots=True)
class InterleavedInstruments:
    """Choose one instrument per pair, cycling through the instruments from pair to pair."""

    instruments: tuple[str, ...]

    def __call__(self, index: int, pair: HeardPair) -> Iterator[TrainingExample]:
        """Yield the example of the stream's pair number ``index``."""
        class_index = index % len(self.instruments)
        yield _make_example(pair, self.instruments[class_index], class_index)


@dataclass(frozen=True, slots=True)
class AllInstruments:
    """Choose every instrument of each pair."""

    instruments: tuple[str, ...]

    def __call__(self, index: int, pair: HeardPair) -> Iterator[TrainingExample]:  # noqa: ARG002
        """Yield an example for each instrument of a pair."""
        for class_index, instrument in enumerate(self.instruments):
            yield _make_example(pair, instrument, class_index)


def _make_example(pair: HeardPair, instrument: str, class_index: int) -> TrainingExample:
    codes, frames = pair["codes"], pair["frames"]
    return TrainingExample(
        pair["key"],
        codes[MIX],
        codes[instrument],
        frames[instrument],
        class_index,
        pair.get("levels"),
        pair["hits"].get(instrument, np.empty(0, np.int64)) if "hits" in pair else None,
    )


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
            levels=None if items[0].levels is None else torch.from_numpy(np.stack([item.levels for item in items])),
            hits=None if items[0].hits is None else _pad_hits([item.hits for item in items]),
        )


def _pad_hits(hits: Sequence[NDArray[np.int64]]) -> Tensor:
    """Return lists of hits as one tensor [n, MOST_HITS], padded with -1; of more hits the first count."""
    padded = np.full((len(hits), MOST_HITS), NO_HIT, dtype=np.int64)
    for row, frames in enumerate(hits):
        padded[row, : len(frames[:MOST_HITS])] = frames[:MOST_HITS]
    return torch.from_numpy(padded)
