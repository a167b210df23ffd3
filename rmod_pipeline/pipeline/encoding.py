"""Encode the sounds of a shard in batches and write their tokens, while pairs are rendered or later from their audio.

A batch contains sounds of one shard and one kind, in the order of keys, and the last batch is padded. So the batches,
and with them every bit of the tokens, do not depend on when and where they are encoded.
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
"""Encodes audio [batch, samples] float32 to tokens [batch, codebooks, frames], here or in another process."""

MAX_PENDING_BATCHES = 2
"""Batches that a renderer may send before it waits for its encoder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """The tokens to make, and how to open the codec that makes them."""

    choice: CodecChoice
    family: TokenFamily


class TimedEncoder:
    """An encoder that measures its times; for one caller at a time."""

    def __init__(self, encode: EncodeBatch) -> None:
        self._encode = encode
        self._idle_since = time.monotonic()
        self.worked = self.waited = 0.0
        """Seconds spent encoding, and seconds idle since it was opened, up to the last batch."""

    def __call__(self, audio: AudioBatch) -> Tokens:
        """Encode audio [batch, samples]. Raises what the encoder raises."""
        start = time.monotonic()
        self.waited += start - self._idle_since
        try:
            return self._encode(audio)
        finally:
            self._idle_since = time.monotonic()
            self.worked += self._idle_since - start

    @property
    def waits(self) -> WaitTimes:
        """The time since it was opened, and the part of it spent waiting."""
        return WaitTimes(encoders=self.worked + self.waited, for_workers=self.waited)


class PrefetchEncoder:
    """An encoder that works in the background while its caller renders, with at most MAX_PENDING_BATCHES pending.

    One thread is enough: torch and connections release the interpreter lock while they work.
    """

    def __init__(self, encode: EncodeBatch) -> None:
        self._encode = encode
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._free_slots = BoundedSemaphore(MAX_PENDING_BATCHES)
        self.waited = 0.0
        """Seconds that the caller waited for the encoder."""

    def submit(self, audio: AudioBatch) -> Future[Tokens]:
        """Start to encode audio [batch, samples]; first wait while too many batches are pending."""
        start = time.monotonic()
        self._free_slots.acquire()
        self.waited += time.monotonic() - start
        future = self._pool.submit(self._encode, audio)
        future.add_done_callback(lambda _: self._free_slots.release())
        return future

    def result(self, future: Future[Tokens]) -> Tokens:
        """Wait for a batch and return its tokens [batch, codebooks, frames]. Raises what the encoder raised."""
        start = time.monotonic()
        try:
            return future.result()
        finally:
            self.waited += time.monotonic() - start

    def close(self) -> None:
        """Stop the thread; pending batches that have not started are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class _TokenLane:
    """The sounds of one kind: those that wait for a full batch, and the batches that were sent."""

    waiting: list[AudioBatch] = field(default_factory=list)
    sent: list[Future[Tokens]] = field(default_factory=list)


class ShardTokenizer(AbstractContextManager["ShardTokenizer"]):
    """Encode the pairs of a shard batch by batch, and write their tokens at the end.

    Leaving the context without an exception encodes the remaining sounds and publishes the shard.
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
        """Add a pair: its sounds, 16-bit [channels, samples], and its JSON as ``description``."""
        windows = self._family.window(sounds)
        self._pairs.append((key, {sound: window.frames for sound, window in windows.items()}, description))
        for sound, window in windows.items():
            lane = self._lanes[sound]
            lane.waiting.append(window.audio)
            if len(lane.waiting) == self._batch:
                self._send(lane)

    @property
    def receipt(self) -> Receipt:
        """The receipt of the published tokens. Raises RuntimeError before they are published."""
        return self._writer.receipt

    @contextmanager
    def _encode_and_write(self) -> Iterator[None]:
        """Yield while pairs are added, then encode the remaining sounds and write all tokens."""
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
