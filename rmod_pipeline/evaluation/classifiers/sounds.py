"""Read the sounds of a comparison: labels, families, and the vectors that do not depend on a fold."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import processor_family
from rmod_pipeline.classification.levels import prepare_sound
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import AssetError, LibraryError
from rmod_pipeline.evaluation.classifiers.folds import find_families
from rmod_pipeline.evaluation.classifiers.hand_made import NAMES, RATE, SECONDS, compute_hand_made
from rmod_pipeline.evaluation.embeddings.base import Embedding
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.process_pool import ScanProgress, map_in_order
from rmod_pipeline.library.read import decode_verified
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.classifier.sounds import LabelledSound, collect_sounds

logger = logging.getLogger(__name__)

VECTORS_VERSION = 1
"""A change of the features gets another number."""
FOLDER = "vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedSounds:
    """The readable sounds of a comparison, in the order of their checksums."""

    sounds: tuple[LabelledSound, ...]
    families: tuple[str, ...]
    """The family of each sound; see ``find_families``."""
    names: tuple[str, ...]
    """A name of each sound for a reader: its id in its library."""
    hand_made: NDArray[np.float32]
    """[sounds, features]"""
    unreadable: tuple[str, ...]
    """For each sound that is left out, its file and the reason."""
    libraries: tuple[Library, ...]

    @property
    def kinds(self) -> list[str]:
        """The class of each sound."""
        return [sound.kind for sound in self.sounds]

    @property
    def truth(self) -> NDArray[np.int64]:
        """The index of the class of each sound among all classes: [sounds]."""
        return np.array([CLASSES.index(sound.kind) for sound in self.sounds])

    @property
    def digest(self) -> str:
        """A digest of everything that a comparison depends on: files, labels and families."""
        rows = [
            [sound.sha256, sound.kind, sound.subkind, family]
            for sound, family in zip(self.sounds, self.families, strict=True)
        ]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def prepare_compared_sounds(
    libraries: Sequence[Library], out: Path, *, workers: int = 1, progress: ScanProgress | None = None
) -> ComparedSounds:
    """Read all labelled sounds of libraries and compute their hand-made features, now or before into ``out``.

    A sound that cannot be read is left out and named. Raises LibraryError if no sound is labelled or readable,
    UsageError if the folder cannot be written.
    """
    listed = collect_sounds(libraries)
    path = out / FOLDER / f"hand-made-{_digest('hand-made', listed)}.npz"
    vectors, reasons = _load(path, len(listed))
    if vectors is None:
        vectors, reasons = _measure_all(listed, workers, progress)
        _store(path, vectors, reasons)
    unreadable = tuple(reason for reason in reasons if reason)
    for reason in unreadable:
        logger.warning("left out: %s", reason)
    if len(unreadable) == len(listed):
        raise LibraryError(libraries[0].manifest, "none of its sounds can be read", "see the warnings above")
    lost = {sound.sha256 for sound, reason in zip(listed, reasons, strict=True) if reason}
    # A sound that cannot be read must not be the second layer of another one.
    readable = tuple(
        replace(library, assets=tuple(asset for asset in library.assets if asset.sha256 not in lost))
        for library in libraries
    )
    sounds = tuple(collect_sounds(readable)) if lost else tuple(listed)
    families = find_families(libraries)
    ids = {asset.sha256: asset.id for library in reversed(libraries) for asset in library.assets}
    return ComparedSounds(
        sounds=sounds,
        families=tuple(families[sound.sha256] for sound in sounds),
        names=tuple(ids[sound.sha256] for sound in sounds),
        hand_made=vectors[[not reason for reason in reasons]],
        unreadable=unreadable,
        libraries=readable,
    )


def embed_sounds(
    compared: ComparedSounds, embedding: Embedding, out: Path, progress: ScanProgress | None = None
) -> NDArray[np.float32]:
    """Return the vectors [sounds, dimensions] of an embedding, computed now or before into ``out``."""
    path = out / FOLDER / f"{embedding.identity}-{_digest(embedding.identity, compared.sounds)}.npz"
    stored, _ = _load(path, len(compared.sounds))
    if stored is not None:
        return stored
    rows = []
    for number, sound in enumerate(compared.sounds, start=1):
        rows.append(embedding.embed(read_beginning(sound)[None], RATE))
        if progress:
            progress(embedding.name, number, len(compared.sounds))
    vectors = np.concatenate(rows)
    _store(path, vectors, [""] * len(rows))
    return vectors


def read_beginning(sound: LabelledSound) -> Mono:
    """Return the beginning of a sound [samples] at 44,100 Hz; one sample of silence for an empty one.

    Raises AssetError; ValueError for a synthesised sound, which has no file.
    """
    if sound.path is None:
        raise ValueError(f"{sound.key} has no file")
    decoded = decode_verified(sound.path, sound.sha256)
    beginning = prepare_sound(decoded.audio, decoded.sample_rate, RATE)[: round(SECONDS * RATE)]
    if not np.isfinite(beginning).all():
        raise AssetError(sound.path, "NaN or infinite samples", "remove the file from the library")
    return beginning if beginning.size else np.zeros(1, np.float32)


def _measure_all(
    sounds: Sequence[LabelledSound], workers: int, progress: ScanProgress | None
) -> tuple[NDArray[np.float32], list[str]]:
    """Return features [sounds, features], zeros for an unreadable sound, and for each the reason or an empty text."""
    vectors, reasons = np.zeros((len(sounds), len(NAMES)), np.float32), [""] * len(sounds)
    for row, (sound, result) in enumerate(map_in_order(_measure_batch, sounds, workers, len(sounds))):
        if isinstance(result, str) or result is None:
            reasons[row] = result or f"{sound.path}: its decoder crashed"
        else:
            vectors[row] = result
        if progress:
            progress("Measuring", row + 1, len(sounds))
    return vectors, reasons


def _measure_batch(sounds: list[LabelledSound]) -> list[NDArray[np.float32] | str | None]:
    return [_measure(sound) for sound in sounds]


def _measure(sound: LabelledSound) -> NDArray[np.float32] | str:
    try:
        return compute_hand_made(read_beginning(sound))
    except AssetError as error:
        return str(error).replace("\n", " ")


def _digest(name: str, sounds: Sequence[LabelledSound]) -> str:
    settings = [VECTORS_VERSION, name, processor_family(), SECONDS, [sound.sha256 for sound in sounds]]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]


def _store(path: Path, vectors: NDArray[np.float32], reasons: Sequence[str]) -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, vectors=vectors, reasons=np.array(reasons, dtype=str))
    with report_unwritable(path):
        publish_bytes(stream.getvalue(), path, path.parent)


def _load(path: Path, count: int) -> tuple[NDArray[np.float32] | None, list[str]]:
    """Return stored vectors and reasons; none for a missing or damaged file, which is made again."""
    try:
        with np.load(path) as content:
            vectors, reasons = content["vectors"], [str(reason) for reason in content["reasons"]]
    except (OSError, ValueError, KeyError, EOFError):
        return None, []
    except Exception as error:  # noqa: BLE001  # zipfile and zlib have errors of their own
        logger.debug("%s: made again: %r", path, error)
        return None, []
    return (vectors, reasons) if len(vectors) == len(reasons) == count else (None, [])
