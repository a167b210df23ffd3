"""What an executor runs, whatever it is: pairs rendered, or finished sound encoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from rmod_pipeline.pipeline.encoding import EncodeBatch, TokenSettings
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import Location


class ShardMaker(ABC):
    """What a worker keeps open between shards."""

    @abstractmethod
    def done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has all its receipts."""

    @abstractmethod
    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Make what is missing of a shard and publish it; ``on_pair`` is called after every pair."""

    @property
    @abstractmethod
    def waited(self) -> float:
        """Seconds that it stood still because the encoder was behind."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""


class Job(ABC):
    """What is to be made, by whom it does not matter: small, and ready to be sent to a worker."""

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """Where it goes."""

    @property
    @abstractmethod
    def encoding(self) -> TokenSettings | None:
        """Which tokens it makes, if any: the executor opens an encoder for them."""

    @abstractmethod
    def open(self, encode: EncodeBatch | None) -> ShardMaker:
        """Open it on a worker; ``encode`` reaches the encoder."""

    @abstractmethod
    def missing(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that are not done. Raises BuildError for a receipt of another data set."""

    @abstractmethod
    def needed(self) -> list[Location]:
        """Return files and objects that every machine must be able to read; of very many, some."""

    @abstractmethod
    def digest(self) -> str:
        """Return the digest of all that decides the bytes."""
