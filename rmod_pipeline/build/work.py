"""What an executor runs, whatever it is: pairs rendered, or finished sound encoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rmod_pipeline.build.encoding import Encode, Encoding
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import Place


class Maker(Protocol):
    """What a worker keeps open between shards."""

    def done(self, plan: ShardPlan) -> bool:
        """Return whether the shard has all its receipts."""
        ...

    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Make what is missing of a shard and publish it; ``on_pair`` is called after every pair."""
        ...

    @property
    def waited(self) -> float:
        """Seconds that it stood still because the encoder was behind."""
        ...

    def close(self) -> None:
        """Let go of what was opened."""
        ...


class Work(Protocol):
    """What is to be made, by whom it does not matter: small, and ready to be sent to a worker."""

    @property
    def layout(self) -> Layout:
        """Where it goes."""
        ...

    @property
    def encoding(self) -> Encoding | None:
        """Which tokens it makes, if any: the executor opens an encoder for them."""
        ...

    def open(self, encode: Encode | None) -> Maker:
        """Open it on a worker; ``encode`` reaches the encoder."""
        ...

    def missing(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return the shards that are not done. Raises BuildError for a receipt of another data set."""
        ...

    def needed(self) -> list[Place]:
        """Return files and objects that every machine must be able to read; of very many, some."""
        ...

    def digest(self) -> str:
        """Return the digest of all that decides the bytes."""
        ...
