"""Encode and decode arrays as .npy files, so that a file can run no code."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError

DAMAGE_HINT = "`rmod verify OUT` says which shard is damaged"


def encode_array(array: NDArray[Any]) -> bytes:
    """Return an array of numbers as a .npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def decode_array(data: bytes, about: object, content: str) -> NDArray[Any]:
    """Return the array of a .npy file. ``content`` says what it should hold, such as tokens.

    Raises ShardError, also for an array that could run code.
    """
    try:
        array: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise ShardError(about, f"not {content}: {error}", DAMAGE_HINT) from error
    return array
