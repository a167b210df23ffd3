"""Verify the features of a data set: checksums, shapes, scale, and that they belong to its pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.inspection.verify_windows import WindowCheck, has_valid_frames
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.layout import FEATURES
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, feature_names, read_features
from rmod_pipeline.shards.windows.features import decode_levels, feature_record


class FeatureCheck(WindowCheck[FeatureFamily]):
    """Check every family of features of a data set."""

    top: ClassVar[str] = FEATURES
    description: ClassVar[str] = "features.json"
    command: ClassVar[str] = "features"

    @property
    def counts(self) -> dict[str, int]:
        """The number of pairs by family, in the report."""
        return self._report.features

    def names(self) -> list[str]:
        """Return the names of the families."""
        return feature_names(self._layout.out)

    def read(self, name: str) -> FeatureFamily:
        """Read a features.json. Raises ShardError."""
        return read_features(self._layout.out, name)

    def make_family(self, recipe: Recipe, family: FeatureFamily) -> FeatureFamily:
        """Return the family as the recipe has it. Raises ValueError for another sample rate."""
        return FeatureFamily.of(recipe, family.build, family.mel)

    def check_sound(self, sound: str, data: bytes, family: FeatureFamily, about: str) -> Iterator[Finding]:
        """Yield what is wrong with the levels of a sound. Raises ShardError."""
        levels, shape = decode_levels(data, f"{about}.{sound}.npy"), family.shape(sound)
        if levels.shape != shape:
            found = f"{sound} is {list(levels.shape)}, features.json requires {list(shape)}"
            yield Finding(about=about, found=found)

    def matches_family(self, text: bytes, family: FeatureFamily) -> bool:
        """Return whether the JSON of a pair has the scale of the family, and valid frames of every sound."""
        try:
            features = json.loads(text)["features"]
            frames = features["frames"]
            return bool(features == feature_record(family, frames) and has_valid_frames(frames, family))
        except (ValueError, KeyError, TypeError, RecursionError):
            return False
