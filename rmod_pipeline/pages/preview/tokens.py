"""Decode tokens for the page: the sounds that a codec returns, beside the pair's own audio or in its place."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import CodecError, ShardError, UsageError
from rmod_pipeline.pages.preview import sounds
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.reading.decoding import decode_pair, open_decoder
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.members import MIX, encode_audio
from rmod_pipeline.shards.token_family import TokenFamily, family_names
from rmod_pipeline.storage import Location

log = logging.getLogger(__name__)

Decoder = tuple[Codec, TokenFamily]


def open_decoders(out: Location, codec: str | None = None) -> list[Decoder]:
    """Open the codecs of a data set's tokens: the given one, or all whose weights are on this machine.

    Raises CodecError, ShardError and UsageError if the given codec cannot be opened.
    """
    if codec is not None:
        return [open_decoder(out, codec)]
    decoders = []
    for name in family_names(out):
        try:
            decoders.append(open_decoder(out, name))
        except (CodecError, UsageError) as error:
            log.warning("tokens of %s are not decoded: %s", name, error.found)
    return decoders


def group_decoded_sounds(
    out: Location, keys: Sequence[str], decoders: Sequence[Decoder]
) -> dict[str, list[PageSoundGroup]]:
    """Return the decoded sounds by key, without the pairs that have no tokens yet."""
    groups: dict[str, list[PageSoundGroup]] = {}
    for codec, family in decoders:
        for key in keys:
            try:
                decoded = decode_pair(out, key, family, codec)
            except ShardError as error:
                log.warning("tokens of %s are not decoded: %s", key, error.found)
                continue
            groups.setdefault(key, []).extend(_make_groups(decoded, family))
    return groups


def replace_audio_with_decoded(
    out: Location, pairs: Sequence[StoredPair], decoders: Sequence[Decoder]
) -> list[StoredPair]:
    """Return the pairs of a data set without audio with decoded sounds as their audio. Raises ShardError."""
    if not decoders:
        hint = "name the weights of its tokens: --codec PATH"
        raise ShardError(out, "contains no audio, and the codec of its tokens is not on this machine", hint)
    codec, family = decoders[0]
    rate = codec.identity.sample_rate
    return [_with_audio(pair, decode_pair(out, pair.key, family, codec), rate) for pair in pairs]


def _with_audio(pair: StoredPair, decoded: Mapping[str, Mono], sample_rate: int) -> StoredPair:
    audio = {f"{name}.wav": encode_audio(to_pcm(sound[None]), sample_rate, "wav") for name, sound in decoded.items()}
    return StoredPair(key=pair.key, members={**audio, "json": pair.members["json"]})


def _make_groups(decoded: Mapping[str, Mono], family: TokenFamily) -> Iterator[PageSoundGroup]:
    rate = int(family.codec["sample_rate"])
    one_shots = []
    for kind, sound in decoded.items():
        if kind != MIX:
            data, mime = sounds.encode_flac(sound[None], rate)
            one_shots.append(PageSound(label=format_kind(kind), kind=kind, data=data, mime=mime))
    yield PageSoundGroup(title=f"Decoded from tokens of {family.name}", sounds=tuple(one_shots))
    data, mime = sounds.encode_compressed(decoded[MIX][None], rate)
    mix = PageSound(label="mix", data=data, mime=mime)
    yield PageSoundGroup(title="Decoded mixture", sounds=(mix,), is_full_length=True)
