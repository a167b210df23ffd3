"""Read and write classifiers: weights, recipe, leaves, features and calibration.

A checkpoint is one file of plain arrays, numbers and text, so that reading it runs no code from it:
{"rmod_classifier": 1, "state_dict", "metadata": {"recipe", "leaves", "features", "calibration", "progress"}}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from rmod_pipeline.classification.labels import Leaves, class_of_leaf, subkind_of_leaf
from rmod_pipeline.classification.model import FLOOR_DB, STEP_DB, SoundClassifierNet
from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.codec.model_files import ModelFile, ModelFormat, describe_origin, load_network
from rmod_pipeline.errors import ModelError
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.taxonomy import CLASSES, subkinds_of

HINT = "give a classifier from a training, such as models/sounds.pth, or leave --model out"
FORMAT = "rmod_classifier"
FILES = ModelFormat(FORMAT, 1, HINT)

SHIPPED_CLASSIFIER = Path(__file__).parent / "weights" / "sounds.pth"
"""The classifier that rmod ships."""
FILE_NAME = "sounds.pth"
"""The file name of a classifier in a folder of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How the confidence of a classifier is made an honest one."""

    temperature: float = 1.0
    """Logits are divided by it."""
    threshold: float = 0.0
    """Below this confidence the classifier abstains."""
    sounds: int = 0
    """Number of valid sounds that it was measured on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierCheckpoint:
    """The weights of a classifier and what is needed to use them."""

    recipe: ClassifierRecipe
    leaves: Leaves
    features: LogMel
    calibration: Calibration
    progress: Mapping[str, Any] = field(default_factory=dict)
    """State of the training: step and validation losses, as plain numbers and text."""
    state: Mapping[str, Tensor]
    about: str = "classifier"
    """The name in error messages: the file that it was read from."""
    sha256: str = ""
    """Digest of that file."""

    def describe_source(self) -> dict[str, Any]:
        """Return the origin of the classifier for results: file, sha256, recipe, step."""
        return describe_origin(Path(self.about), self.sha256, self.recipe.name, self.progress)


def encode_classifier(checkpoint: ClassifierCheckpoint) -> bytes:
    """Return the bytes of a classifier's file; equal classifiers have equal bytes."""
    metadata = {
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "leaves": list(checkpoint.leaves.names),
        "features": checkpoint.features.to_dict(),
        "calibration": asdict(checkpoint.calibration),
        "progress": dict(checkpoint.progress),
    }
    return FILES.encode(checkpoint.state, metadata)


def read_classifier(path: Path) -> ClassifierCheckpoint:
    """Read a classifier without running code from its file. Raises ModelError for a damaged file or any other."""
    file = FILES.read(path)
    recipe, progress = FILES.read_recipe(ClassifierRecipe, file), file.metadata.get("progress", {})
    features = _parse_features(file, recipe)
    return ClassifierCheckpoint(
        recipe=recipe,
        leaves=_parse_leaves(file),
        features=features,
        calibration=_parse_calibration(file),
        progress=progress if isinstance(progress, dict) else {},
        state=file.state,
        about=str(path),
        sha256=file.sha256,
    )


def load_classifier_net(checkpoint: ClassifierCheckpoint) -> SoundClassifierNet:
    """Return the network in float32, in eval mode. Raises ModelError for weights that do not fit it."""
    size, leaves = checkpoint.recipe.model, len(checkpoint.leaves.names)
    return load_network(lambda: SoundClassifierNet(size, leaves), checkpoint.state, checkpoint.about)


def _parse_features(file: ModelFile, recipe: ClassifierRecipe) -> LogMel:
    try:
        features = LogMel.from_dict(file.metadata.get("features") or {})
    except (ValueError, TypeError) as error:
        raise ModelError(file.path, f"hears features that this rmod does not compute: {error}", HINT) from error
    existing = (len(features.windows), features.bands, features.floor_db, features.step_db)
    if existing != (recipe.model.windows, recipe.model.bands, FLOOR_DB, STEP_DB):
        raise ModelError(file.path, "its features do not fit its recipe", "give an unmodified classifier")
    return features


def _parse_leaves(file: ModelFile) -> Leaves:
    names = file.metadata.get("leaves")
    if not isinstance(names, list) or len(names) < 2 or not all(isinstance(name, str) and name for name in names):
        raise ModelError(file.path, "no list of the classes that it tells apart", HINT)
    leaves = Leaves(tuple(names))
    if len(set(names)) < len(names) or len(leaves.classes) < 2:
        raise ModelError(file.path, "its list of classes repeats itself", HINT)
    unknown = [name for name in names if not _is_known(name)]
    if unknown:
        found = f"tells apart {unknown[0]}, which the taxonomy of this rmod does not have"
        raise ModelError(file.path, found, "train it again, or use the rmod that it was trained with")
    return leaves


def _is_known(leaf: str) -> bool:
    """Return whether a leaf is a class of the taxonomy, with one of its subkinds or with none."""
    name, subkind = class_of_leaf(leaf), subkind_of_leaf(leaf)
    return name in CLASSES and (not subkind or subkind in subkinds_of(name))


def _parse_calibration(file: ModelFile) -> Calibration:
    try:
        content = Calibration(**file.metadata["calibration"])
        valid = content.temperature > 0 and 0 <= content.threshold <= 1
    except (KeyError, TypeError) as error:
        raise ModelError(file.path, "no calibration of its confidence", HINT) from error
    if not valid:
        raise ModelError(file.path, f"a calibration that is none: {content}", HINT)
    return content
