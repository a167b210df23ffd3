"""Encode and decode the token files of pairs, and write a shard of them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import encode_json
from rmod_pipeline.shards.receipt import MissingPairs
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.windows.arrays import DAMAGE_HINT, decode_array, encode_array
from rmod_pipeline.shards.windows.writer import WindowShardWriter

Codes = NDArray[np.uint16]
"""The tokens of one sound: [codebooks, frames] uint16."""


def encode_codes(codes: Codes) -> bytes:
    """Return the codes [codebooks, frames] of a sound as a .npy file of uint16."""
    return encode_array(codes.astype(np.uint16, copy=False))


def decode_codes(data: bytes, about: object) -> Codes:
    """Return the codes [codebooks, frames] of a .npy file. Raises ShardError, also for an array that could run code."""
    codes = decode_array(data, about, "tokens")
    if codes.ndim != 2 or codes.dtype != np.uint16:
        found = f"{codes.dtype} {list(codes.shape)}, but tokens are uint16 [codebooks, frames]"
        raise ShardError(about, found, DAMAGE_HINT)
    return codes


class TokenShardWriter(WindowShardWriter):
    """Write the token tar of one shard; pairs must be added in the order of their keys.

    ``missing`` are the missing pairs of the audio shard; it may be filled until the context is left.
    """

    def __init__(self, plan: ShardPlan, layout: Layout, family: TokenFamily, missing: MissingPairs) -> None:
        super().__init__(plan, layout, family, missing)

    def add(self, key: str, codes: Mapping[str, Codes], frames: Mapping[str, int], description: bytes) -> None:
        """Append a pair.

        ``codes``: by sound, each [codebooks, frames] uint16. ``frames``: by sound, the number of frames before the
        padding. ``description``: the JSON of the pair.
        """
        members = {f"{sound}.npy": encode_codes(codes[sound]) for sound in self._family.windows}
        members["json"] = describe_tokens(description, self._family.name, frames)
        self._append(key, members)


def describe_tokens(description: bytes, codec: str, frames: Mapping[str, int]) -> bytes:
    """Return a pair's JSON with its codec and the length of each sound in token frames, without padding."""
    return encode_json({**json.loads(description), "tokens": {"codec": codec, "frames": dict(frames)}})
