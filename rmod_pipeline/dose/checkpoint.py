"""Read and write DOSE checkpoints: weights, recipe, instruments, and the codec whose tokens the model uses.

A checkpoint is one file of plain arrays, numbers and text, so that reading it runs no code from it:
{"rmod_dose": 1, "state_dict", "metadata": {"recipe", "instruments", "codec", "progress"}}. The metadata of a model that
hears levels also has "hearing": the definition of the levels, and the size of its ear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.codec.model_files import ModelFile, ModelFormat, find_class, load_network, require_equal_sizes
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, ModelSize
from rmod_pipeline.errors import CodecError, DoseError, quote
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

TRAINING_ONLY = {"dropout", "attention_dropout", "condition_dropout", "history_dropout", "hits_known"}
"""Keys of a size that matter in training alone."""
HINT = "give a checkpoint that a training or an import of rmod wrote, such as kick.pth"
FORMAT = "rmod_dose"
FILES = ModelFormat(FORMAT, 1, HINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCheckpoint:
    """The weights of a model and what is needed to use them."""

    recipe: DoseRecipe
    instruments: tuple[str, ...]
    """What the model extracts; the index of an instrument is its class."""
    codec: Mapping[str, Any]
    """The ``CodecIdentity`` of the codec that made the tokens, as JSON; fields that are not known are missing."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """State of the training: step and validation losses, as plain numbers and text."""
    hearing: Hearing | None = None
    """How the model hears mixtures; None for a model that is given tokens."""
    state: Mapping[str, Tensor]
    about: str = "checkpoint"
    """The name in error messages: the file that the checkpoint was read from."""

    def class_index(self, instrument: str) -> int:
        """Return the class of an instrument in this model. Raises DoseError for one that it does not extract."""
        return find_class(instrument, self.instruments, self.about, "extracts")

    def require_codec(self, identity: CodecIdentity, hint: str = "give the codec of its training") -> None:
        """Raise CodecError unless the model was trained on the tokens of this codec; ``hint`` says what to do then.

        Published models do not tell the weights of their codec. Then the name must agree, because another codec may
        have tokens of the same shape.
        """
        try:
            identity.require(self.codec, self.about)
        except CodecError as error:
            raise CodecError(error.about, error.found, hint) from error
        name = str(self.codec.get("name", ""))
        if "sha256" not in self.codec and name and _name_without_hash(name) != _name_without_hash(identity.name):
            found = f"uses tokens of {name}, but the codec is {identity.name}"
            file = f"{_name_without_hash(name)}.pth"
            hint = f"give tokens of {name}; if these are its weights in another file, call the file {file}"
            raise CodecError(self.about, found, hint)

    def require_size(self, size: ModelSize) -> None:
        """Raise DoseError unless the model has this size. What matters in training alone may differ."""
        require_equal_sizes(self.recipe.model, size, self.about, TRAINING_ONLY)


def checkpoint_name(instruments: tuple[str, ...]) -> str:
    """Return the file name of a model: ``kick.pth``, ``kick-snare-hihat.pth``."""
    return f"{'-'.join(instruments)}.pth"


def encode_dose_checkpoint(checkpoint: DoseCheckpoint) -> bytes:
    """Return the bytes of a checkpoint's file; equal checkpoints have equal bytes."""
    metadata = {
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "instruments": list(checkpoint.instruments),
        "codec": dict(checkpoint.codec),
        "progress": dict(checkpoint.progress),
        **({"hearing": checkpoint.hearing.to_dict()} if checkpoint.hearing is not None else {}),
    }
    return FILES.encode(checkpoint.state, metadata)


def write_checkpoint(checkpoint: DoseCheckpoint, folder: Path) -> Path:
    """Write a checkpoint atomically, named after its instruments; return its path. Raises DoseError."""
    path = folder / checkpoint_name(checkpoint.instruments)
    with report_unwritable(path, "give a folder that can be written to", DoseError):
        publish_bytes(encode_dose_checkpoint(checkpoint), path, folder)
    return path


def write_new_checkpoint(checkpoint: DoseCheckpoint, folder: Path) -> Path:
    """Write a checkpoint as ``write_checkpoint`` does. Raises DoseError if that would replace another model."""
    path = folder / checkpoint_name(checkpoint.instruments)
    if path.exists() and not (path.is_file() and path.read_bytes() == encode_dose_checkpoint(checkpoint)):
        raise DoseError(path, "already exists and holds another model", "choose another --out, or move this file away")
    return write_checkpoint(checkpoint, folder)


def read_dose_checkpoint(path: Path) -> DoseCheckpoint:
    """Read a checkpoint without running code from it. Raises DoseError for a missing, broken or foreign file."""

    def foreign_hint(content: Any) -> str:
        lightning = isinstance(content, dict) and "pytorch-lightning_version" in content
        return f"`rmod dose import {quote(path)} --out DIR` reads the published checkpoints" if lightning else HINT

    return _parse_file(FILES.read(path, foreign_hint))


def load_dose_model(checkpoint: DoseCheckpoint) -> Dose:
    """Return the model of a checkpoint in float32, in eval mode. Raises DoseError for weights that do not fit it."""
    recipe, instruments, hearing = checkpoint.recipe, len(checkpoint.instruments), checkpoint.hearing
    return load_network(lambda: Dose(recipe.model, instruments, hearing), checkpoint.state, checkpoint.about)


def _name_without_hash(codec: str) -> str:
    """Return the name of a codec without the hash of its weights."""
    return re.sub(r"-[0-9a-f]{8}$", "", codec)


def _parse_file(file: ModelFile) -> DoseCheckpoint:
    recipe, metadata, path = FILES.read_recipe(DoseRecipe, file), file.metadata, file.path
    instruments, codec = metadata.get("instruments"), metadata.get("codec")
    progress = metadata.get("progress", {})
    if not isinstance(instruments, list) or tuple(instruments) not in recipe.models:
        raise DoseError(path, f"a model for {instruments}, which are not in its recipe", HINT)
    if not isinstance(codec, dict) or not isinstance(progress, dict):
        raise DoseError(path, "does not say which codec's tokens it uses", HINT)
    return DoseCheckpoint(
        recipe=recipe,
        instruments=tuple(instruments),
        codec=codec,
        progress=progress,
        hearing=_parse_hearing(metadata.get("hearing"), recipe.model, tuple(instruments), path),
        state=file.state,
        about=str(path),
    )


def _parse_hearing(content: Any, size: ModelSize, instruments: tuple[str, ...], path: Path) -> Hearing | None:
    """Return how a model hears; None for a model that is given tokens."""
    if size.condition == "tokens":
        return None
    if not isinstance(content, dict):
        raise DoseError(path, "does not say how the model hears", HINT)
    try:
        hearing = Hearing.from_dict(content, instruments, path)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise DoseError(path, f"does not say how the model hears: {reason}", HINT) from error
    if size.condition == "ear" and hearing.ear_size is None:
        raise DoseError(path, "does not say which ear the model has", HINT)
    return hearing
