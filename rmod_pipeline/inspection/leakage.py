"""Is a target of one split heard in another? Asked of the audio of a finished data set, not of names.

The index proves that no file is on two sides of a split; but two files may hold one sound. Here the decoded one-shots
themselves are compared, as the scan compares files: at any level, whatever their names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.inspection.verify import Finding
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
    sound: Excerpt


def near_duplicates(out: Location, keys: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each two targets of different splits, of one kind, that are one sound."""
    for kind, targets in _targets(out, keys).items():
        marks = np.stack([compute_fingerprint(target.sound) for target in targets])
        for one, other in find_candidate_pairs(marks):
            first, second = targets[one], targets[other]
            if first.split != second.split:
                alike = compute_similarity(first.sound, second.sound)
                if alike >= MIN_SIMILARITY:
                    about = f"{first.key} and {second.key}"
                    yield Finding(about=about, found=f"their {kind} is the same sound (likeness {alike:.2f})")


def _targets(out: Location, keys: Sequence[str]) -> dict[str, list[_Target]]:
    """Return the one-shots of the pairs by kind, each reduced to what is compared."""
    layout = Layout(out)
    fingerprint_ = read_fingerprint(layout.build)
    ending, size = fingerprint_["format"], int(fingerprint_["shard_size"])
    kinds = [kind for kind, drum in fingerprint_["recipe"]["drums"].items() if drum["target"]]
    targets: dict[str, list[_Target]] = defaultdict(list)
    for key in keys:
        split, index = parse_key(key)
        members = read_members(layout.tar(shard_name(index, split, size)), key, [f"{kind}.{ending}" for kind in kinds])
        for kind in kinds:
            if f"{kind}.{ending}" in members:
                pcm, rate = decode_audio(members[f"{kind}.{ending}"])
                targets[kind].append(_Target(key=key, split=split, sound=make_excerpt(from_pcm(pcm), rate)))
    return targets
