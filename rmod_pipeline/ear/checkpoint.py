"""Read and write ears: weights, recipe, the features that they hear, and the sounds that they were trained on.

A checkpoint is one file of plain arrays, numbers and text, so that reading it runs no code from it:
{"rmod_ear": 1, "state_dict", "metadata": {"recipe", "features", "progress"}}.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import DoseError, ForeignFileError
from rmod_pipeline.features import LogMel

FORMAT = "rmod_ear"
VERSION = 1
HINT = "give a file that `rmod train ear` wrote, such as ear.pth, or leave --ear out"

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
        step = self.progress.get("step")
        source: dict[str, Any] = {"file": Path(self.about).name, "sha256": self.sha256, "recipe": self.recipe.name}
        return {**source, **({"step": step} if isinstance(step, int) else {})}


def encode_ear_checkpoint(checkpoint: EarCheckpoint) -> bytes:
    """Return the bytes of an ear's file; equal ears have equal bytes."""
    metadata = {
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "features": checkpoint.features.to_dict(),
        "progress": dict(checkpoint.progress),
    }
    state = {name: value.detach().cpu().clone() for name, value in checkpoint.state.items()}
    stream = io.BytesIO()
    torch.save({FORMAT: VERSION, "state_dict": state, "metadata": metadata}, stream)
    return stream.getvalue()


def read_ear_checkpoint(path: Path) -> EarCheckpoint:
    """Read an ear without running code from its file. Raises DoseError for a damaged file or any other."""
    data = read_weights_file(path, DoseError, HINT)
    content: Any = unpickle_weights(data, path, DoseError)
    if not isinstance(content, dict) or FORMAT not in content:
        raise ForeignFileError(path, "not an ear of rmod", HINT)
    if content[FORMAT] != VERSION:
        found = f"written in format {content[FORMAT]}, but this rmod reads format {VERSION}"
        raise DoseError(path, found, "update rmod")
    state = check_state_dict(content.get("state_dict"), path, DoseError, "an ear", HINT)
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        raise DoseError(path, "not an ear: no metadata", HINT)
    progress = metadata.get("progress", {})
    return EarCheckpoint(
        recipe=_parse_recipe(metadata.get("recipe"), path),
        features=_parse_features(metadata.get("features"), path),
        progress=progress if isinstance(progress, dict) else {},
        state=state,
        about=str(path),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def load_ear_model(checkpoint: EarCheckpoint) -> Ear:
    """Return the network of an ear in float32, in eval mode. Raises DoseError for weights that do not fit it."""
    model = Ear(checkpoint.recipe.model, len(checkpoint.recipe.instruments))
    try:
        model.load_state_dict({name: value.to(torch.float32) for name, value in checkpoint.state.items()})
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        found = f"the weights do not fit the recipe in the file: {reason}"
        raise DoseError(checkpoint.about, found, "give an unmodified ear") from error
    return model.eval()


def _parse_features(content: Any, path: Path) -> LogMel:
    try:
        return LogMel.from_dict(content)
    except ValueError as error:
        found = f"hears features that this rmod does not compute: {error}"
        raise DoseError(path, found, "train it again, or use the rmod that it was trained with") from error


def _parse_recipe(content: Any, path: Path) -> EarRecipe:
    try:
        return EarRecipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        found = f"its recipe cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DoseError(path, found, HINT) from error
