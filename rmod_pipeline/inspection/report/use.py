"""Count what is used how often: sounds and kits, equal files, the entries of codebooks."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.report.index_scan import IndexCounts, SoundUse
from rmod_pipeline.inspection.report.records import KEPT_KEYS, CodebookUse, KindUse
from rmod_pipeline.inspection.report.sampling import Sample, read_sample
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.reading.shard_list import verify_hint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.tokens import decode_codes

ALL_SOUNDS = "all"
"""The mixture and the one-shots together."""

_TOP_SOUNDS = 5


def compute_entropy_bits(counts: NDArray[np.int64]) -> float:
    """Return the entropy in bits of the shares of counts [outcomes]; 0 without counts."""
    present = counts[counts > 0].astype(np.float64)
    if not present.size:
        return 0.0
    shares = present / present.sum()
    return max(float(-(shares * np.log2(shares)).sum()), 0.0)


def measure_codebooks(
    layout: Layout, sample: Sample, family: TokenFamily, on_pair: Callable[[], None]
) -> tuple[CodebookUse, ...]:
    """Return the use of every codebook by sound, and by all sounds together. Raises ShardError."""
    codebooks, size = family.shape
    counts: dict[str, NDArray[np.int64]] = defaultdict(lambda: np.zeros((codebooks, size), np.int64))
    poorest: list[list[tuple[int, str]]] = [[] for _ in range(codebooks)]
    for pair in read_sample(layout, sample, family.folder):
        of_pair = np.zeros((codebooks, size), np.int64)
        for sound, codes in _list_codes(pair, family, layout):
            of_sound = np.stack([np.bincount(row, minlength=size) for row in codes])
            counts[sound] += of_sound
            of_pair += of_sound
        for codebook, used in enumerate(np.count_nonzero(of_pair, axis=1)):
            poorest[codebook] = sorted([*poorest[codebook], (int(used), pair.key)])[:KEPT_KEYS]
        on_pair()
    if counts:
        counts[ALL_SOUNDS] = sum(counts.values(), np.zeros((codebooks, size), np.int64))
    return tuple(
        CodebookUse(
            codec=family.name,
            sound=sound,
            codebook=codebook,
            size=size,
            tokens=int(row.sum()),
            used=int(np.count_nonzero(row)),
            entropy_bits=compute_entropy_bits(row),
            keys=tuple(key for _, key in poorest[codebook]) if sound == ALL_SOUNDS else (),
        )
        for sound in (*family.windows, ALL_SOUNDS)
        if sound in counts
        for codebook, row in enumerate(counts[sound])
    )


def _list_codes(pair: StoredPair, family: TokenFamily, layout: Layout) -> Iterator[tuple[str, NDArray[np.uint16]]]:
    """Yield the codes [codebooks, frames] of each sound without its padding."""
    try:
        frames = {str(sound): int(count) for sound, count in pair.description()["tokens"]["frames"].items()}
        sounds = [(sound, pair.members[f"{sound}.npy"], frames[sound]) for sound in family.windows]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShardError(f"{pair.key}.json", f"does not fit its tokens: {error!r}", verify_hint(layout.out)) from error
    for sound, data, count in sounds:
        codes = decode_codes(data, f"{pair.key}.{sound}.npy")[:, :count]
        if codes.shape[0] != family.shape[0] or codes.max(initial=0) >= family.shape[1]:
            found = (
                f"{codes.shape[0]} codebooks with entries up to {codes.max(initial=0)}; the codec has {family.shape}"
            )
            raise ShardError(f"{pair.key}.{sound}.npy", found, verify_hint(layout.out))
        yield sound, codes


def count_equal_files(counts: IndexCounts) -> dict[str, tuple[int, int, int, list[int]]]:
    """Return by sound: number of files, of different files, of those in two splits, and heads to give examples of."""
    result = {}
    for sound in dict.fromkeys(sound for sound, _ in counts.files):
        by_split = [np.frombuffer(heads, np.uint64) for (name, _), heads in counts.files.items() if name == sound]
        total = sum(map(len, by_split))
        heads, repeats = np.unique(np.concatenate(by_split), return_counts=True)
        in_splits = np.unique(np.concatenate([np.unique(each) for each in by_split]), return_counts=True)[1]
        chosen = heads[repeats > 1] if sound == "mix" else heads[in_splits > 1]
        result[sound] = total, len(heads), int(np.count_nonzero(in_splits > 1)), [int(head) for head in chosen]
    return result


def summarize_use(split: str, kind: str, uses: Counter[SoundUse]) -> KindUse:
    """Return how often the sounds of one kind are used in one split."""
    kits: Counter[str] = Counter()
    for sound, count in uses.items():
        kits[sound.kit] += count
    ranked = sorted(uses.items(), key=lambda item: (-item[1], item[0].id))
    return KindUse(
        split=split,
        kind=kind,
        uses=uses.total(),
        sounds=len(uses),
        kits=len(kits),
        fewest=min(uses.values()),
        most=max(uses.values()),
        effective_sounds=_effective_number(list(uses.values())),
        effective_kits=_effective_number(list(kits.values())),
        top=tuple((sound.id, count) for sound, count in ranked[:_TOP_SOUNDS]),
    )


def _effective_number(counts: Sequence[int]) -> float:
    """Return the exponential of the entropy of counts."""
    total = sum(counts)
    return math.exp(-sum(count / total * math.log(count / total) for count in counts))
