"""Read and write ears: weights, recipe, the features that they hear, and the sounds that they were trained on.

A checkpoint is one file of plain arrays, numbers and text, so that reading it runs no code from it:
{"rmod_ear": 1, "state_dict", "metadata": {"recipe", "features", "progress"}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from rmod_pipeline.codec.model_files import (
    ModelFile,
    ModelFormat,
    describe_origin,
    find_class,
    load_network,
    require_equal_sizes,
)
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarRecipe, EarSize
from rmod_pipeline.errors import ModelError
from rmod_pipeline.features import LogMel

HINT = "give an ear that a training of rmod wrote, such as ear.pth, or leave --ear out"
FORMAT = "rmod_ear"
FILES = ModelFormat(FORMAT, 1, HINT)

SHIPPED_EAR = Path(__file__).parent / "weights" / "ear.pth"
"""The ear that rmod ships."""
FILE_NAME = "ear.pth"
"""The file name of an ear in a folder of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarCheckpoint:
    """The weights of an ear and what is needed to use them."""

    recipe: EarRecipe
    features: LogMel
    """The features that the ear hears."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """State of the training: step and validation losses, as plain numbers and text."""
    state: Mapping[str, Tensor]
    about: str = "ear"
    """The name in error messages: the file that the ear was read from."""
    sha256: str = ""
    """Digest of that file."""

    def describe_source(self) -> dict[str, Any]:
        """Return the origin of the ear for results: file, sha256, recipe, step."""
        return describe_origin(Path(self.about), self.sha256, self.recipe.name, self.progress)

    def class_index(self, instrument: str) -> int:
        """Return the class of an instrument. Raises ModelError for one that the ear does not hear."""
        return find_class(instrument, self.recipe.instruments, self.about, "hears")

    def require_features(self, features: LogMel) -> None:
        """Raise ModelError unless the ear hears features of this definition."""
        own, other = self.features.to_dict(), features.to_dict()
        for name, value in own.items():
            if value != other[name]:
                found = f"hears features with {name.replace('_', ' ')} {value}, these have {other[name]}"
                raise ModelError(self.about, found, "give features of its definition, or another ear")

    def require_size(self, size: EarSize) -> None:
        """Raise ModelError unless the ear has this size."""
        require_equal_sizes(self.recipe.model, size, self.about)


def encode_ear_checkpoint(checkpoint: EarCheckpoint) -> bytes:
    """Return the bytes of an ear's file; equal ears have equal bytes."""
    metadata = {
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "features": checkpoint.features.to_dict(),
        "progress": dict(checkpoint.progress),
    }
    return FILES.encode(checkpoint.state, metadata)


def read_ear_checkpoint(path: Path) -> EarCheckpoint:
    """Read an ear without running code from its file. Raises ModelError for a damaged file or any other."""
    file = FILES.read(path)
    recipe, progress = FILES.read_recipe(EarRecipe, file), file.metadata.get("progress", {})
    features = _parse_features(file)
    check_features(features, recipe.model, path, "give an unmodified ear")
    return EarCheckpoint(
        recipe=recipe,
        features=features,
        progress=progress if isinstance(progress, dict) else {},
        state=file.state,
        about=str(path),
        sha256=file.sha256,
    )


def load_ear_model(checkpoint: EarCheckpoint) -> Ear:
    """Return the network of an ear in float32, in eval mode. Raises ModelError for weights that do not fit it."""
    recipe = checkpoint.recipe
    return load_network(lambda: Ear(recipe.model, recipe.instruments), checkpoint.state, checkpoint.about)


def check_features(features: LogMel, size: EarSize, about: object, hint: str) -> None:
    """Raise ModelError unless an ear of this size can hear features of this definition."""
    for name, existing, expected in (
        ("windows", len(features.windows), size.windows),
        ("bands", features.bands, size.bands),
    ):
        if existing != expected:
            raise ModelError(about, f"features of {existing} {name}, the recipe has model.{name} {expected}", hint)
    scale, usual = (features.floor_db, features.step_db), (LogMel().floor_db, LogMel().step_db)
    if scale != usual:
        found = f"levels in steps of {scale[1]} dB from {scale[0]} dB; an ear hears {usual[1]} dB from {usual[0]} dB"
        raise ModelError(about, found, "make features of the usual definition")


def _parse_features(file: ModelFile) -> LogMel:
    try:
        return LogMel.from_dict(file.metadata.get("features") or {})
    except (ValueError, TypeError) as error:
        found = f"hears features that this rmod does not compute: {error}"
        raise ModelError(file.path, found, "train it again, or use the rmod that it was trained with") from error
