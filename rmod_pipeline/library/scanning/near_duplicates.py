"""Which files of a scan hold the same sound: exact copies by their samples, near-duplicates by ``fingerprint``.

Only pairs whose fingerprints are near are decoded again and compared. What was found of a pair is kept in the scan's
cache under the two sounds' hashes, so that a second scan compares nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.fingerprint import BANDS, LENGTH, SAME, VERSION, Floats, Probe, candidates, likeness, probe
from rmod_pipeline.library.groups import DisjointSets
from rmod_pipeline.library.process_pool import ScanProgress, map_batches
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.library.scanning.cache import ScanCache

# Eighty megabytes at most, in each process.
_PROBES_KEPT = 512


@dataclass(frozen=True, slots=True)
class FingerprintedFile:
    """One file, as far as comparing needs it."""

    path: Path
    sound: str
    """Hash of the decoded samples."""
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class _Pair:
    one: FingerprintedFile
    other: FingerprintedFile


def group_copies(
    files: Sequence[FingerprintedFile], workers: int, cache: ScanCache, progress: ScanProgress | None = None
) -> list[str]:
    """Return for each file the name of the sound that it holds: the least hash of all its copies."""
    first: dict[str, FingerprintedFile] = {}
    for file in files:
        first.setdefault(file.sound, file)
    sounds = _in_line(list(first.values()))
    union = _joined(sounds, workers, cache, progress)
    name = {sounds[at].sound: min(sounds[other].sound for other in each) for each in union.sets() for at in each}
    return [name[file.sound] for file in files]


def _joined(
    sounds: Sequence[FingerprintedFile], workers: int, cache: ScanCache, progress: ScanProgress | None
) -> DisjointSets:
    union, place = DisjointSets(len(sounds)), {sound.sound: at for at, sound in enumerate(sounds)}
    unknown: list[tuple[int, int]] = []
    for i, j in candidates(_marks(sounds)):
        known = cache.likeness(sounds[i].sound, sounds[j].sound, VERSION)
        if known is None:
            unknown.append((i, j))
        elif known >= SAME:
            union.join(i, j)

    def worth_it() -> Iterator[_Pair]:
        """Yield the pairs that may still change something; answers come in while this is being read."""
        for done, (i, j) in enumerate(unknown, start=1):
            if progress:
                progress("Comparing", done, len(unknown))
            if union.find(i) != union.find(j):
                yield _Pair(sounds[i], sounds[j])

    for pair, alike in map_batches(compare_batch, worth_it(), workers, len(unknown)):
        if alike is None:
            continue
        cache.keep_likeness(pair.one.sound, pair.other.sound, VERSION, alike)
        if alike >= SAME:
            union.join(place[pair.one.sound], place[pair.other.sound])
    return union


def compare_batch(pairs: list[_Pair]) -> list[float | None]:
    """Return how alike the sounds of each pair are; None where a file cannot be read any more."""
    return [_compare(pair) for pair in pairs]


def _compare(pair: _Pair) -> float | None:
    try:
        return likeness(_probe(pair.one.path), _probe(pair.other.path))
    except AssetError:
        return None


@lru_cache(maxsize=_PROBES_KEPT)
def _probe(path: Path) -> Probe:
    return probe(*read_sound(path))


def _marks(sounds: Sequence[FingerprintedFile]) -> Floats:
    return np.frombuffer(b"".join(sound.fingerprint for sound in sounds), np.float32).reshape(-1, LENGTH)


def _in_line(sounds: list[FingerprintedFile]) -> list[FingerprintedFile]:
    """Return the sounds in an order in which like ones are near, so that few files are decoded twice."""
    spectra = 10 ** (_marks(sounds)[:, :BANDS] / 20)
    brightness = spectra @ np.arange(BANDS) / np.maximum(spectra.sum(axis=1), 1e-9)
    return [sounds[at] for at in np.argsort(brightness, kind="stable")]
