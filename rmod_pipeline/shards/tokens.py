"""Token shards: the codes of pairs, beside their sound or in its place.

OUT/tokens/CODEC/codec.json                 what the tokens are: the family's fingerprint
OUT/tokens/CODEC/train-000000.tar           KEY.mix.npy KEY.kick.npy ... KEY.json
OUT/receipts/tokens/CODEC/train-000000.json written last: this shard of tokens is done
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Pcm
from rmod_pipeline.codec import fit_window, frames_of, mono_of, target_frames
from rmod_pipeline.codec.window import Windowed
from rmod_pipeline.errors import BuildError, ShardError, nearest
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import digest, encode_fingerprint, read_fingerprint, refuse_differences
from rmod_pipeline.shards.layout import TOKENS, Layout, ShardPlan, parse_key, shard_of
from rmod_pipeline.shards.members import MIX, encode_json
from rmod_pipeline.shards.publish import draft, publish, publish_bytes, publish_new
from rmod_pipeline.shards.receipt import FileRecord, Gaps, Receipt
from rmod_pipeline.shards.tar import TarWriter, read_members
from rmod_pipeline.storage import Place

Codes = NDArray[np.uint16]
"""[codebooks, frames] of one sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFamily:
    """What the tokens of one folder are: of which data set, by which codec, in which windows."""

    build: str
    """Digest of build.json."""
    codec: Mapping[str, Any]
    """The codec's fingerprint: weights, shape of tokens, precision, batch, kind of device."""
    windows: Mapping[str, int]
    """Token frames by sound, in the order of members: mix 345, kick 90, ..."""

    @classmethod
    def of(cls, recipe: Recipe, codec: Mapping[str, Any], build: str) -> TokenFamily:
        """Return the family that a codec makes of a recipe's pairs. Raises BuildError for another sample rate."""
        if recipe.sample_rate != codec["sample_rate"]:
            found = f"{recipe.sample_rate} Hz, the codec {codec['name']} takes {codec['sample_rate']} Hz"
            hint = f"set sample_rate: {codec['sample_rate']} in the recipe, or choose another codec"
            raise BuildError(f"recipe {recipe.name}", found, hint)
        chosen = {kind: drum.token_frames for kind, drum in recipe.drums.items() if drum.token_frames}
        targets = {kind: target_frames(kind, chosen) for kind in recipe.targets}
        return cls(build=build, codec=codec, windows={MIX: frames_of(recipe.frames, int(codec["hop"])), **targets})

    @property
    def name(self) -> str:
        """The codec's name with a short hash of its weights: ``mini-1a2b3c4d``."""
        return str(self.codec["name"])

    @property
    def family(self) -> str:
        """What the family is called in paths and receipts: ``tokens/mini-1a2b3c4d``."""
        return f"{TOKENS}/{self.name}"

    @property
    def shape(self) -> tuple[int, int]:
        """Codebooks, and entries in each."""
        return int(self.codec["codebooks"]), int(self.codec["codebook_size"])

    def digest(self) -> str:
        """Return the SHA-256 of what stands in codec.json."""
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"build": self.build, "codec": dict(self.codec), "windows": dict(self.windows)}

    def members(self) -> list[str]:
        """Return the suffixes of a pair's files, the same for every pair, in their order."""
        return [*(f"{sound}.npy" for sound in self.windows), "json"]

    def window(self, sounds: Mapping[str, Pcm]) -> dict[str, Windowed]:
        """Return what the encoder is given of a pair's 16-bit sounds, each [channels, samples]."""
        return {sound: self.window_of(sound, sounds[sound]) for sound in self.windows}

    def window_of(self, sound: str, pcm: Pcm) -> Windowed:
        """Return what the encoder is given of one sound."""
        return fit_window(mono_of(pcm), self.windows[sound], int(self.codec["hop"]))


