"""Pairs -> batches -> tokens -> shard of tokens: inline while pairs are rendered, or later from finished sound.

A batch never reaches beyond its shard and holds sounds of one kind, in the order of keys; the last one is padded. So
what is encoded together, and with it every bit of the result, does not depend on who encodes it and when.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from types import TracebackType
from typing import Self

import numpy as np

from rmod_pipeline.audio import Pcm
from rmod_pipeline.codec import CodecChoice, Tokens
from rmod_pipeline.codec.codec import AudioBatch
from rmod_pipeline.pipeline.results import WaitTimes
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import MissingPairs, Receipt
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import TokenShardWriter

EncodeBatch = Callable[[AudioBatch], Tokens]
"""[n, samples] float32 -> [n, codebooks, frames]: a codec in this process, or the way to one elsewhere."""

AHEAD = 2
"""Batches that a renderer may be ahead of its encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Which tokens to make, and how to open the codec that makes them."""

    choice: CodecChoice
    family: TokenFamily


class TimedEncoder:
    """An encoder with a clock; for one caller at a time."""

    def __init__(self, encode: EncodeBatch) -> None:
        self._encode = encode
        self._free_since = time.monotonic()
        self.worked = self.waited = 0.0
        """Seconds that it encoded, and that it stood still since it was opened, up to its last batch."""

    def __call__(self, audio: AudioBatch) -> Tokens:
        """Have a batch encoded. Raises what the encoder raises."""
        began = time.monotonic()
        self.waited += began - self._free_since
        try:
            return self._encode(audio)
        finally:
            self._free_since = time.monotonic()
            self.worked += self._free_since - began

    @property
    def waits(self) -> WaitTimes:
        """How long it was there, and how much of that it waited."""
        return WaitTimes(encoders=self.worked + self.waited, for_workers=self.waited)


class PrefetchEncoder:
    """An encoder that works while its caller goes on rendering, at most ``AHEAD`` batches behind.

    One thread suffices: torch, and a connection, let other threads run meanwhile.
    """

    def __init__(self, encode: EncodeBatch) -> None:
        self._encode = encode
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._room = BoundedSemaphore(AHEAD)
        self.waited = 0.0
        """Seconds that the caller stood still because the encoder was behind."""

    def submit(self, audio: AudioBatch) -> Future[Tokens]:
        """Have a batch encoded; waits while the encoder is too far behind."""
        began = time.monotonic()
        self._room.acquire()
        self.waited += time.monotonic() - began
        future = self._pool.submit(self._encode, audio)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def result(self, future: Future[Tokens]) -> Tokens:
        """Return what came of a batch. Raises what the encoder raised."""
        began = time.monotonic()
        try:
            return future.result()
        finally:
            self.waited += time.monotonic() - began

    def close(self) -> None:
        """Stop; batches that were not begun are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _TokenLane:
    """The sounds of one kind: those that wait for a full batch, and what becomes of the others."""

    waiting: list[AudioBatch] = field(default_factory=list)
    sent: list[Future[Tokens]] = field(default_factory=list)


class ShardTokenizer(AbstractContextManager["ShardTokenizer"]):
    """Encodes the pairs of a shard batch by batch, and writes their tokens once all of them are there.

    Leaving the context without an exception encodes what is left and publishes the shard.
    """

    def __init__(
        self,
        plan: ShardPlan,
        layout: Layout,
        encoding: TokenSettings,
        encoder: PrefetchEncoder,
        missing: MissingPairs,
    ) -> None:
        self._writer = TokenShardWriter(plan, layout, encoding.family, missing)
        self._family, self._encoder = encoding.family, encoder
        self._batch = int(encoding.family.codec["batch"])
        self._lanes = {sound: _TokenLane() for sound in encoding.family.windows}
        self._pairs: list[tuple[str, dict[str, int], bytes]] = []
        self._open: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> Self:
        self._open = self._encode_and_write()
        self._open.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)

    def add(self, key: str, sounds: Mapping[str, Pcm], description: bytes) -> None:
        """Take a pair: its 16-bit sounds, each [channels, samples], and its JSON."""
        windowed = self._family.window(sounds)
        self._pairs.append((key, {sound: each.frames for sound, each in windowed.items()}, description))
        for sound, each in windowed.items():
            lane = self._lanes[sound]
            lane.waiting.append(each.audio)
            if len(lane.waiting) == self._batch:
                self._send(lane)

    @property
    def receipt(self) -> Receipt:
        """The receipt of the tokens, once they are published."""
        return self._writer.receipt

    @contextmanager
    def _encode_and_write(self) -> Iterator[None]:
        with self._writer:
            yield
            for lane in self._lanes.values():
                if lane.waiting:
                    self._send(lane)
            codes = {
                sound: [code for future in lane.sent for code in self._encoder.result(future)]
                for sound, lane in self._lanes.items()
            }
            for position, (key, frames, description) in enumerate(self._pairs):
                self._writer.add(key, {sound: codes[sound][position] for sound in codes}, frames, description)

    def _send(self, lane: _TokenLane) -> None:
        lane.sent.append(self._encoder.submit(np.stack(lane.waiting)))
        lane.waiting.clear()
