"""An index of a library by ear: the embedding of every sound, computed once per content of a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.classification_cache import ClassificationCache
from rmod_pipeline.curation.classify_files import OpensClassifier, classify_files
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.process_pool import CountProgress

Embeddings = NDArray[np.float32]
"""[sounds, dimensions], each of length 1: similar sounds have similar vectors."""

_MOST_REASONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSound:
    """A sound of a library that cannot be heard."""

    asset: Asset
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundIndex:
    """The sounds of a library with their embeddings."""

    library: Library
    assets: tuple[Asset, ...]
    """Those that can be heard, sorted by id."""
    embeddings: Embeddings
    """Of the assets, in their order."""
    refused: tuple[RefusedSound, ...]
    """The other sounds, with the reasons."""

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds that can be heard, sorted."""
        return tuple(sorted({asset.kind for asset in self.assets}))


def index_library(
    library: Library,
    choice: OpensClassifier,
    *,
    cache: ClassificationCache,
    workers: int = 1,
    progress: CountProgress | None = None,
) -> SoundIndex:
    """Return the index of a library. Sounds that are in the cache are not read again.

    Raises LibraryError if no sound can be heard, and ModelError for a bad classifier. A single file that cannot be used
    is listed in ``refused``.
    """
    paths = [library.path_of(asset) for asset in library.assets]
    files = [SoundFile(path=path, sha256=asset.sha256) for path, asset in zip(paths, library.assets, strict=True)]
    assets, embeddings, refused = list[Asset](), list[Embeddings](), list[RefusedSound]()
    results = classify_files(files, choice, cache=cache, workers=workers, progress=progress)
    for asset, path, result in zip(library.assets, paths, results, strict=True):
        if result.classification is None:
            refused.append(RefusedSound(asset=asset, reason=result.reason))
        elif isinstance(path, Path) and not os.path.isfile(path):  # noqa: PTH113 (Path.is_file may raise OSError)
            # The cache remembers what it sounded like; nobody could play it. A store is not asked.
            refused.append(RefusedSound(asset=asset, reason="no such file"))
        else:
            assets.append(asset)
            embeddings.append(result.classification.embedding)
    if not assets:
        raise _nothing_to_hear(library, refused)
    return SoundIndex(library=library, assets=tuple(assets), embeddings=np.stack(embeddings), refused=tuple(refused))


def _nothing_to_hear(library: Library, refused: list[RefusedSound]) -> LibraryError:
    reasons = "; ".join(f"{sound.asset.path}: {sound.reason}" for sound in refused[:_MOST_REASONS])
    found = f"none of its {len(refused)} sounds can be heard: {reasons or 'it is empty'}"
    return LibraryError(library.manifest, found, "scan a folder of sounds again, or give another library")
