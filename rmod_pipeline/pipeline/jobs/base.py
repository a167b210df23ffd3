"""Define the bases of jobs, which executors run, and of what a worker keeps open for a job."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

from rmod_pipeline.pipeline.encoding import EncodeBatch, TokenSettings
from rmod_pipeline.shards.completion import is_done
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.storage import Location


class ShardMaker(ABC):
    """What a worker keeps open between the shards of a job."""

    @abstractmethod
    def is_done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has the receipts of all its families."""

    @abstractmethod
    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Make what is missing of a shard and publish it; ``on_pair`` is called after every pair."""

    @property
    @abstractmethod
    def waited(self) -> float:
        """Seconds that the worker waited for the encoder."""

    @abstractmethod
    def close(self) -> None:
        """Close everything that was opened."""


class Job(ABC):
    """What a run makes, independent of the executor and small enough to be sent to a worker."""

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """The layout of the data set that is written."""

    @property
    @abstractmethod
    def encoding(self) -> TokenSettings | None:
        """The tokens to make, or None; the executor opens an encoder for them."""

    @property
    @abstractmethod
    def window_families(self) -> Sequence[WindowFamily]:
        """The tokens and features to make, each with a file that describes it."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """The digest of everything that decides the bytes; it names the job in the event log."""

    @property
    @abstractmethod
    def families(self) -> Mapping[str, str]:
        """The families of shards to make, each with the digest in its receipts."""

    @abstractmethod
    def open(self, encode: EncodeBatch | None) -> ShardMaker:
        """Open the job in a worker. ``encode`` encodes batches, if the job makes tokens."""

    @abstractmethod
    def required_files(self) -> list[Location]:
        """Return files that every machine must be able to read; of a large library, a sample."""

    def missing_shards(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that lack a family. Raises BuildError for a receipt of another data set.

        Removes the receipts of damaged shards.
        """
        layout = self.layout.with_receipts([plan.name for plan in plans], self.families)
        return [
            plan
            for plan in plans
            if not all(is_done(plan.name, family, layout, digest) for family, digest in self.families.items())
        ]
