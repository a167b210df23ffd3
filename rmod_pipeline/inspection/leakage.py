"""Find leakage by sound: one-shots of different splits that are near-duplicates.

The index proves that no file is used in two splits, but two different files can hold the same sound. So this check
compares the decoded one-shots, with the same method as the library scan, independent of their level and name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.library.audio_fingerprint import (
    MIN_SIMILARITY,
    Excerpt,
    compute_fingerprint,
    compute_similarity,
    find_candidate_pairs,
    make_excerpt,
)
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout, parse_key, shard_name
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.shards.tar import read_members
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    key: str
    split: str
    excerpt: Excerpt


def find_leaked_targets(out: Location, keys: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each two targets of one kind that are the same sound, but belong to different splits."""
    for kind, targets in _read_targets(out, keys).items():
        fingerprints = np.stack([compute_fingerprint(target.excerpt) for target in targets])
        for i, j in find_candidate_pairs(fingerprints):
            first, second = targets[i], targets[j]
            if first.split != second.split:
                similarity = compute_similarity(first.excerpt, second.excerpt)
                if similarity >= MIN_SIMILARITY:
                    about = f"{first.key} and {second.key}"
                    yield Finding(about=about, found=f"their {kind} is the same sound (similarity {similarity:.2f})")


def _read_targets(out: Location, keys: Sequence[str]) -> dict[str, list[_Target]]:
    """Return the excerpts of the one-shots of pairs, by kind."""
    layout = Layout(out)
    build = read_fingerprint(layout.build)
    suffix, shard_size = build["format"], int(build["shard_size"])
    kinds = [kind for kind, drum in build["recipe"]["drums"].items() if drum["target"]]
    names = {kind: f"{kind}.{suffix}" for kind in kinds}
    targets: dict[str, list[_Target]] = defaultdict(list)
    for key in keys:
        split, index = parse_key(key)
        members = read_members(layout.tar(shard_name(index, split, shard_size)), key, list(names.values()))
        for kind, name in names.items():
            if name not in members:
                continue
            with suppress(ShardError):  # a damaged file, which the checksums have shown
                pcm, sample_rate = decode_audio(members[name])
                excerpt = make_excerpt(from_pcm(pcm), sample_rate)
                targets[kind].append(_Target(key=key, split=split, excerpt=excerpt))
    return targets
