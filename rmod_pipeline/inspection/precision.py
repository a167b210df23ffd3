"""What a lower precision costs: the share of tokens that fp32 would have made otherwise."""

from __future__ import annotations

import numpy as np

from rmod_pipeline.codec import Codec
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.reading.pairs import list_keys, read_pair, read_pair_tokens
from rmod_pipeline.shards.members import MIX, decode_audio, find_audio_member
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location

MEASURED_ON = 8
"""Mixtures."""


def share_unlike_fp32(out: Location, encoding: TokenSettings) -> tuple[float, int]:
    """Return the share of tokens, 0..1, of some finished mixtures that fp32 makes otherwise, and of how many.

    Of a data set that keeps no sound, what its tokens sound like is taken for it. Raises ShardError, CodecError.
    """
    codec = encoding.choice.open()
    keys = list_keys(out)[:MEASURED_ON]
    return codec.compare_with_fp32(np.stack([_mixture(out, key, codec, encoding.family) for key in keys])), len(keys)


def _mixture(out: Location, key: str, codec: Codec, family: TokenFamily) -> np.ndarray:
    members = read_pair(out, key).members
    name = find_audio_member(members, MIX)
    if name is not None:
        return family.window_of(MIX, decode_audio(members[name])[0]).audio
    codes = decode_codes(read_pair_tokens(out, key, family)[f"{MIX}.npy"], key)
    return codec.decode(codes[None])[0]
