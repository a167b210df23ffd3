"""Open a data set with tokens, and check that a recipe can be trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, nearest
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.storage import Location
from rmod_pipeline.training.loop.data import check_splits, describe_build


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
        return {"build": self.family.build, "tokens": self.family.digest(), **describe_build(self.out)}


def open_data(
    out: Location, codec: str | None, recipe: DoseRecipe, instruments: Sequence[str], world_size: int = 1
) -> TokenData:
    """Open a data set and check that a recipe can be trained on it with ``world_size`` devices.

    Raises ShardError, DoseError.
    """
    data = TokenData(out=out, family=choose_family(out, codec))
    check_splits(out, data.family.folder, data.family.digest(), world_size, "the encoding")
    _check_shape(data, recipe)
    for instrument in instruments:
        _check_instrument(data, recipe, instrument)
    return data


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