def read_family(out: Place, name: str) -> TokenFamily:
    """Return what a folder of tokens says of itself. Raises ShardError."""
    path = Layout(out).codec(f"{TOKENS}/{name}")
    hint = "give the name of a folder below tokens/, or make it: rmod encode OUT --codec mini"
    if not path.is_file():
        known = family_names(out)
        found = f"no tokens of {name}{nearest(name, known)}; there are {', '.join(known) or 'none'}"
        raise ShardError(out, found, hint)
    try:
        content = json.loads(path.read_bytes())
        family = TokenFamily(
            build=str(content["build"]),
            codec=dict(content["codec"]),
            windows={str(sound): int(frames) for sound, frames in content["windows"].items()},
        )
        _ = family.name, family.shape, int(family.codec["hop"]), int(family.codec["sample_rate"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ShardError(
            path, f"does not tell what the tokens are: {error!r}", "remove the folder, encode again"
        ) from error
    return family


def family_names(out: Place) -> list[str]:
    """Return the names of the folders of tokens that a data set has: ``mini-1a2b3c4d``."""
    return sorted(path.parent.name for path in (out / TOKENS).glob("*/codec.json"))


def find_family(out: Place, codec: str | None) -> str:
    """Return the name of the one family of tokens whose name begins so. Raises ShardError."""
    known = family_names(out)
    matching = [name for name in known if codec is None or name.startswith(codec)]
    if codec in known:
        matching = [codec]
    if len(matching) == 1:
        return matching[0]
    if matching:
        found = f"{len(matching)} families of tokens" + (f" begin with {codec}" if codec else "")
        raise ShardError(out, f"{found}: {', '.join(matching)}", "say which: --codec NAME, or codec=NAME in Python")
    if known:
        raise ShardError(out, f"no tokens of {codec}{nearest(str(codec), known)}; there are {', '.join(known)}")
    read_fingerprint(Layout(out).build)  # no tokens, or no data set at all
    raise ShardError(out, "no tokens here", "make them: rmod encode OUT --codec mini")


def choose_family(out: Place, codec: str | None = None) -> TokenFamily:
    """Return the one family of tokens whose name begins so; without a name the only one. Raises ShardError."""
    return read_family(out, find_family(out, codec))


def read_tokens(out: Place, key: str, family: TokenFamily) -> dict[str, bytes]:
    """Return the files of a pair's tokens by suffix. Raises ShardError for a key that the data set lacks."""
    split, index = parse_key(key)
    layout = Layout(out)
    shard = shard_of(index, split, int(read_fingerprint(layout.build)["shard_size"]))
    tar = layout.tar(shard, family.family)
    members = read_members(tar, key) if tar.is_file() else {}
    if not members:
        found = f"no tokens of it in {out}/{family.family}"
        raise ShardError(key, found, "`rmod show OUT --keys` lists the pairs; `rmod encode OUT` makes what is missing")
    return members


def claim_family(family: TokenFamily, layout: Layout) -> None:
    """Make a family's codec.json unless the one that stands there says the same. Raises BuildError, ShardError."""
    path = layout.codec(family.family)
    if not path.exists():
        publish_new(encode_fingerprint(family.to_dict()), path, layout.drafts)
    check_family(family, layout)


def check_family(family: TokenFamily, layout: Layout) -> None:
    """Check that a codec.json, if there is one, says the same. Writes nothing. Raises BuildError, ShardError."""
    path = layout.codec(family.family)
    if path.exists():
        there = read_family(layout.out, family.name).to_dict()
        hint = f"give the options that these tokens were made with, or remove {path.parent} and its receipts"
        refuse_differences(there, family.to_dict(), path.parent, "tokens made otherwise than asked for", hint)


def encode_codes(codes: Codes) -> bytes:
    """Return a .npy of [codebooks, frames], uint16."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(codes, dtype=np.uint16), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def decode_codes(data: bytes, about: object) -> Codes:
    """Return the codes [codebooks, frames] of a .npy. Raises ShardError; what could run code is refused."""
    try:
        codes = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise ShardError(about, f"not tokens: {error}", "`rmod verify OUT` says which shard is damaged") from error
    if codes.ndim != 2 or codes.dtype != np.uint16:
        found = f"{codes.dtype} {list(codes.shape)}, tokens are uint16 [codebooks, frames]"
        raise ShardError(about, found, "`rmod verify OUT` says which shard is damaged")
    return codes


class TokenShard:
    """A shard of tokens being written: pairs in, in the order of their keys."""

    def __init__(self, tar: TarWriter, family: TokenFamily) -> None:
        self._tar, self._family = tar, family
        self.pairs = 0

    def add(self, key: str, codes: Mapping[str, Codes], frames: Mapping[str, int], description: bytes) -> None:
        """Append a pair: its codes by sound, how many frames of each hold sound, the JSON that stands beside it."""
        members = {f"{sound}.npy": encode_codes(codes[sound]) for sound in self._family.windows}
        members["json"] = describe_tokens(description, self._family.name, frames)
        self._tar.add(key, members)
        self.pairs += 1


def describe_tokens(description: bytes, codec: str, frames: Mapping[str, int]) -> bytes:
    """Return a pair's JSON with what is to be known of its tokens: the codec, and the true length of each sound."""
    return encode_json({**json.loads(description), "tokens": {"codec": codec, "frames": dict(frames)}})


@contextmanager
def write_token_shard(plan: ShardPlan, layout: Layout, family: TokenFamily, gaps: Gaps) -> Iterator[TokenShard]:
    """Give a shard of tokens to fill; on leaving without an exception it is published, its receipt last.

    ``gaps`` are those of the shard of sound, and may still be filled meanwhile.
    """
    with draft(layout.drafts, f"{plan.name}.tokens.tar") as tar:
        with TarWriter(tar) as writer:
            shard = TokenShard(writer, family)
            yield shard
        final = layout.tar(plan.name, family.family)
        receipt = Receipt(
            shard=plan.name,
            family=family.family,
            fingerprint=family.digest(),
            split=plan.split,
            first=plan.first,
            count=plan.count,
            pairs=shard.pairs,
            absent=tuple(gaps.absent),
            rejects=dict(sorted(gaps.rejects.items())),
            files=(FileRecord.of(tar, layout.relative(final)),),
        )
        publish(tar, final)
        publish_bytes(receipt.to_json(), layout.receipt(plan.name, family.family), layout.drafts)
