"""Open a data set with features, and check that an ear can be trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rmod_pipeline.ear.checkpoint import check_features
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.ear.spectrum import count_point_frames
from rmod_pipeline.errors import ModelError, nearest
from rmod_pipeline.features import LogMel
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import is_imported, read_fingerprint
from rmod_pipeline.shards.index import PAIR
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, choose_features
from rmod_pipeline.storage import Location
from rmod_pipeline.training.loop.data import describe_build, require_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureData:
    """A data set and the family of its features to train on."""

    out: Location
    family: FeatureFamily

    @property
    def definition(self) -> LogMel:
        """The definition of the features."""
        return self.family.mel

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the data: the digests of build.json and features.json, and a short description."""
        return {"build": self.family.build, "features": self.family.digest(), **describe_build(self.out)}


def open_features(out: Location, recipe: EarRecipe, world_size: int = 1) -> FeatureData:
    """Open a data set and check that a recipe can be trained on it with ``world_size`` devices.

    Raises ShardError, ModelError.
    """
    data = FeatureData(out=out, family=choose_features(out))
    about = f"{out}/{data.family.folder}"
    require_pairs(out, data.family.folder, data.family.digest(), world_size, "the features")
    hint = f"set model.windows: {len(data.definition.windows)} and model.bands: {data.definition.bands} in the recipe"
    check_features(data.definition, recipe.model, about, hint)
    for instrument in recipe.instruments:
        _check_instrument(data, recipe, instrument, about)
    return data


def _check_instrument(data: FeatureData, recipe: EarRecipe, instrument: str, about: str) -> None:
    windows = data.family.windows
    if instrument not in windows:
        known = [name for name in windows if name != MIX]
        found = f"no features of {instrument}{nearest(instrument, known)}; there are {', '.join(known)}"
        hint = f"remove {instrument} from the recipe's instruments, or build pairs that have it, in another folder"
        raise ModelError(about, found, hint)
    frames, described = windows[instrument], recipe.model.description_frames
    if frames < described:
        found = f"{instrument} in windows of {frames} frames, the recipe describes {described}"
        raise ModelError(about, found, f"set model.description_frames: {frames} in the recipe")
    least = count_point_frames(instrument) if recipe.model.spectrum else 0
    if frames < least:
        found = f"{instrument} in windows of {frames} frames; a spectrum is that of {least}"
        raise ModelError(about, found, "set model.spectrum: 0 in the recipe, or build with the usual windows")
    # A hit that is left out would count as a mistake where the ear hears it.
    most = count_most_hits(data.out, instrument)
    if most > recipe.most_hits:
        found = f"up to {most} hits of {instrument} in a mixture, the recipe {recipe.name} uses {recipe.most_hits}"
        raise ModelError(about, found, f"set most_hits: {most} in the recipe")


def count_most_hits(out: Location, instrument: str) -> int:
    """Return the largest number of hits of an instrument in a mixture: by the recipe, or by the index.

    The index counts the hits of grooves and of imported pairs. Raises ModelError for hits that are unknown.
    """
    fingerprint = read_fingerprint(Layout(out).build)
    recipe = Recipe.model_validate(fingerprint["recipe"])
    if recipe.grooves is None and not is_imported(fingerprint):
        return int(recipe.drums[instrument].hits.support()[1])
    rows = [row for row in DataSet(out).index(columns=["status", "drums"]) if row["status"] == PAIR]
    counts = [drum["hits"] for row in rows for drum in row["drums"] if drum["kind"] == instrument]
    unknown = sum(count == 0 for count in counts)
    if unknown:
        found = f"the hits of {instrument} are unknown in {unknown} of {len(counts)} imported pairs"
        hint = "put KEY.mid or KEY.csv beside each pair of the folder, and import it again into another --out"
        raise ModelError(out, found, hint)
    return max(counts, default=0)
