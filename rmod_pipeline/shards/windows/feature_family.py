"""Define a family of features, the spectrograms of a data set's sounds, and read and write its features.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from rmod_pipeline.errors import ShardError, nearest, quote
from rmod_pipeline.features import LogMel
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import FEATURES, Layout
from rmod_pipeline.shards.windows.family import WindowFamily, list_windows
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFamily(WindowFamily):
    """The spectrograms that one definition makes of a data set: the content of features.json."""

    top: ClassVar[str] = FEATURES

    mel: LogMel
    """The definition."""

    @classmethod
    def of(cls, recipe: Recipe, build: str, mel: LogMel | None = None) -> FeatureFamily:
        """Return the features of a recipe's pairs. ``build`` is the digest of build.json.

        ``mel``: a definition in place of the default one. Raises ValueError if it is for another sample rate.
        """
        mel = mel or LogMel(sample_rate=recipe.sample_rate)
        if mel.sample_rate != recipe.sample_rate:
            raise ValueError(f"features of {mel.sample_rate} Hz, but the recipe has {recipe.sample_rate} Hz")
        return cls(build=build, mel=mel, windows=list_windows(recipe, mel.hop))

    @property
    def name(self) -> str:
        """The name with a short hash of the definition, such as ``mel-1a2b3c4d``."""
        return self.mel.name

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return self.mel.hop

    @property
    def sample_rate(self) -> int:
        """Samples per second of the sounds."""
        return self.mel.sample_rate

    def shape(self, sound: str) -> tuple[int, int, int]:
        """Return the shape of a sound's levels: windows, bands, frames."""
        return len(self.mel.windows), self.mel.bands, self.windows[sound]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of features.json."""
        return {"build": self.build, "features": self.mel.to_dict(), "windows": dict(self.windows)}

    def path(self, layout: Layout) -> Location:
        """Return the path of features.json."""
        return layout.features(self.folder)

    def read_stored(self, out: Location) -> FeatureFamily:
        """Read the features of this name in a data set. Raises ShardError."""
        return read_features(out, self.name)


def read_features(out: Location, name: str) -> FeatureFamily:
    """Read the features.json of a folder of features. Raises ShardError, also for one of another definition."""
    layout = Layout(out)
    path = layout.features(f"{FEATURES}/{name}")
    receipts = layout.receipt_folder(f"{FEATURES}/{name}")
    hint = f"remove {path.parent} and {receipts}, and make the features again: `rmod features {quote(out)}`"
    try:
        content = json.loads(path.read_bytes())
        family = FeatureFamily(
            build=str(content["build"]),
            mel=LogMel.from_dict(content["features"]),
            windows={str(sound): int(frames) for sound, frames in content["windows"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        cause = error if isinstance(error, ValueError) else repr(error)
        raise ShardError(path, f"not the description of features that this rmod makes: {cause}", hint) from error
    if family.name != name:
        raise ShardError(path, f"describes {family.name}, but its folder is {name}", hint)
    return family


def feature_names(out: Location) -> list[str]:
    """Return the names of all families of features of a data set, such as ``mel-1a2b3c4d``."""
    return sorted(path.parent.name for path in (out / FEATURES).glob("*/features.json"))


def choose_features(out: Location, features: str | None = None) -> FeatureFamily:
    """Return the only family whose name begins with ``features``, or the only family for None. Raises ShardError."""
    known = feature_names(out)
    matching = [name for name in known if features is None or name.startswith(features)]
    if features in known:
        matching = [features]
    if len(matching) == 1:
        return read_features(out, matching[0])
    if matching:
        raise ShardError(
            out, f"{len(matching)} families of features: {', '.join(matching)}", "choose one: features=NAME"
        )
    read_fingerprint(Layout(out).build)  # raises if there is no data set at all
    if known:
        found = f"no features {features}{nearest(str(features), known)}; there are {', '.join(known)}"
        raise ShardError(out, found, "choose one of these: features=NAME")
    raise ShardError(out, "no features here", f"make them: `rmod features {quote(out)}`")
