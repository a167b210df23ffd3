"""Load batches: endless for training, every pair exactly once for validation.

A training runs in intervals; each ends with a validation and a checkpoint. The batches of an interval depend on the
recipe's seed, the interval, and the numbers of ranks and workers; not on anything that happened before.
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from rmod_pipeline.errors import ModelError
from rmod_pipeline.recipe.schedule import TrainingRecipe, TrainingSchedule
from rmod_pipeline.training.loop.examples import PairSource, raise_loader_errors

SHUFFLE_BUFFER = 500
"""Pairs from which each worker draws the next one. Pairs are independent of each other, so a small buffer is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """The rank that reads, the number of ranks, and the number of its worker processes."""

    rank: int = 0
    world_size: int = 1
    workers: int = 0
    pin_memory: bool = False
    """Whether batches are copied to a GPU."""

    def make_loader(self, examples: IterableDataset[Any], batch: int, collate: Callable[[Any], Any]) -> DataLoader[Any]:
        """Return a loader of batches."""
        return DataLoader(
            examples,
            batch_size=batch,
            num_workers=self.workers,
            collate_fn=collate,
            pin_memory=self.pin_memory,
            persistent_workers=self.workers > 0,
            worker_init_fn=hide_connection_errors,
            multiprocessing_context=worker_context() if self.workers else None,
        )


def worker_context() -> BaseContext:
    """Return how loader processes start: from a server process that has loaded this module.

    torch would fork them from this process. A fork copies the locks and the heap of threads that do not exist in the
    copy, such as those of Ray, arrow, OpenMP, or an S3 client: now and then such a worker dies or waits forever. As for
    all processes that are not forked, a script needs ``if __name__ == "__main__":``.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def hide_connection_errors(_worker: int) -> None:
    """Print no traceback in a worker whose main process has stopped: that process reports the reason itself."""

    def print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, ConnectionError):
            sys.__excepthook__(kind, error, trace)

    sys.excepthook = print_error


def batch_per_rank(recipe: TrainingRecipe, world_size: int) -> int:
    """Return the number of pairs per step of one rank. Raises ModelError if the batch is not divisible."""
    batch = recipe.schedule.batch
    if batch % world_size:
        found = f"a batch of {batch} pairs cannot be divided evenly among {world_size} devices"
        raise ModelError(f"recipe {recipe.name}", found, f"set schedule.batch to a multiple of {world_size}")
    return batch // world_size


class BatchLoader:
    """Iterate over the batches of a DataLoader whose workers live until ``close``.

    If the garbage collector had to stop them, torch would take five seconds per worker, because the workers are part of
    lightning's reference cycles.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader: DataLoader[Any] | None = loader
        self._iterator: Generator[Any, None, None] | None = None

    def __iter__(self) -> Iterator[Any]:
        self._iterator = self._read()
        return self._iterator

    def _read(self) -> Generator[Any, None, None]:
        assert self._loader is not None
        yield from raise_loader_errors(self._loader)

    def close(self) -> None:
        """Stop the workers."""
        if self._iterator is not None:
            self._iterator.close()
        self._iterator = self._loader = None


class IntervalLoader(BatchLoader):
    """The batches of training. Each loop over it is the rest of the interval in which ``current_step()`` lies."""

    def __init__(
        self,
        pairs: PairSource,
        loader: DataLoader[Any],
        schedule: TrainingSchedule,
        current_step: Callable[[], int],
    ) -> None:
        super().__init__(loader)
        self._pairs, self._schedule, self._current_step = pairs, schedule, current_step
        self.waited_seconds = 0.0
        """Time that training has spent waiting for batches."""

    def _read(self) -> Generator[Any, None, None]:
        interval, step = self._schedule.check_every_steps, self._current_step()
        self._pairs.set_epoch(step // interval)
        batches = super()._read()
        for _ in range(min(interval - step % interval, self._schedule.steps - step)):
            start = time.monotonic()
            batch = next(batches)
            self.waited_seconds += time.monotonic() - start
            yield batch
