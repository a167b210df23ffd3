"""Write the pairs of one shard to all its families: audio tar, token tar, feature tar and index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from rmod_pipeline.library.asset import Library
from rmod_pipeline.pipeline.encoding import PrefetchEncoder, ShardTokenizer, TokenSettings
from rmod_pipeline.pipeline.judge import Reject
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import MIX, AudioStorage
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.shards.windows.features import FeatureShardWriter
from rmod_pipeline.shards.writer import ShardWriter


class ShardOutput(AbstractContextManager["ShardOutput"]):
    """Write accepted pairs to all families of a shard, and record rejects and absent keys.

    Leaving the context without an exception publishes features and tokens first, then the audio and the index.
    Leaving it with an exception publishes nothing.
    """

    def __init__(
        self,
        plan: ShardPlan,
        layout: Layout,
        library: Library,
        storage: AudioStorage,
        fingerprint: str,
        *,
        encoding: TokenSettings | None = None,
        encoder: PrefetchEncoder | None = None,
        features: FeatureFamily | None = None,
    ) -> None:
        self._pairs = ShardWriter(plan, layout, library, storage, fingerprint)
        self._tokens: ShardTokenizer | None = None
        if encoding is not None and encoder is not None:
            self._tokens = ShardTokenizer(plan, layout, encoding, encoder, self._pairs.missing)
        self._features = FeatureShardWriter(plan, layout, features, self._pairs.missing) if features else None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for writer in self._writers():
            self._open.enter_context(writer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)

    def accept(self, pair: Pair) -> None:
        """Write a pair to all families."""
        members = self._pairs.add(pair)
        sounds = {MIX: pair.mix, **pair.targets}
        if self._tokens:
            self._tokens.add(pair.spec.key, sounds, members["json"])
        if self._features:
            self._features.add(pair.spec.key, sounds, members["json"])

    def reject(self, pair: Pair, reject: Reject) -> None:
        """Record a rejected attempt in the index."""
        self._pairs.reject(pair, reject.stage, reject.reason)

    def leave_out(self, key: str) -> None:
        """Record a key whose attempts were all rejected."""
        self._pairs.leave_out(key)

    @property
    def receipt(self) -> Receipt:
        """The receipt of the audio family, once it is published."""
        return self._pairs.receipt

    def _writers(self) -> Iterator[ShardWriter | ShardTokenizer | FeatureShardWriter]:
        yield self._pairs
        if self._tokens:
            yield self._tokens
        if self._features:
            yield self._features
