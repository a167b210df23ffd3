"""Tokens -> sound: to listen to what a model would be trained on."""

from __future__ import annotations

import json

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.codec import Codec, CodecChoice
from rmod_pipeline.codec.catalogue import name_of_identity
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import CodecError, ShardError, UsageError
from rmod_pipeline.reading.pairs import read_pair_tokens
from rmod_pipeline.shards.members import encode_audio
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location, parse_location
from rmod_pipeline.storage.publish import publish_bytes


def decoder_for(out: Location, codec: str | None = None, device: str = "auto") -> tuple[Codec, TokenFamily]:
    """Open the codec that a data set's tokens were made with. Raises CodecError for other weights, ShardError.

    ``codec`` is a name, or the path of the weights where rmod does not know them by the tokens' name.
    """
    is_file = codec is not None and parse_location(codec).is_file()
    family = choose_family(out, None if is_file else codec)
    name = codec if is_file else name_of_identity(family.name)
    if name is None:
        hint = "give the path of its weights: --codec PATH"
        raise UsageError("--codec", f"the weights of {family.name} are not known by that name", hint)
    opened = CodecChoice(name=name, device=device, batch=1).open()
    opened.identity.require(family.codec, f"{out}/{family.folder}")
    return opened, family


def decode_pair(out: Location, key: str, family: TokenFamily, codec: Codec) -> dict[str, Mono]:
    """Return a pair's sounds, each [samples] float32, cut to the true length. Raises ShardError and CodecError."""
    members = read_pair_tokens(out, key, family)
    try:
        frames = {sound: int(count) for sound, count in json.loads(members["json"])["tokens"]["frames"].items()}
        codes = {sound: decode_codes(members[f"{sound}.npy"], f"{key}.{sound}.npy") for sound in family.windows}
        lengths = {sound: min(frames[sound], codes[sound].shape[1]) * codec.identity.hop for sound in codes}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        hint = "`rmod verify OUT` says which shard is damaged"
        raise ShardError(key, f"not the tokens of a pair: {error!r}", hint) from error
    try:
        return {sound: codec.decode(each[None])[0, : lengths[sound]] for sound, each in codes.items()}
    except CodecError as error:
        raise CodecError(f"{key}: {error.about}", error.found, error.hint) from error


def write_decoded(out: Location, key: str, folder: Location, codec: str | None, device: str) -> list[Location]:
    """Write a pair's tokens as WAV files and return their paths. Raises ShardError, CodecError and UsageError."""
    opened, family = decoder_for(out, codec, device)
    paths: list[Location] = []
    for sound, audio in decode_pair(out, key, family, opened).items():
        path = folder / f"{key}.{sound}.wav"
        data = encode_audio(to_pcm(audio[None]), opened.identity.sample_rate, "wav")
        try:
            publish_bytes(data, path, folder)
        except OSError as error:
            raise UsageError(path, f"cannot be written: {error.strerror}", "choose another --out") from error
        paths.append(path)
    return paths
