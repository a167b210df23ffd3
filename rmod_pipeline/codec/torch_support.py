"""Shared helpers around torch: check that it is installed, read weights safely, set threads and count GPUs."""

from __future__ import annotations

import importlib
import io
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.errors import ModelError, RmodError

if TYPE_CHECKING:
    from torch import Tensor

ErrorClass = type[RmodError]
"""The error to raise, which depends on the kind of file that the caller expects."""

GET_FROM_AUTHORS = "such a file could do anything on your machine; get the weights from their authors"


_CHECKPOINT_STARTS = (b"PK", b"\x80")
"""First bytes of what torch writes: a zip archive, or a pickle of an older version."""


def require_torch(error_class: ErrorClass, extra: str) -> None:
    """Raise ``error_class`` with the install command if torch cannot be imported; ``extra`` is the extra of rmod."""
    try:
        importlib.import_module("torch")
    except ImportError as error:
        raise error_class("torch", f"not installed: {error}", f'pip install "rmod-pipeline[{extra}]"') from error


@contextmanager
def require_packages(about: str, extra: str) -> Iterator[None]:
    """Turn a failed import of an optional package into a ModelError with the install command of an extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        hint = f"pip install 'rmod-pipeline[{extra}]'"
        raise ModelError(about, f"needs {error.name}, which is not installed", hint) from error


def read_weights_file(path: Path, error_class: ErrorClass, hint: str) -> bytes:
    """Return the bytes of a file. Raises ``error_class`` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise error_class(path, f"no weights here: {error.strerror or error}", hint) from error


def unpickle_weights(
    data: bytes,
    path: Path,
    error_class: ErrorClass,
    unsafe_hint: str = GET_FROM_AUTHORS,
    broken_hint: str = "fetch it again",
) -> Any:
    """Return what ``torch.save`` wrote, if it consists only of arrays, numbers, text, lists and dicts.

    Raises ``error_class`` with ``broken_hint`` for a broken file and for one of another kind, and with ``unsafe_hint``
    for a pickle that would run code.
    """
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        refused = isinstance(error, pickle.UnpicklingError)
        match = re.search(r"GLOBAL ([\w.]+)", str(error)) if refused else None
        if not match and not data.startswith(_CHECKPOINT_STARTS):
            raise error_class(path, f"{_describe_content(data)}, not a checkpoint", broken_hint) from error
        if refused:
            code = f" ({match[1]})" if match else ""
            found = f"not plain weights{code}: loading it would run code, so it is refused"
            raise error_class(path, found, unsafe_hint) from error
        reason = str(error).splitlines()[0].partition(". ")[0] if str(error) else repr(error)
        raise error_class(path, f"not a checkpoint, or a broken one: {reason}", broken_hint) from error


def _describe_content(data: bytes) -> str:
    """Return what a file holds that begins as no checkpoint does."""
    if not data:
        return "an empty file"
    start = data[:1000]
    is_text = b"\0" not in start and len(start.decode(errors="ignore").encode()) > len(start) - 4  # a cut character
    return "text" if is_text else "a file of another kind"


def check_state_dict(state: Any, path: Path, error_class: ErrorClass, expected: str, hint: str) -> dict[str, Tensor]:
    """Return a state dict if it is valid: finite arrays by name. Raises ``error_class``.

    ``expected`` describes the kind of file in the error, such as "a dac checkpoint".
    """
    import torch

    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise error_class(path, f"not {expected}: its state_dict holds other things than arrays", hint)
    not_finite = [name for name, value in state.items() if not bool(torch.isfinite(value.float()).all())]
    if not_finite:
        raise error_class(path, f"NaN or infinite weights in {not_finite[0]}", "fetch it again")
    return {str(name): value for name, value in state.items()}


def count_gpus() -> int:
    """Return the number of GPUs that this torch can use."""
    import torch

    return int(torch.cuda.device_count())


def use_threads(count: int) -> None:
    """Set the number of CPU threads of torch."""
    import torch

    torch.set_num_threads(count)


@contextmanager
def single_thread() -> Iterator[None]:
    """Compute on one CPU thread within a context, because the last bits depend on the number of threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Round denormal numbers to zero on the CPU within a context, because they are slow.

    For training only, because tokens may depend on it; the processor is left as before, because the setting holds for
    the whole thread.
    """
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
