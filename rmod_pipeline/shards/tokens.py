"""Encode and decode the token files of pairs, and write a shard of them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import encode_json
from rmod_pipeline.shards.receipt import FileRecord, MissingPairs
from rmod_pipeline.shards.tar import TarWriter
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.writer import PublishingWriter
from rmod_pipeline.storage.publish import draft, publish

Codes = NDArray[np.uint16]
"""The tokens of one sound: [codebooks, frames] uint16."""


def encode_codes(codes: Codes) -> bytes:
    """Return the codes [codebooks, frames] of a sound as a .npy file of uint16."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(codes, dtype=np.uint16), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def decode_codes(data: bytes, about: object) -> Codes:
    """Return the codes [codebooks, frames] of a .npy file. Raises ShardError, also for an array that could run code."""
    try:
        codes = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise ShardError(about, f"not tokens: {error}", "`rmod verify OUT` says which shard is damaged") from error
    if codes.ndim != 2 or codes.dtype != np.uint16:
        found = f"{codes.dtype} {list(codes.shape)}, but tokens are uint16 [codebooks, frames]"
        raise ShardError(about, found, "`rmod verify OUT` says which shard is damaged")
    return codes


class TokenShardWriter(PublishingWriter):
    """Write the token tar of one shard; pairs must be added in the order of their keys.

    ``missing`` are the missing pairs of the audio shard; it may be filled until the context is left.
    """

    def __init__(self, plan: ShardPlan, layout: Layout, family: TokenFamily, missing: MissingPairs) -> None:
        super().__init__(plan, layout, missing)
        self._family = family
        self._tar: TarWriter | None = None
        self._pairs = 0

    def add(self, key: str, codes: Mapping[str, Codes], frames: Mapping[str, int], description: bytes) -> None:
        """Append a pair.

        ``codes``: by sound, each [codebooks, frames] uint16. ``frames``: by sound, the number of frames before the
        padding. ``description``: the JSON of the pair.
        """
        if self._tar is None:
            raise RuntimeError(f"{self._plan.name} is not open")
        members = {f"{sound}.npy": encode_codes(codes[sound]) for sound in self._family.windows}
        members["json"] = describe_tokens(description, self._family.name, frames)
        self._tar.add(key, members)
        self._pairs += 1

    @contextmanager
    def _write(self) -> Iterator[None]:
        plan, layout, family = self._plan, self._layout, self._family
        with draft(layout.drafts, f"{plan.name}.tokens.tar") as tar:
            with TarWriter(tar) as self._tar:
                yield
            final = layout.tar(plan.name, family.folder)
            files = (FileRecord.of(tar, layout.relative(final)),)
            publish(tar, final)
            self._publish_receipt(family.folder, family.digest(), self._pairs, files)


def describe_tokens(description: bytes, codec: str, frames: Mapping[str, int]) -> bytes:
    """Return a pair's JSON with its codec and the length of each sound in token frames, without padding."""
    return encode_json({**json.loads(description), "tokens": {"codec": codec, "frames": dict(frames)}})
