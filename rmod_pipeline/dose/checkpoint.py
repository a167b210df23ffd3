"""A DOSE model on disk: weights, the recipe they were made by, the codec whose tokens they speak, what they extract.

One file of plain arrays, numbers and text, so that it can be read without running anything in it:
{"rmod_dose": 1, "state_dict", "metadata": {"recipe", "instruments", "codec", "progress"}}.
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
from rmod_pipeline.codec.torch_support import checked_state, file_bytes, unpickled
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, ModelSize
from rmod_pipeline.errors import CodecError, DoseError, ForeignFileError, nearest
from rmod_pipeline.storage.publish import publish_bytes

FORMAT = "rmod_dose"
VERSION = 1
DROPOUTS = {"dropout", "attention_dropout", "condition_dropout", "history_dropout"}
GIVE = "give a checkpoint that `rmod dose` wrote"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseCheckpoint:
    """A model's weights and all that it takes to use them."""

    recipe: DoseRecipe
    instruments: tuple[str, ...]
    """What this model extracts; the place of one in here is its class."""
    codec: Mapping[str, Any]
    """The ``CodecIdentity`` of the codec that made the tokens, as JSON, or as much of it as is known."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """Where the training stood: step, validation losses; plain numbers and text."""
    state: Mapping[str, Tensor]
    about: str = "checkpoint"
    """What errors call it: the file that it was read from."""

    def class_of(self, instrument: str) -> int:
        """Return an instrument's class in this model. Raises DoseError for one that it does not extract."""
        if instrument not in self.instruments:
            found = (
                f"extracts {' and '.join(self.instruments)}, not {instrument}{nearest(instrument, self.instruments)}"
            )
            raise DoseError(self.about, found, f"give a checkpoint for {instrument}")
        return self.instruments.index(instrument)

    def require_codec(self, identity: CodecIdentity) -> None:
        """Raise CodecError if tokens of this codec are not those that the model speaks.

        Where its weights are not known, as of the published models, its name has to do: other codecs have its shape.
        """
        identity.require(self.codec, self.about)
        name = str(self.codec.get("name", ""))
        if "sha256" not in self.codec and name and _plain(name) != _plain(identity.name):
            found = f"speaks tokens of {name}, the codec is {identity.name}"
            hint = f"give tokens of {name}; if these are its weights in another file, call the file {_plain(name)}.pth"
            raise CodecError(self.about, found, hint)

    def require_size(self, size: ModelSize) -> None:
        """Raise DoseError if the model has not this size, as one to be trained on must. Dropout may differ."""
        own, wanted = self.recipe.model.model_dump(), size.model_dump()
        for name in own.keys() - DROPOUTS:
            if own[name] != wanted[name]:
                found = f"a model with {name.replace('_', ' ')} {own[name]}, the recipe asks for {wanted[name]}"
                raise DoseError(self.about, found, "give the recipe that it was made by, or begin a new training")


def checkpoint_name(instruments: tuple[str, ...]) -> str:
    """Return what a model's file is called: ``kick.pth``, ``kick-snare-hihat.pth``."""
    return f"{'-'.join(instruments)}.pth"


def dose_checkpoint_bytes(checkpoint: DoseCheckpoint) -> bytes:
    """Return the file of a checkpoint."""
    metadata = {
        "recipe": checkpoint.recipe.model_dump(mode="json"),
        "instruments": list(checkpoint.instruments),
        "codec": dict(checkpoint.codec),
        "progress": dict(checkpoint.progress),
    }
    state = {name: value.detach().cpu().clone() for name, value in checkpoint.state.items()}
    stream = io.BytesIO()
    torch.save({FORMAT: VERSION, "state_dict": state, "metadata": metadata}, stream)
    return stream.getvalue()


