"""Define a family of tokens, the tokens that one codec makes of a data set, and read and write its codec.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rmod_pipeline.errors import BuildError, ShardError, nearest, quote
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import TOKENS, Layout
from rmod_pipeline.shards.windows.family import WindowFamily, list_windows
from rmod_pipeline.storage import Location

SHIPPED_CODEC_RATE = 44_100
"""Sample rate in Hz of the codec `mini`, which rmod ships."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFamily(WindowFamily):
    """The tokens that one codec makes of a data set: the content of codec.json."""

    top: ClassVar[str] = TOKENS

    codec: Mapping[str, Any]
    """The codec's fingerprint: weights, shape of tokens, precision, batch size, kind of device."""

    @classmethod
    def of(cls, recipe: Recipe, codec: Mapping[str, Any], build: str) -> TokenFamily:
        """Return the family of a codec's tokens of a recipe's pairs. Raises BuildError if the sample rates differ.

        ``codec`` is the codec's fingerprint, ``build`` the digest of build.json.
        """
        if recipe.sample_rate != codec["sample_rate"]:
            found = f"{recipe.sample_rate} Hz, but the codec {codec['name']} takes {codec['sample_rate']} Hz"
            hint = f"set sample_rate: {codec['sample_rate']} in the recipe, or choose another codec"
            raise BuildError(f"recipe {recipe.name}", found, hint)
        return cls(build=build, codec=codec, windows=list_windows(recipe, int(codec["hop"])))

    @property
    def name(self) -> str:
        """The codec's name with a short hash of its weights, such as ``mini-1a2b3c4d``."""
        return str(self.codec["name"])

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return int(self.codec["hop"])

    @property
    def sample_rate(self) -> int:
        """Samples per second of the sounds that the codec takes."""
        return int(self.codec["sample_rate"])

    @property
    def shape(self) -> tuple[int, int]:
        """The number of codebooks, and of entries in each."""
        return int(self.codec["codebooks"]), int(self.codec["codebook_size"])

    def to_dict(self) -> dict[str, Any]:
        """Return the content of codec.json."""
        return {"build": self.build, "codec": dict(self.codec), "windows": dict(self.windows)}

    def path(self, layout: Layout) -> Location:
        """Return the path of codec.json."""
        return layout.codec(self.folder)

    def read_stored(self, out: Location) -> TokenFamily:
        """Read the tokens of this name in a data set. Raises ShardError."""
        return read_family(out, self.name)


def read_family(out: Location, name: str) -> TokenFamily:
    """Read the codec.json of a folder of tokens. Raises ShardError."""
    path = Layout(out).codec(f"{TOKENS}/{name}")
    hint = f"give the name of a folder below tokens/, or {_encode_hint(out)}"
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
        _ = family.name, family.shape, family.hop, family.sample_rate
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        receipts = Layout(out).receipt_folder(f"{TOKENS}/{name}")
        hint = f"remove {path.parent} and {receipts}, and encode again"
        raise ShardError(path, f"not the description of a family of tokens: {error!r}", hint) from error
    return family


def family_names(out: Location) -> list[str]:
    """Return the names of all families of tokens of a data set, such as ``mini-1a2b3c4d``."""
    return sorted(path.parent.name for path in (out / TOKENS).glob("*/codec.json"))


def find_family(out: Location, codec: str | None) -> str:
    """Return the name of the only family whose name begins with ``codec``, or of the only family for None.

    Raises ShardError if there is none or more than one.
    """
    known = family_names(out)
    matching = [name for name in known if codec is None or name.startswith(codec)]
    if codec in known:
        matching = [codec]
    if len(matching) == 1:
        return matching[0]
    if matching:
        found = f"{len(matching)} families of tokens" + (f" begin with {codec}" if codec else "")
        raise ShardError(out, f"{found}: {', '.join(matching)}", "choose one: --codec NAME, or codec=NAME in Python")
    if known:
        found = f"no tokens of {codec}{nearest(str(codec), known)}; there are {', '.join(known)}"
        hint = f"choose one of these, or make others: `rmod encode {quote(out)} --codec CODEC`"
        raise ShardError(out, found, hint)
    read_fingerprint(Layout(out).build)  # raises if there is no data set at all
    raise ShardError(out, "no tokens here", _encode_hint(out))


def choose_family(out: Location, codec: str | None = None) -> TokenFamily:
    """Return the only family whose name begins with ``codec``, or the only family for None. Raises ShardError."""
    return read_family(out, find_family(out, codec))


def explain_other_codec(out: Location, codec: Mapping[str, Any], by_name: bool) -> str:
    """Return what to do if a model needs tokens of another codec than the one in use.

    ``codec`` is the identity of the model's codec; ``by_name``: whether ``--codec`` takes the name of the tokens, and
    not only the path of the weights.
    """
    name = str(codec.get("name", "")) or "another codec"
    value = name if by_name else "PATH"
    if name in family_names(out):
        return f"the model needs tokens of {name}: give --codec {value}"
    return f"the model needs tokens of {name}: make them, `rmod encode {quote(out)} --codec PATH`; give --codec {value}"


def _encode_hint(out: Location) -> str:
    """Return how to make the tokens of a data set, with the codec that rmod ships if its sample rate is the same."""
    codec, explanation = suggest_codec(_read_sample_rate(out))
    return f"make them: `rmod encode {quote(out)} --codec {codec}`{explanation}"


def suggest_codec(sample_rate: int | None) -> tuple[str, str]:
    """Return a value of ``--codec`` for a sample rate in Hz, and what it stands for: ``mini`` if that fits."""
    if sample_rate in (None, SHIPPED_CODEC_RATE):
        return "mini", ""
    return "PATH", f", where PATH is a dac checkpoint for {sample_rate} Hz"


def _read_sample_rate(out: Location) -> int | None:
    """Return the sample rate of a data set in Hz, or None for an invalid build.json."""
    try:
        return int(read_fingerprint(Layout(out).build)["recipe"]["sample_rate"])
    except (ShardError, KeyError, TypeError, ValueError):
        return None
