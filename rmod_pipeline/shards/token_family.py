"""What the tokens of one folder are: of which data set, by which codec, in which windows.

OUT/tokens/CODEC/codec.json                 what the tokens are: the family's fingerprint
OUT/tokens/CODEC/train-000000.tar           KEY.mix.npy KEY.kick.npy ... KEY.json
OUT/receipts/tokens/CODEC/train-000000.json written last: this shard of tokens is done
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.audio import Pcm
from rmod_pipeline.codec import fit_window, frames_of, mono_of, target_frames
from rmod_pipeline.codec.window import Windowed
from rmod_pipeline.errors import BuildError, ShardError, nearest
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import digest, encode_fingerprint, read_fingerprint, refuse_differences
from rmod_pipeline.shards.layout import TOKENS, Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish_new


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
    def folder(self) -> str:
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


def read_family(out: Location, name: str) -> TokenFamily:
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


def family_names(out: Location) -> list[str]:
    """Return the names of the folders of tokens that a data set has: ``mini-1a2b3c4d``."""
    return sorted(path.parent.name for path in (out / TOKENS).glob("*/codec.json"))


def find_family(out: Location, codec: str | None) -> str:
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


def choose_family(out: Location, codec: str | None = None) -> TokenFamily:
    """Return the one family of tokens whose name begins so; without a name the only one. Raises ShardError."""
    return read_family(out, find_family(out, codec))


def claim_family(family: TokenFamily, layout: Layout) -> None:
    """Make a family's codec.json unless the one that stands there says the same. Raises BuildError, ShardError."""
    path = layout.codec(family.folder)
    if not path.exists():
        publish_new(encode_fingerprint(family.to_dict()), path, layout.drafts)
    check_family(family, layout)


def check_family(family: TokenFamily, layout: Layout) -> None:
    """Check that a codec.json, if there is one, says the same. Writes nothing. Raises BuildError, ShardError."""
    path = layout.codec(family.folder)
    if path.exists():
        there = read_family(layout.out, family.name).to_dict()
        hint = f"give the options that these tokens were made with, or remove {path.parent} and its receipts"
        refuse_differences(there, family.to_dict(), path.parent, "tokens made otherwise than asked for", hint)
