"""Tokens on the page: what a codec makes of a pair, beside the pair's own sound or in its place."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import CodecError, ShardError, UsageError
from rmod_pipeline.pages.preview import sounds, words
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.reading.decoding import decode_pair, open_decoder
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.members import MIX, encode_audio
from rmod_pipeline.shards.token_family import TokenFamily, family_names
from rmod_pipeline.storage import Location

log = logging.getLogger(__name__)

Decoder = tuple[Codec, TokenFamily]


def open_decoders(out: Location, codec: str | None = None) -> list[Decoder]:
    """Open the codecs of a data set's tokens: the one asked for, or all whose weights are here.

    Raises CodecError, ShardError and UsageError for one that is asked for and cannot be had.
    """
    if codec is not None:
        return [open_decoder(out, codec)]
    opened = []
    for name in family_names(out):
        try:
            opened.append(open_decoder(out, name))
        except (CodecError, UsageError) as error:
            log.warning("tokens of %s are not decoded: %s", name, error.found)
    return opened


def decoded_groups(out: Location, keys: Sequence[str], decoders: Sequence[Decoder]) -> dict[str, list[PageSoundGroup]]:
    """Return the players of decoded tokens by key; a pair that has none yet is left out."""
    groups: dict[str, list[PageSoundGroup]] = {}
    for codec, family in decoders:
        for key in keys:
            try:
                decoded = decode_pair(out, key, family, codec)
            except ShardError as error:
                log.warning("tokens of %s are not decoded: %s", key, error.found)
                continue
            groups.setdefault(key, []).extend(_groups(decoded, family))
    return groups


def heard_from_tokens(out: Location, pairs: Sequence[StoredPair], decoders: Sequence[Decoder]) -> list[StoredPair]:
    """Return pairs of a data set that keeps no sound with what their tokens say in its place. Raises ShardError."""
    if not decoders:
        hint = "name the weights of its tokens: --codec PATH"
        raise ShardError(out, "keeps no sound, and the codec of its tokens is not here", hint)
    codec, family = decoders[0]
    rate = codec.identity.sample_rate
    return [_with_sound(pair, decode_pair(out, pair.key, family, codec), rate) for pair in pairs]


def _with_sound(pair: StoredPair, decoded: Mapping[str, Mono], sample_rate: int) -> StoredPair:
    audio = {f"{sound}.wav": encode_audio(to_pcm(each[None]), sample_rate, "wav") for sound, each in decoded.items()}
    return StoredPair(key=pair.key, members={**audio, "json": pair.members["json"]})


def _groups(decoded: Mapping[str, Mono], family: TokenFamily) -> Iterator[PageSoundGroup]:
    rate = int(family.codec["sample_rate"])
    one_shots = [
        PageSound(label=words.kind_words(kind), kind=kind, data=data, mime=mime)
        for kind, (data, mime) in (
            (kind, sounds.lossless(decoded[kind][None], rate)) for kind in decoded if kind != MIX
        )
    ]
    yield PageSoundGroup(title=f"Decoded from tokens of {family.name}", sounds=tuple(one_shots))
    data, mime = sounds.compressed(decoded[MIX][None], rate)
    yield PageSoundGroup(title="Decoded mixture", sounds=(PageSound(label="mix", data=data, mime=mime),), whole=True)
