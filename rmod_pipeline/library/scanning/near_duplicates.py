"""Find files that hold the same sound: exact copies by their samples, near-duplicates by ``audio_fingerprint``.

Only pairs with similar fingerprints are decoded again and compared. The similarity of a pair is stored in the scan
cache under the two sounds' hashes, so that a second scan compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.audio_fingerprint import (
    FINGERPRINT_SIZE,
    MEL_BANDS,
    MIN_SIMILARITY,
    SIMILARITY_VERSION,
    Excerpt,
    Floats,
    compute_similarity,
    find_candidate_pairs,
    make_excerpt,
)
from rmod_pipeline.library.groups import UnionFind
from rmod_pipeline.library.process_pool import ScanProgress, map_batches
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.library.scanning.cache import ScanCache

# At most 80 MB in each process.
_MAX_CACHED_EXCERPTS = 512


@dataclass(frozen=True, slots=True)
class FingerprintedFile:
    """One file, as input of the comparison."""

    path: Path
    sound: str
    """Hash of the decoded samples."""
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class CandidatePair:
    """Two sounds with similar fingerprints, and their indices in the list of compared sounds."""

    first: FingerprintedFile
    second: FingerprintedFile
    indices: tuple[int, int]


def group_copies(
    files: Sequence[FingerprintedFile], workers: int, cache: ScanCache, progress: ScanProgress | None = None
) -> list[str]:
    """Return for each file the name of its sound: the smallest hash among all copies of the sound."""
    first_file: dict[str, FingerprintedFile] = {}
    for file in files:
        first_file.setdefault(file.sound, file)
    sounds = _sort_by_brightness(list(first_file.values()))
    union_find = UnionFind(len(sounds))
    unknown_pairs = _join_known_copies(sounds, union_find, cache)
    _compare_pairs(unknown_pairs, union_find, workers, cache, progress)
    names: dict[str, str] = {}
    for indices in union_find.sets():
        hashes = [sounds[index].sound for index in indices]
        names.update(dict.fromkeys(hashes, min(hashes)))
    return [names[file.sound] for file in files]


def _join_known_copies(
    sounds: Sequence[FingerprintedFile], union_find: UnionFind, cache: ScanCache
) -> list[CandidatePair]:
    """Join the copies that the cache knows, and return the candidate pairs that it does not know."""
    unknown_pairs = []
    for i, j in find_candidate_pairs(_stack_fingerprints(sounds)):
        similarity = cache.load_similarity(sounds[i].sound, sounds[j].sound, SIMILARITY_VERSION)
        if similarity is None:
            unknown_pairs.append(CandidatePair(sounds[i], sounds[j], (i, j)))
        elif similarity >= MIN_SIMILARITY:
            union_find.union(i, j)
    return unknown_pairs


def _compare_pairs(
    pairs: Sequence[CandidatePair],
    union_find: UnionFind,
    workers: int,
    cache: ScanCache,
    progress: ScanProgress | None,
) -> None:
    """Compare pairs, store their similarity in the cache and join copies."""

    def pairs_not_joined() -> Iterator[CandidatePair]:
        """Yield the pairs that other pairs have not joined yet; results arrive while this is consumed."""
        for done, pair in enumerate(pairs, start=1):
            if progress:
                progress("Comparing", done, len(pairs))
            first, second = pair.indices
            if union_find.find(first) != union_find.find(second):
                yield pair

    for pair, similarity in map_batches(compare_batch, pairs_not_joined(), workers, len(pairs)):
        if similarity is None:
            continue
        cache.store_similarity(pair.first.sound, pair.second.sound, SIMILARITY_VERSION, similarity)
        if similarity >= MIN_SIMILARITY:
            union_find.union(*pair.indices)


def compare_batch(pairs: list[CandidatePair]) -> list[float | None]:
    """Return the similarity of the sounds of each pair; None if a file can no longer be read."""
    return [_compare(pair) for pair in pairs]


def _compare(pair: CandidatePair) -> float | None:
    try:
        return compute_similarity(_load_excerpt(pair.first.path), _load_excerpt(pair.second.path))
    except AssetError:
        return None


@lru_cache(maxsize=_MAX_CACHED_EXCERPTS)
def _load_excerpt(path: Path) -> Excerpt:
    return make_excerpt(*read_sound(path))


def _stack_fingerprints(sounds: Sequence[FingerprintedFile]) -> Floats:
    """Return the fingerprints [sounds, ``FINGERPRINT_SIZE``]."""
    return np.frombuffer(b"".join(sound.fingerprint for sound in sounds), np.float32).reshape(-1, FINGERPRINT_SIZE)


def _sort_by_brightness(sounds: list[FingerprintedFile]) -> list[FingerprintedFile]:
    """Sort sounds so that similar ones are near each other and few files are decoded twice."""
    spectra = 10 ** (_stack_fingerprints(sounds)[:, :MEL_BANDS] / 20)
    brightness = spectra @ np.arange(MEL_BANDS) / np.maximum(spectra.sum(axis=1), 1e-9)
    return [sounds[index] for index in np.argsort(brightness, kind="stable")]
