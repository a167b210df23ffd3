"""Files of weights, read as plain arrays: nothing in them is ever run, and a pickle with code is refused."""

from __future__ import annotations

import importlib
import io
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.errors import RmodError

if TYPE_CHECKING:
    from torch import Tensor

Wrong = type[RmodError]
"""The error to raise: whoever reads a file knows best what it was to be."""

GET_FROM_AUTHORS = "such a file could do anything on your machine; get the weights from their authors"


def need_torch(wrong: Wrong, extra: str) -> None:
    """Raise an error that says how to get torch, if it does not import."""
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise wrong("torch", f"not installed: {error}", f'pip install "rmod-pipeline[{extra}]"') from error


def file_bytes(path: Path, wrong: Wrong, hint: str) -> bytes:
    """Return a file's bytes."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise wrong(path, f"no weights here: {error.strerror or error}", hint) from error


def unpickled(data: bytes, path: Path, wrong: Wrong, refused: str = GET_FROM_AUTHORS) -> Any:
    """Return what ``torch.save`` wrote, if it is made of arrays, numbers, text, lists and dicts alone.

    ``refused`` is what to do about anything else, which would have to be run to be read.
    """
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        which = f" ({named[1]})" if named else ""
        found = f"not plain weights{which}: loading it would run code, so it is refused"
        raise wrong(path, found, refused) from error
    except Exception as error:
        found = f"not a checkpoint, or a broken one: {str(error).splitlines()[0] if str(error) else error!r}"
        raise wrong(path, found, "fetch it again") from error


def checked_state(state: Any, path: Path, wrong: Wrong, what: str, hint: str) -> dict[str, Tensor]:
    """Return a state dict if it is one: finite arrays by name. ``what`` is what the file was to be."""
    import torch

    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise wrong(path, f"not {what}: its state_dict holds other things than arrays", hint)
    broken = [name for name, value in state.items() if not bool(torch.isfinite(value.float()).all())]
    if broken:
        raise wrong(path, f"NaN or infinite weights in {broken[0]}", "fetch it again")
    return {str(name): value for name, value in state.items()}