def write_checkpoint(checkpoint: DoseCheckpoint, folder: Path) -> Path:
    """Write a checkpoint whole or not at all, under its instruments' name; return its path. Raises DoseError."""
    path = folder / checkpoint_name(checkpoint.instruments)
    try:
        publish_bytes(dose_checkpoint_bytes(checkpoint), path, folder)
    except OSError as error:
        raise DoseError(path, f"cannot be written: {error.strerror or error}", "give a folder to write to") from error
    return path


def write_new_checkpoint(checkpoint: DoseCheckpoint, folder: Path) -> Path:
    """Write a checkpoint as ``write_checkpoint`` does. Raises DoseError if that would replace another one."""
    path = folder / checkpoint_name(checkpoint.instruments)
    if path.exists() and not (path.is_file() and path.read_bytes() == dose_checkpoint_bytes(checkpoint)):
        raise DoseError(path, "is there already, and another model", "choose another --out, or move this file away")
    return write_checkpoint(checkpoint, folder)


def read_dose_checkpoint(path: Path) -> DoseCheckpoint:
    """Read a checkpoint. Nothing in it is ever run. Raises DoseError if it is missing, broken, or something else."""
    content = unpickled(file_bytes(path, DoseError, GIVE), path, DoseError)
    if not isinstance(content, dict) or FORMAT not in content:
        lightning = isinstance(content, dict) and "pytorch-lightning_version" in content
        hint = f"`rmod dose import {path} --out DIR` reads the published checkpoints" if lightning else GIVE
        raise ForeignFileError(path, "not a checkpoint of rmod's", hint)
    if content[FORMAT] != VERSION:
        raise DoseError(path, f"written in format {content[FORMAT]}, this rmod reads {VERSION}", "update rmod")
    state = checked_state(content.get("state_dict"), path, DoseError, "a DOSE checkpoint", GIVE)
    return _described(content.get("metadata"), state, path)


def load_dose_model(checkpoint: DoseCheckpoint) -> Dose:
    """Return the model of a checkpoint, in float32, ready to generate. Raises DoseError if they do not fit."""
    with torch.device("meta"), _Unfilled():  # takes no memory until the weights are there
        model = Dose(checkpoint.recipe.model, len(checkpoint.instruments))
    state = {name: value.to(torch.float32, copy=True) for name, value in checkpoint.state.items()}
    try:
        model.load_state_dict(state, assign=True)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        found = f"the weights do not fit the model that they name: {reason}"
        raise DoseError(checkpoint.about, found, "give an unchanged checkpoint") from error
    return model.eval()


class _Unfilled(TorchFunctionMode):
    """Within it no first weights are drawn: on the meta device that would import torch's compiler, for seconds."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        return given["tensor"] if func is nn.init.normal_ else func(*args, **given)


def _plain(codec: str) -> str:
    """Return a codec's name without the hash of its weights."""
    return re.sub(r"-[0-9a-f]{8}$", "", codec)


def _described(metadata: Any, state: Mapping[str, Tensor], path: Path) -> DoseCheckpoint:
    if not isinstance(metadata, dict):
        raise DoseError(path, "not a DOSE checkpoint: no metadata", GIVE)
    try:
        recipe = DoseRecipe.model_validate(metadata.get("recipe"))
    except ValidationError as error:
        first = error.errors()[0]
        found = f"its recipe cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise DoseError(path, found, GIVE) from error
    instruments, codec = metadata.get("instruments"), metadata.get("codec")
    progress = metadata.get("progress", {})
    if not isinstance(instruments, list) or tuple(instruments) not in recipe.models:
        raise DoseError(path, f"a model for {instruments}, which its recipe does not have", GIVE)
    if not isinstance(codec, dict) or not isinstance(progress, dict):
        raise DoseError(path, "does not say which codec's tokens it speaks", GIVE)
    return DoseCheckpoint(
        recipe=recipe,
        instruments=tuple(instruments),
        codec=codec,
        progress=progress,
        state=state,
        about=str(path),
    )
