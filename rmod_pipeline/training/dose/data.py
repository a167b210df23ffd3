"""Open a data set with tokens, and with features for models that hear, and check that a recipe can be trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError, ShardError, nearest, quote
from rmod_pipeline.features import LogMel
from rmod_pipeline.reading.shard_list import list_finished_shards
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, choose_features, feature_names, read_features
from rmod_pipeline.storage import Location
from rmod_pipeline.training.loop.data import TRAIN, VALID, describe_build, require_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenData:
    """A data set and the family of its tokens to train on."""

    out: Location
    family: TokenFamily
    features: FeatureFamily | None = None
    """The features that the model hears; None for a model that is given tokens alone."""

    @property
    def identity(self) -> CodecIdentity:
        """The codec that made the tokens."""
        fields = self.family.codec
        return CodecIdentity(**{name: fields[name] for name in CodecIdentity.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the data: the digests of its descriptions, and a short description."""
        features = {} if self.features is None else {"features": self.features.digest()}
        return {"build": self.family.build, "tokens": self.family.digest(), **features, **describe_build(self.out)}


def open_data(
    out: Location,
    codec: str | None,
    recipe: DoseRecipe,
    instruments: Sequence[str],
    world_size: int = 1,
    *,
    mel: LogMel | None = None,
) -> TokenData:
    """Open a data set and check that a recipe can be trained on it with ``world_size`` devices.

    ``mel``: the features that the model's ear, or its first weights, need. Raises ShardError, DoseError.
    """
    family = choose_family(out, codec)
    features = None if recipe.model.condition == "tokens" else _choose_features(out, family.sample_rate, mel)
    data = TokenData(out=out, family=family, features=features)
    require_pairs(out, data.family.folder, data.family.digest(), world_size, "the encoding")
    _check_shape(data, recipe)
    if features is not None:
        require_pairs(out, features.folder, features.digest(), world_size, "the features")
        _check_features(data, features, recipe)
    for instrument in instruments:
        _check_instrument(data, recipe, instrument)
    return data


def _choose_features(out: Location, sample_rate: int, mel: LogMel | None) -> FeatureFamily:
    """Return the features of this definition, or those of the default one, or the only ones."""
    wanted = mel or LogMel(sample_rate=sample_rate)
    if wanted.name in feature_names(out):
        return read_features(out, wanted.name)
    family = choose_features(out)
    if mel is not None:
        found = f"features of another definition than {mel.name}, which the model hears"
        hint = f"give an ear or a checkpoint that was trained on {family.name}"
        raise DoseError(f"{out}/{family.folder}", found, hint)
    return family


def _check_features(data: TokenData, features: FeatureFamily, recipe: DoseRecipe) -> None:
    """Raise DoseError or ShardError unless features have the frames and the pairs of the tokens."""
    frames, expected = features.windows[MIX], recipe.model.condition_frames
    if frames != expected:
        found = f"mixtures of {frames} frames, their tokens have {expected}"
        raise DoseError(f"{data.out}/{features.folder}", found, "give tokens of a codec with the hop of the features")
    for split in (TRAIN, VALID):
        tokens, mixtures = (
            [shard.pairs for shard in list_finished_shards(Layout(data.out), each.folder, each.digest(), split)]
            for each in (data.family, features)
        )
        if tokens != mixtures:
            found = f"features of {sum(mixtures)} pairs beside tokens of {sum(tokens)}"
            raise ShardError(
                f"{data.out}, split {split}", found, f"`rmod verify {quote(data.out)}` says what is missing"
            )


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
