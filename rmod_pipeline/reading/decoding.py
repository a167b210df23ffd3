"""Decode the tokens of stored pairs to audio, to listen to what a model is trained on."""

from __future__ import annotations

import json
from pathlib import Path

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.codec import Codec, CodecChoice
from rmod_pipeline.codec.catalogue import find_known_name, is_weights_path
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import CodecError, ShardError, UsageError
from rmod_pipeline.reading.pairs import read_pair_tokens
from rmod_pipeline.reading.shard_list import verify_hint
from rmod_pipeline.shards.members import encode_audio
from rmod_pipeline.shards.token_family import TokenFamily, choose_family, family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import check_writable_folder, report_unwritable


def open_decoder(out: Location, codec: str | None = None, device: str = "auto") -> tuple[Codec, TokenFamily]:
    """Open the codec that made the tokens of a data set.

    ``codec`` is a name, or the path of the weights if rmod does not know the codec by name. Raises CodecError for other
    weights, ShardError for missing tokens, UsageError for a codec that rmod does not know.
    """
    if codec is not None and is_weights_path(codec):
        decoder = CodecChoice.for_few(codec, device=device, batch=1).open()
        family = _family_of(out, decoder)
        decoder.identity.require(family.codec, f"{out}/{family.folder}")
        return decoder, family
    family = choose_family(out, codec)
    name = find_known_name(family.name)
    if name is None:
        hint = "give the path of its weights: --codec PATH"
        raise UsageError("--codec", f"rmod knows no codec named {family.name}", hint)
    decoder = CodecChoice.for_few(name, device=device, batch=1).open()
    decoder.identity.require(family.codec, f"{out}/{family.folder}")
    return decoder, family


def _family_of(out: Location, codec: Codec) -> TokenFamily:
    """Return the tokens that a codec made; the only tokens in any case. Raises ShardError if there are none."""
    names = family_names(out)
    if len(names) < 2:
        return choose_family(out)
    families = [read_family(out, name) for name in names]
    made = [family for family in families if family.codec.get("sha256") == codec.identity.sha256]
    return made[0] if made else choose_family(out, codec.identity.name)


def decode_pair(out: Location, key: str, family: TokenFamily, codec: Codec) -> dict[str, Mono]:
    """Return the audio of a pair by sound, each [samples] float32, cut to its true length.

    Raises ShardError for missing or damaged tokens, CodecError for tokens of another codec.
    """
    members = read_pair_tokens(out, key, family)
    try:
        frames = {sound: int(count) for sound, count in json.loads(members["json"])["tokens"]["frames"].items()}
        codes = {sound: decode_codes(members[f"{sound}.npy"], f"{key}.{sound}.npy") for sound in family.windows}
        lengths = {sound: min(frames[sound], codes[sound].shape[1]) * codec.identity.hop for sound in codes}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ShardError(key, f"invalid tokens: {error!r}", verify_hint(out)) from error
    try:
        return {sound: codec.decode(codes[sound][None])[0, : lengths[sound]] for sound in codes}
    except CodecError as error:
        raise CodecError(f"{key}: {error.about}", error.found, verify_hint(out)) from error


def write_decoded(out: Location, key: str, folder: Location, codec: str | None, device: str) -> list[Location]:
    """Decode the tokens of a pair to WAV files in ``folder`` and return their paths.

    Raises UsageError for a folder that cannot be written, and as ``open_decoder`` and ``decode_pair``.
    """
    if isinstance(folder, Path):
        check_writable_folder(folder)
    decoder, family = open_decoder(out, codec, device)
    paths: list[Location] = []
    for sound, audio in decode_pair(out, key, family, decoder).items():
        path = folder / f"{key}.{sound}.wav"
        data = encode_audio(to_pcm(audio[None]), decoder.identity.sample_rate, "wav")
        with report_unwritable(path):
            publish_bytes(data, path, folder)
        paths.append(path)
    return paths
