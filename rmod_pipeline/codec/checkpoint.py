"""Weights of a ``dac.DAC`` on disk, in the package's own format: {"state_dict", "metadata": {"kwargs"}}."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.codec.errors import CodecError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A codec's weights and what they are weights of."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    kwargs: Mapping[str, Any]
    """The arguments of ``dac.DAC``."""
    state: Mapping[str, Tensor]
    about: Mapping[str, Any]
    """What else the file says of itself, such as a version."""


def read_checkpoint(path: Path, expected_sha256: str | None = None) -> Checkpoint:
    """Read a checkpoint. Nothing in it is ever run: a pickle with code is refused.

    Raises CodecError for a file that is missing, broken, no DAC checkpoint, or not the one that was expected.
    """
    data = _bytes(path)
    found = hashlib.sha256(data).hexdigest()
    if expected_sha256 and found != expected_sha256:
        raise CodecError(path, f"sha256 is {found}, expected {expected_sha256}", "remove the file and fetch it again")
    content = _unpickled(data, path)
    state, kwargs, about = _parts(content, path)
    return Checkpoint(path=path, sha256=found, kwargs=kwargs, state=state, about=about)


def load_model(checkpoint: Checkpoint) -> Any:
    """Return the ``dac.DAC`` of a checkpoint, in float32, ready to encode. Raises CodecError if they do not fit."""
    try:
        model = new_model(**checkpoint.kwargs)
        model.load_state_dict(dict(checkpoint.state))
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = str(error).strip().splitlines()
        found = f"the weights do not fit the model they name: {' '.join(line.strip() for line in reason[:2])}"
        raise CodecError(checkpoint.path, found, "give an unchanged dac checkpoint") from error
    return model.eval()


def checkpoint_bytes(
    state: Mapping[str, Tensor], kwargs: Mapping[str, Any], about: Mapping[str, Any], half: bool
) -> bytes:
    """Return a checkpoint that both rmod and ``dac.DAC.load`` read; halved weights are read as float32 again."""
    import torch

    stored = {name: (value.half() if half else value).detach().cpu().clone() for name, value in state.items()}
    stream = io.BytesIO()
    torch.save({"state_dict": stored, "metadata": {**about, "kwargs": dict(kwargs)}}, stream)
    return stream.getvalue()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise CodecError(path, f"no weights here: {reason}", "give a dac checkpoint, such as weights.pth") from error


def _unpickled(data: bytes, path: Path) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        hint = "such a file could do anything on your machine; get the weights from their authors"
        raise CodecError(path, "not plain weights: loading it would run code, so it is refused", hint) from error
    except (RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        found = f"not a checkpoint, or a broken one: {str(error).splitlines()[0] if str(error) else error!r}"
        raise CodecError(path, found, "fetch it again") from error


def _parts(content: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    import torch

    hint = "a dac checkpoint holds state_dict and metadata.kwargs"
    if not isinstance(content, dict) or "state_dict" not in content:
        raise CodecError(path, "not a dac checkpoint: no state_dict", hint)
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("kwargs"), dict):
        raise CodecError(path, "not a dac checkpoint: no metadata.kwargs", hint)
    state = content["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CodecError(path, "not a dac checkpoint: its state_dict holds other things than arrays", hint)
    broken = [name for name, value in state.items() if not bool(torch.isfinite(value.float()).all())]
    if broken:
        raise CodecError(path, f"NaN or infinite weights in {broken[0]}", "fetch it again")
    about = {key: value for key, value in metadata.items() if key != "kwargs"}
    return state, metadata["kwargs"], about
