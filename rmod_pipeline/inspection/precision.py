"""Measure the effect of a lower precision: the share of tokens that differ from those of fp32."""

from __future__ import annotations

import numpy as np

from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.reading.pairs import list_keys, read_pair, read_pair_tokens
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location

MIXTURES = 8
"""Number of mixtures to encode in both precisions."""


def compare_precision_with_fp32(out: Location, encoding: TokenSettings) -> tuple[float, int]:
    """Return the share of tokens, 0..1, that differ from those of fp32, and the number of mixtures it is measured on.

    For a data set without audio, the decoded tokens are encoded again. Raises ShardError and CodecError.
    """
    codec = encoding.choice.open()
    keys = list_keys(out)[:MIXTURES]
    mixtures = np.stack([_load_mixture(out, key, codec, encoding.family) for key in keys])
    return codec.compare_with_fp32(mixtures), len(keys)


def _load_mixture(out: Location, key: str, codec: Codec, family: TokenFamily) -> Mono:
    members = read_pair(out, key).members
    name = find_audio_member(members, MIX)
    if name is not None:
        return family.window_of(MIX, decode_audio(members[name], f"{key}.{name}")[0]).audio
    codes = decode_codes(read_pair_tokens(out, key, family)[f"{MIX}.npy"], key)
    audio: Mono = codec.decode(codes[None])[0]
    return audio
