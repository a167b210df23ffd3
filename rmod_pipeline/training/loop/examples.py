"""Turn a stream of pairs into training examples, and pass on the errors of its reader.

All of this runs in the workers of a DataLoader. torch re-raises an exception of a worker without its attributes, so a
worker returns a ``LoaderError`` in place of an example, and the main process raises the error again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset

from rmod_pipeline.errors import ModelError, RmodError, ShardError
from rmod_pipeline.features import LogMel


class PairSource(Protocol):
    """Pairs of a split in an order that depends on the epoch: a ``PairStream``, or several of them side by side."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the pairs of the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""


LOST_HINT = (
    'free memory and /dev/shm; in a script, put the call under `if __name__ == "__main__":`; or give --workers 0 '
    "(workers=0)"
)


class LoaderError(NamedTuple):
    """The fields of an RmodError that a DataLoader worker passes to the main process."""

    about: str
    found: str
    hint: str


class ExampleStream(IterableDataset[Any]):
    """The examples that ``choose`` makes of a stream's pairs; after an error the last item is a LoaderError."""

    def __init__(self, pairs: PairSource, choose: Callable[[int, Any], Iterable[Any]]) -> None:
        super().__init__()
        self.pairs, self.choose = pairs, choose

    def __iter__(self) -> Iterator[Any]:
        try:
            for index, pair in enumerate(self.pairs):
                yield from self.choose(index, pair)
        except RmodError as error:
            yield LoaderError(error.about, error.found, error.hint)


def frames_of_hits(seconds: NDArray[np.float32], mel: LogMel, frames: int) -> NDArray[np.int64]:
    """Return the ascending frames below ``frames`` in which hits at these seconds begin, each once."""
    # Rounded to samples first: a float32 in seconds may lie just before the frame that its sample begins.
    samples = np.rint(seconds.astype(np.float64) * mel.sample_rate).astype(np.int64)
    found: NDArray[np.int64] = np.unique(samples // mel.hop)
    return found[found < frames]


def keep_pair(index: int, pair: Any) -> tuple[Any]:  # noqa: ARG001
    """Choose a pair as it is."""
    return (pair,)


def find_loader_error(items: Sequence[Any]) -> LoaderError | None:
    """Return the error among the items of a batch, if there is one."""
    return next((item for item in items if isinstance(item, LoaderError)), None)


def raise_loader_errors(batches: Iterable[Any]) -> Iterator[Any]:
    """Yield batches; raise the error of a worker as ShardError in the main process.

    Raises ModelError if worker processes cannot be started or are lost, for instance with a full /dev/shm.
    """
    try:
        for batch in batches:
            if isinstance(batch, LoaderError):
                raise ShardError(*batch)
            yield batch
    except (RuntimeError, OSError) as error:
        workers = getattr(batches, "num_workers", 0)
        if not workers:
            raise  # a defect: no process was lost
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        found = f"one of {workers} loader processes cannot be started or is lost: {reason}"
        raise ModelError("training", found, LOST_HINT) from error
