"""What all embeddings share: the protocol, the sounds that they take, and the weights that a user brings."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.torch_support import read_weights_file
from rmod_pipeline.errors import ModelError
from rmod_pipeline.library.read import resample

Sounds = NDArray[np.float32]
"""[n, samples] mono, full scale at 1."""

BATCH = 32
"""Sounds that are embedded at once."""


class Embedding(Protocol):
    """A network that turns a sound into a vector, so that similar sounds have similar vectors."""

    @property
    def name(self) -> str:
        """The name in the figures made with it: YAMNet in FAD-YAMNet."""

    @property
    def identity(self) -> str:
        """The name with a checksum of the weights: equal identities embed equal sounds alike."""

    @property
    def dimensions(self) -> int:
        """The length of a vector."""

    def embed(self, sounds: Sounds, sample_rate: int) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds [n, samples] at a rate in Hz.

        Every sound is scaled to a peak of 1 first, and silence stays silent, so the level has no influence. Raises
        ValueError for another shape and for NaN.
        """


def make_identity(name: str, sha256: str) -> str:
    """Return the name of an embedding with the beginning of the checksum of its weights."""
    return f"{name}-{sha256[:16]}"


def prepare_batches(sounds: Sounds, rate_from: int, rate_to: int) -> Iterator[Sounds]:
    """Yield batches of sounds [n, samples] at the rate of an embedding, each sound with a peak of 1 before that."""
    if sounds.ndim != 2 or not sounds.shape[1]:
        raise ValueError(f"sounds have the shape {list(sounds.shape)}, not [n, samples]")
    for start in range(0, len(sounds), BATCH):
        batch = sounds[start : start + BATCH]
        if not np.isfinite(batch).all():
            raise ValueError("NaN or infinite samples: check the sounds before they are embedded")
        peaks = np.abs(batch).max(axis=1, keepdims=True)
        yield resample((batch / np.maximum(peaks, 1e-6)).astype(np.float32), rate_from, rate_to)


def stack_vectors(batches: list[NDArray[np.float32]], dimensions: int) -> NDArray[np.float32]:
    """Return the vectors of batches as one array [n, dimensions]; n may be 0."""
    return np.concatenate([np.zeros((0, dimensions), np.float32), *batches]).astype(np.float32)


def cut_patches(sounds: Sounds, length: int, hop: int) -> NDArray[np.float32]:
    """Return the whole patches of sounds [n, samples]: [n, patches, length].

    A sound that is shorter than a patch is padded with silence. What remains after the last whole patch is dropped.
    """
    padded = np.pad(sounds, ((0, 0), (0, max(length - sounds.shape[1], 0))))
    windows: NDArray[np.float32] = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)[:, ::hop]
    return windows


def read_embedding_weights(
    name: str, path: Path | None, about: str, known_sha256: str | None, expected_sha256: str | None
) -> tuple[Path, bytes, str]:
    """Return path, bytes and sha256 of the weights that a user brings.

    ``about`` says which file is needed. ``expected_sha256``, that of the user, has precedence over the known one; with
    neither, any file is taken. Raises ModelError for a file that is missing or has another checksum.
    """
    if path is None:
        raise ModelError(name, "needs weights, which rmod does not ship", f"give {about}")
    data = read_weights_file(path, ModelError, f"give {about}")
    digest = hashlib.sha256(data).hexdigest()
    require_digest(path, digest, expected_sha256 or known_sha256, about)
    return path, data, digest


def require_digest(path: Path, digest: str, expected: str | None, about: str) -> None:
    """Raise ModelError unless weights have the expected sha256; None: any."""
    if expected is not None and digest != expected:
        found = f"other weights: sha256 {digest[:12]}..., expected {expected[:12]}..."
        raise ModelError(path, found, f"give {about}, or the sha256 of yours")


def import_extra(module: str, package: str, extra: str) -> Any:
    """Return a module of an optional package. Raises ModelError with the install command."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ModelError(package, f"not installed: {error}", f'pip install "rmod-pipeline[{extra}]"') from error
