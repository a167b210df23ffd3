"""Find one sound in two splits under different names: one-shots of the sample, and sounds of the library.

Only fingerprints are kept in memory. Where two are similar, the two sounds are read again and compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

import numpy as np

from rmod_pipeline.audio import Pcm, from_pcm
from rmod_pipeline.errors import AssetError, ShardError
from rmod_pipeline.inspection.report.index_scan import IndexCounts
from rmod_pipeline.inspection.report.records import SoundComparison, SoundLeak
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.audio_fingerprint import (
    Excerpt,
    Floats,
    compute_fingerprint,
    compute_similarity,
    find_candidate_pairs,
    make_excerpt,
)
from rmod_pipeline.library.process_pool import CountProgress
from rmod_pipeline.library.read import decode_verified
from rmod_pipeline.recipe.schema import GROOVE
from rmod_pipeline.shards.layout import Layout, parse_key, shard_name
from rmod_pipeline.shards.members import decode_audio, find_audio_member
from rmod_pipeline.shards.tar import read_members

ONE_SHOTS, LIBRARY = "one-shots", "library"

MOST_COMPARED = 20_000
"""Pairs of similar fingerprints whose signals are compared, per kind."""

_EXCERPTS = 256
"""Excerpts in memory at a time, at most 180 kB each."""


@dataclass(slots=True)
class SoundsOfKind:
    """The different sounds of one kind, in the order in which they were added."""

    names: list[str] = field(default_factory=list)
    """Keys of pairs, or ids of sounds."""
    splits: list[str] = field(default_factory=list)
    fingerprints: list[Floats] = field(default_factory=list)

    def add(self, name: str, split: str, excerpt: Excerpt) -> None:
        """Add a sound of a split."""
        self.names.append(name)
        self.splits.append(split)
        self.fingerprints.append(compute_fingerprint(excerpt))


class OneShotCollector:
    """The one-shots of the sample; equal files of one split count once."""

    def __init__(self, layout: Layout, shard_size: int) -> None:
        self._layout, self._shard_size = layout, shard_size
        self._by_kind: dict[str, SoundsOfKind] = defaultdict(SoundsOfKind)
        self._seen: set[Hashable] = set()

    def add(self, key: str, kind: str, data: bytes, pcm: Pcm, sample_rate: int) -> None:
        """Add the one-shot of a pair: its file and its samples [channels, frames]."""
        split = parse_key(key)[0]
        seen = (kind, split, hash(data))
        if seen not in self._seen:
            self._seen.add(seen)
            self._by_kind[kind].add(key, split, make_excerpt(from_pcm(pcm), sample_rate))

    def find_leaks(self, similarity_min: float, progress: CountProgress) -> tuple[SoundComparison, list[SoundLeak]]:
        """Return what was compared, and the one-shots of two splits that are one sound."""
        return _find_leaks(ONE_SHOTS, self._by_kind, self._read, similarity_min, progress)

    def _read(self, kind: str, key: str) -> Excerpt:
        split, index = parse_key(key)
        tar = self._layout.tar(shard_name(index, split, self._shard_size))
        members = read_members(tar, key)
        name = find_audio_member(members, kind)
        if name is None:
            raise ShardError(tar, f"{key} has no {kind}", "`rmod verify OUT` lists what is damaged")
        pcm, sample_rate = decode_audio(members[name], f"{key}.{name}")
        return make_excerpt(from_pcm(pcm), sample_rate)


def compare_library(
    counts: IndexCounts, library: Library, similarity_min: float, progress: CountProgress
) -> tuple[SoundComparison, list[SoundLeak]]:
    """Compare the files of the library that are used in the data set across splits, by sound.

    Raises AssetError for a file that is missing, has changed since the build, or cannot be read.
    """
    assets = {asset.sha256: asset for asset in library.assets}
    used = sorted(
        (kind, sha256, split)
        for (split, kind), sounds in counts.use.items()
        if kind != GROOVE
        for sha256 in {sound.sha256 for sound in sounds}
    )
    by_kind: dict[str, SoundsOfKind] = defaultdict(SoundsOfKind)
    for done, (kind, sha256, split) in enumerate(used):
        progress(done, len(used))
        if sha256 not in assets:
            found = f"lacks a {kind} that the data set uses, SHA-256 {sha256[:12]}..."
            raise AssetError(library.manifest, found, "give the library that the data set was built from")
        asset = assets[sha256]
        decoded = decode_verified(library.path_of(asset), sha256)
        by_kind[kind].add(asset.id, split, make_excerpt(decoded.audio, decoded.sample_rate))
    by_id = library.by_id

    def read(_kind: str, name: str) -> Excerpt:
        decoded = decode_verified(library.path_of(by_id[name]), by_id[name].sha256)
        return make_excerpt(decoded.audio, decoded.sample_rate)

    return _find_leaks(LIBRARY, by_kind, read, similarity_min, progress)


def _find_leaks(
    compared: str,
    by_kind: dict[str, SoundsOfKind],
    read: Callable[[str, str], Excerpt],
    similarity_min: float,
    progress: CountProgress,
) -> tuple[SoundComparison, list[SoundLeak]]:
    leaks, capped, candidate_count = list[SoundLeak](), list[str](), 0
    cached = lru_cache(maxsize=_EXCERPTS)(read)
    for kind, sounds in sorted(by_kind.items()):
        candidates = list(islice(_list_candidates(sounds), MOST_COMPARED + 1))
        if len(candidates) > MOST_COMPARED:
            candidates.pop()
            capped.append(kind)
        for done, (i, j) in enumerate(candidates):
            progress(done, len(candidates))
            first, second = sounds.names[i], sounds.names[j]
            similarity = compute_similarity(cached(kind, first), cached(kind, second))
            if similarity >= similarity_min:
                keys = (first, second) if compared == ONE_SHOTS else ()
                leak = SoundLeak(
                    kind=kind, first=first, second=second, similarity=similarity, compared=compared, keys=keys
                )
                leaks.append(leak)
        candidate_count += len(candidates)
    total = sum(len(sounds.names) for sounds in by_kind.values())
    comparison = SoundComparison(
        compared=compared, sounds=total, candidates=candidate_count, capped_kinds=tuple(capped)
    )
    return comparison, leaks


def _list_candidates(sounds: SoundsOfKind) -> Iterator[tuple[int, int]]:
    """Yield the positions of sounds of two splits with similar fingerprints."""
    if len(set(sounds.splits)) < 2:
        return
    splits: Sequence[str] = sounds.splits
    for i, j in find_candidate_pairs(np.stack(sounds.fingerprints)):
        if splits[i] != splits[j]:
            yield i, j
