"""Read and write the weights of a codec in dac's own format: {"state_dict", "metadata": {"kwargs"}}.

The codec is a ``dac.DAC``, or rmod's own network if kwargs has an ``architecture``.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.errors import CodecError

if TYPE_CHECKING:
    from torch import Tensor

SPECTRAL = "spectral"
"""Value of the argument ``architecture`` of rmod's own network. The arguments of a ``dac.DAC`` have no such key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecCheckpoint:
    """The weights of a codec, and the model that they belong to."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    kwargs: Mapping[str, Any]
    """The arguments of the network, as ``new_network`` takes them."""
    state: Mapping[str, Tensor]
    about: Mapping[str, Any]
    """The other metadata, such as a version."""


def read_codec_checkpoint(path: Path, expected_sha256: str | None = None) -> CodecCheckpoint:
    """Read a checkpoint. It cannot run code, because a pickle with code is refused.

    Raises CodecError for a file that is missing or broken, is not a DAC checkpoint, or has another checksum.
    """
    data = read_weights_file(path, CodecError, "give a dac checkpoint, such as weights.pth")
    sha256 = hashlib.sha256(data).hexdigest()
    if expected_sha256 and sha256 != expected_sha256:
        raise CodecError(path, f"sha256 is {sha256}, expected {expected_sha256}", "remove the file and fetch it again")
    state, kwargs, about = _split_content(unpickle_weights(data, path, CodecError), path)
    return CodecCheckpoint(path=path, sha256=sha256, kwargs=kwargs, state=state, about=about)


def new_network(kwargs: Mapping[str, Any]) -> Any:
    """Return a network with random weights. Raises CodecError if dac or torch is missing, TypeError and ValueError."""
    if kwargs.get("architecture") != SPECTRAL:
        return new_model(**kwargs)
    from rmod_pipeline.codec.spectral import SpectralCodec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the quantizer of dac uses the deprecated weight_norm
        return SpectralCodec(**{name: value for name, value in kwargs.items() if name != "architecture"})


def load_codec_model(checkpoint: CodecCheckpoint) -> Any:
    """Return the network of a checkpoint in float32 and eval mode. Raises CodecError if the weights do not fit."""
    try:
        model = new_network(checkpoint.kwargs)
        model.load_state_dict(dict(checkpoint.state))
    except (RuntimeError, TypeError, ValueError, ArithmeticError, IndexError) as error:
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        found = f"the weights do not fit the model in their metadata: {reason}"
        raise CodecError(checkpoint.path, found, "give an unchanged dac checkpoint") from error
    return model.eval()


def serialize_codec_checkpoint(
    state: Mapping[str, Tensor], kwargs: Mapping[str, Any], about: Mapping[str, Any], half: bool
) -> bytes:
    """Return the bytes of a checkpoint; ``half`` stores float16. ``dac.DAC.load`` reads those of a ``dac.DAC``."""
    import torch

    stored = {name: (value.half() if half else value).detach().cpu().clone() for name, value in state.items()}
    stream = io.BytesIO()
    torch.save({"state_dict": stored, "metadata": {**about, "kwargs": dict(kwargs)}}, stream)
    return stream.getvalue()


def _split_content(content: Any, path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    hint = "a dac checkpoint holds state_dict and metadata.kwargs"
    if not isinstance(content, dict) or "state_dict" not in content:
        raise CodecError(path, "not a dac checkpoint: no state_dict", hint)
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("kwargs"), dict):
        raise CodecError(path, "not a dac checkpoint: no metadata.kwargs", hint)
    state = check_state_dict(content["state_dict"], path, CodecError, "a dac checkpoint", hint)
    about = {key: value for key, value in metadata.items() if key != "kwargs"}
    return state, metadata["kwargs"], about
