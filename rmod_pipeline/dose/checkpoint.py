"""Read and write DOSE checkpoints: weights, recipe, instruments, and the codec whose tokens the model uses.

A checkpoint is one file of plain arrays, numbers and text, so that reading it runs no code from it:
{"rmod_dose": 1, "state_dict", "metadata": {"recipe", "instruments", "codec", "progress"}}. The metadata of a model that
hears levels also has "hearing": the definition of the levels, and the size of its ear.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, ModelSize
from rmod_pipeline.errors import CodecError, DoseError, ForeignFileError, nearest, quote
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

FORMAT = "rmod_dose"
VERSION = 1
TRAINING_ONLY = {"dropout", "attention_dropout", "condition_dropout", "history_dropout", "hits_known"}
"""Keys of a size that matter in training alone."""
HINT = "give a checkpoint that a training or an import of rmod wrote, such as kick.pth"


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
        if instrument not in self.instruments:
            found = (
                f"extracts {' and '.join(self.instruments)}, not {instrument}{nearest(instrument, self.instruments)}"
            )
            raise DoseError(self.about, found, f"give a checkpoint for {instrument}")
        return self.instruments.index(instrument)

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
        own, expected = self.recipe.model.model_dump(), size.model_dump()
        for name in own.keys() - TRAINING_ONLY:
            if own[name] != expected[name]:
                found = f"a model with {name.replace('_', ' ')} {own[name]}, the recipe asks for {expected[name]}"
                raise DoseError(self.about, found, "give the recipe of this checkpoint, or start from new weights")


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
    state = {name: value.detach().cpu().clone() for name, value in checkpoint.state.items()}
    stream = io.BytesIO()
    torch.save({FORMAT: VERSION, "state_dict": state, "metadata": metadata}, stream)
    return stream.getvalue()


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
    content = unpickle_weights(read_weights_file(path, DoseError, HINT), path, DoseError)
    if not isinstance(content, dict) or FORMAT not in content:
        lightning = isinstance(content, dict) and "pytorch-lightning_version" in content
        hint = f"`rmod dose import {quote(path)} --out DIR` reads the published checkpoints" if lightning else HINT
        raise ForeignFileError(path, "not a checkpoint of rmod", hint)
    if content[FORMAT] != VERSION:
        raise DoseError(
            path, f"written in format {content[FORMAT]}, but this rmod reads format {VERSION}", "update rmod"
        )
    state = check_state_dict(content.get("state_dict"), path, DoseError, "a DOSE checkpoint", HINT)
    return _parse_metadata(content.get("metadata"), state, path)


def load_dose_model(checkpoint: DoseCheckpoint) -> Dose:
    """Return the model of a checkpoint in float32, in eval mode. Raises DoseError for weights that do not fit it."""
    with torch.device("meta"), _SkipInitialization():  # allocates no memory before the weights are loaded
        model = Dose(checkpoint.recipe.model, len(checkpoint.instruments), checkpoint.hearing)
    state = {name: value.to(torch.float32, copy=True) for name, value in checkpoint.state.items()}
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        found = f"the weights do not fit the recipe in the file: {reason}"
        raise DoseError(checkpoint.about, found, "give an unmodified checkpoint") from error
    return model.eval()


class _SkipInitialization(TorchFunctionMode):
    """Skip drawing first weights: on the meta device that would import torch's compiler, which takes seconds."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        return keywords["tensor"] if func is nn.init.normal_ else func(*args, **keywords)


def _name_without_hash(codec: str) -> str:
    """Return the name of a codec without the hash of its weights."""
    return re.sub(r"-[0-9a-f]{8}$", "", codec)


def _parse_metadata(metadata: Any, state: Mapping[str, Tensor], path: Path) -> DoseCheckpoint:
    if not isinstance(metadata, dict):
        raise DoseError(path, "not a DOSE checkpoint: no metadata", HINT)
    try:
        recipe = DoseRecipe.model_validate(metadata.get("recipe"))
    except ValidationError as error:
        first = error.errors()[0]
        found = f"its recipe cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DoseError(path, found, HINT) from error
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
        state=state,
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
