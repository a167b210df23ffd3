"""Weights of a ``dac.DAC`` on disk, in the package's own format: {"state_dict", "metadata": {"kwargs"}}."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.codec.torch_support import checked_state, file_bytes, unpickled
from rmod_pipeline.errors import CodecError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecCheckpoint:
    """A codec's weights and what they are weights of."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    kwargs: Mapping[str, Any]
    """The arguments of ``dac.DAC``."""
    state: Mapping[str, Tensor]
    about: Mapping[str, Any]
    """What else the file says of itself, such as a version."""


def read_codec_checkpoint(path: Path, expected_sha256: str | None = None) -> CodecCheckpoint:
    """Read a checkpoint. Nothing in it is ever run: a pickle with code is refused.

    Raises CodecError for a file that is missing, broken, no DAC checkpoint, or not the one that was expected.
    """
    data = file_bytes(path, CodecError, "give a dac checkpoint, such as weights.pth")
    found = hashlib.sha256(data).hexdigest()
    if expected_sha256 and found != expected_sha256:
        raise CodecError(path, f"sha256 is {found}, expected {expected_sha256}", "remove the file and fetch it again")
    state, kwargs, about = _parts(unpickled(data, path, CodecError), path)
    return CodecCheckpoint(path=path, sha256=found, kwargs=kwargs, state=state, about=about)


def load_codec_model(checkpoint: CodecCheckpoint) -> Any:
    """Return the ``dac.DAC`` of a checkpoint, in float32, ready to encode. Raises CodecError if they do not fit."""
    try:
        model = new_model(**checkpoint.kwargs)
        model.load_state_dict(dict(checkpoint.state))
    except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:
        reason = str(error).strip().splitlines()
        found = f"the weights do not fit the model they name: {' '.join(line.strip() for line in reason[:2])}"
        raise CodecError(checkpoint.path, found, "give an unchanged dac checkpoint") from error
    return model.eval()


def codec_checkpoint_bytes(
    state: Mapping[str, Tensor], kwargs: Mapping[str, Any], about: Mapping[str, Any], half: bool
) -> bytes:
    """Return a checkpoint that both rmod and ``dac.DAC.load`` read; halved weights are read as float32 again."""
    import torch

    stored = {name: (value.half() if half else value).detach().cpu().clone() for name, value in state.items()}
    stream = io.BytesIO()
    torch.save({"state_dict": stored, "metadata": {**about, "kwargs": dict(kwargs)}}, stream)
    return stream.getvalue()


def _parts(content: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    hint = "a dac checkpoint holds state_dict and metadata.kwargs"
    if not isinstance(content, dict) or "state_dict" not in content:
        raise CodecError(path, "not a dac checkpoint: no state_dict", hint)
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("kwargs"), dict):
        raise CodecError(path, "not a dac checkpoint: no metadata.kwargs", hint)
    state = checked_state(content["state_dict"], path, CodecError, "a dac checkpoint", hint)
    about = {key: value for key, value in metadata.items() if key != "kwargs"}
    return state, metadata["kwargs"], about
