"""Open a data set with tokens, and check that a recipe can be trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, ShardError, UnfinishedError, nearest, quote
from rmod_pipeline.reading.shard_list import list_finished_shards
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.storage import Location

TRAIN, VALID = "train", "valid"

HINT_BUILD_MORE = f"--pairs {TRAIN}=1000,{VALID}=100"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenData:
    """A data set and the family of its tokens to train on."""

    out: Location
    family: TokenFamily

    @property
    def identity(self) -> CodecIdentity:
        """The codec that made the tokens."""
        fields = self.family.codec
        return CodecIdentity(**{name: fields[name] for name in CodecIdentity.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the data: the digests of build.json and codec.json, and a short description."""
        fingerprint = read_fingerprint(Layout(self.out).build)
        description = {
            "recipe": fingerprint["recipe"]["name"],
            "seed": fingerprint["seed"],
            "pairs": fingerprint["pairs"],
        }
        return {"build": self.family.build, "tokens": self.family.digest(), **description}

    def count_pairs(self) -> dict[str, int]:
        """Return the number of pairs of each split, as build.json plans them."""
        pairs: dict[str, int] = read_fingerprint(Layout(self.out).build)["pairs"]
        return pairs


def open_data(
    out: Location, codec: str | None, recipe: DoseRecipe, instruments: Sequence[str], world_size: int = 1
) -> TokenData:
    """Open a data set and check that a recipe can be trained on it with ``world_size`` devices.

    Raises ShardError, DoseError.
    """
    data = TokenData(out=out, family=choose_family(out, codec))
    pairs = data.count_pairs()
    for split in (TRAIN, VALID):
        if not pairs.get(split):
            existing = ", ".join(f"{count} {name}" for name, count in pairs.items())
            hint = f"build a data set with pairs of both, in another folder: {HINT_BUILD_MORE}"
            raise ShardError(f"{out}, split {split}", f"no pairs in it; there are {existing}", hint)
        _check_finished(data, split, world_size)
    _check_shape(data, recipe)
    for instrument in instruments:
        _check_instrument(data, recipe, instrument)
    return data


def _check_finished(data: TokenData, split: str, world_size: int) -> None:
    about = f"{data.out}, split {split}"
    try:
        shards = list_finished_shards(Layout(data.out), data.family.folder, data.family.digest(), split)
    except UnfinishedError as error:
        # The reader's own hint is for Python callers, who may read unfinished splits.
        status = f"`rmod status {quote(data.out)}` shows its progress"
        hint = f"finish the build or the encoding with the same command; {status}"
        raise ShardError(about, error.found, hint) from error
    pairs = sum(shard.pairs for shard in shards)
    if pairs < world_size:
        hint = f"give fewer --devices, or build more pairs in another folder: {HINT_BUILD_MORE}"
        raise ShardError(about, f"{pairs} pairs in it, for {world_size} devices", hint)


def _check_shape(data: TokenData, recipe: DoseRecipe) -> None:
    about, size = f"{data.out}/{data.family.folder}", recipe.model
    for name, existing, expected in (
        ("codebooks", data.family.shape[0], size.codebooks),
        ("codebook_size", data.family.shape[1], size.codebook_size),
        ("condition_frames", data.family.windows[MIX], size.condition_frames),
    ):
        if existing != expected:
            words = name.replace("_", " ")
            found = f"tokens of {words} {existing}, the recipe {recipe.name} has model.{name} {expected}"
            raise DoseError(
                about, found, f"set model.{name}: {existing} in the recipe, or give tokens of another codec"
            )


def _check_instrument(data: TokenData, recipe: DoseRecipe, instrument: str) -> None:
    about, windows = f"{data.out}/{data.family.folder}", data.family.windows
    if instrument not in windows:
        known = [name for name in windows if name != MIX]
        found = f"no tokens of {instrument}{nearest(instrument, known)}; there are {', '.join(known)}"
        hint = f"remove {instrument} from the recipe's instruments, or build pairs that have it, in another folder"
        raise DoseError(about, found, hint)
    frames = windows[instrument]
    if frames != recipe.frames(instrument):
        found = f"{instrument} in windows of {frames} frames, the recipe's are {recipe.frames(instrument)}"
        raise DoseError(about, found, f"set target_frames: {{{instrument}: {frames}}} in the recipe")
