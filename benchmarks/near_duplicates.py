"""Measure which copies of a sound a scan finds, what else it joins, and the cost of a second scan.

    python benchmarks/near_duplicates.py --real DIR

The figures of docs/lab/near-duplicates.md, as Markdown. DIR holds `library.csv` (columns path, kind, kit) and the files
that it names. Takes a few minutes, in one process.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.classify_files import ClassifierChoice, open_once
from rmod_pipeline.curation.one_shot_files import prepare_beginning
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.audio_fingerprint import (
    FINGERPRINT_SIZE,
    MIN_SIMILARITY,
    SIMILARITY_VERSION,
    Excerpt,
    compute_fingerprint,
    compute_similarity,
    find_candidate_pairs,
    make_excerpt,
)
from rmod_pipeline.library.read import decode_sound, read_sound, resample
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.measure import MeasuredFile
from rmod_pipeline.library.scanning.scan import Scan, ScanConfig, scan_folder
from rmod_pipeline.library.splits import parse_shares
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.library.alterations import ALTERATIONS, HARD_ALTERATIONS, Alteration
from tests.library.library_sounds import encode

PLANTED = 200
"""Number of files that are copied."""
JOINED = (1e-3, 1e-5)
"""Shares of pairs of different sounds that a threshold may join."""
DIFFERENT = 0.75
"""Similarity below which two sounds clearly differ; few pairs lie between it and ``MIN_SIMILARITY``."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    real = os.environ.get("RMOD_REAL_LIBRARY")
    arguments.add_argument("--real", type=Path, default=real, help="folder with library.csv")
    options = arguments.parse_args()
    if options.real is None:
        print("skipped: it looks for copies of real recordings; give --real DIR, or set RMOD_REAL_LIBRARY")
        return
    with tempfile.TemporaryDirectory() as folder:
        cache = ScanCache(Path(folder) / "scan.sqlite")
        first, again = timed_scan(options.real, cache), timed_scan(options.real, cache)
        near = near_pairs(options.real, first.scan.assets, cache)
        cache.close()
    chosen = choose(first.scan.assets)
    print_planted(options.real, chosen)
    print_by_ear(options.real, first.scan, chosen)
    print_joined(first.scan, near)
    print_speed(first, again, len(near))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedScan:
    """A scan and its cost."""

    scan: Scan
    seconds: float
    """Elapsed time."""
    reading_seconds: float
    """Processor time until the last file was read."""
    comparing_seconds: float
    """Processor time after the last file was read."""


def timed_scan(folder: Path, cache: ScanCache) -> TimedScan:
    labels = Labels.read(folder / "library.csv")
    start, cpu_start = time.perf_counter(), time.process_time()
    read = cpu_start

    def progress(doing: str, done: int, count: int) -> None:
        nonlocal read
        if doing == "Reading" and done == count:
            read = time.process_time()

    # The manifest is not written; only its folder matters, to which paths are relative.
    manifest, rules = folder / "scanned.csv", ScanConfig(shares=parse_shares("90/5/5"))
    scan = scan_folder(folder, manifest, rules, labels=labels, cache=cache, progress=progress)
    return TimedScan(
        scan=scan,
        seconds=time.perf_counter() - start,
        reading_seconds=read - cpu_start,
        comparing_seconds=time.process_time() - read,
    )


def near_pairs(folder: Path, assets: Sequence[Asset], cache: ScanCache) -> list[float | None]:
    """Return the similarities of candidate pairs; None for a pair that was already joined through others."""
    paths = [folder.resolve() / asset.path for asset in assets]
    known = [cache.load_measurement(path, path.stat()) for path in paths]
    files = [file for file in known if isinstance(file, MeasuredFile)]
    assert len(files) == len(assets), "a file changed during the scan"
    fingerprints = np.frombuffer(b"".join(file.fingerprint for file in files), np.float32).reshape(-1, FINGERPRINT_SIZE)
    return [
        cache.load_similarity(files[i].sound, files[j].sound, SIMILARITY_VERSION)
        for i, j in find_candidate_pairs(fingerprints)
    ]


def choose(assets: Sequence[Asset]) -> list[Asset]:
    """Return the files to copy, chosen by their paths alone, so that every machine chooses the same."""
    return sorted(assets, key=lambda asset: sha256(asset.path.encode()).hexdigest())[:PLANTED]


def print_planted(folder: Path, chosen: Sequence[Asset]) -> None:
    similarities: dict[str, list[float]] = {}
    found_copies: Counter[str] = Counter()
    stereo = 0
    for asset in chosen:
        audio, rate = read_sound(folder / asset.path)
        stereo += audio.shape[0] == 2
        original = make_excerpt(audio, rate)
        for difference, alteration in (ALTERATIONS | HARD_ALTERATIONS).items():
            copy = altered_excerpt(alteration, audio, rate)
            similarity = compute_similarity(original, copy)
            similarities.setdefault(difference, []).append(similarity)
            found_copies[difference] += similarity >= MIN_SIMILARITY and are_near(original, copy)
    hits = sum(asset.kind in ONE_SHOT_KINDS for asset in chosen)
    print(f"Copies of {len(chosen)} files: {hits} drum hits, {len(chosen) - hits} loops; {stereo} in stereo.\n")
    print("| copy | found | lowest similarity | 1st percentile |\n|---|---|---|---|")
    for difference, values in similarities.items():
        share = 100 * found_copies[difference] / len(chosen)
        print(f"| {difference} | {share:.3g} % | {min(values):.3f} | {np.percentile(values, 1):.3f} |")


def print_by_ear(folder: Path, scan: Scan, chosen: Sequence[Asset]) -> None:
    """Print how many copies the classifier's embedding would find, and how the fingerprint does with other speeds.

    A threshold is the similarity that a share of all pairs of drum hits exceeds which are no copies of each other.
    """
    hits = [asset for asset in scan.assets if asset.kind in ONE_SHOT_KINDS]
    group_of = {path: number for number, paths in enumerate(scan.copies) for path in paths}
    groups = np.array([group_of.get(asset.path, -1 - number) for number, asset in enumerate(hits)])
    vectors = embed([read_sound(folder / asset.path) for asset in hits])
    first, second = np.triu_indices(len(hits), 1)
    others = (vectors @ vectors.T)[first, second][groups[first] != groups[second]]
    thresholds = [float(np.quantile(others, 1 - share)) for share in JOINED]
    print(f"\n{len(hits)} drum hits, {others.size:,} pairs that are no copies.\n")
    joined = ", ".join(f"found, 1 of {1 / share:,.0f} others joined" for share in JOINED)
    print(f"| copy | by the fingerprint | {joined.replace(', found', ' | found')} |\n|---|---|---|---|")
    sounds = [read_sound(folder / asset.path) for asset in chosen if asset.kind in ONE_SHOT_KINDS]
    own = embed(sounds)
    for difference, alteration in (ALTERATIONS | HARD_ALTERATIONS | SPEEDS).items():
        pairs = [(altered_excerpt(alteration, *sound), make_excerpt(*sound)) for sound in sounds]
        known = [compute_similarity(one, other) >= MIN_SIMILARITY and are_near(one, other) for one, other in pairs]
        copies = [decode_sound(alteration(*sound), "copy") for sound in sounds]
        similar = (embed([(copy.audio, copy.sample_rate) for copy in copies]) * own).sum(axis=1)
        shares = [100 * np.mean(known), *(100 * np.mean(similar > threshold) for threshold in thresholds)]
        print(f"| {difference} | {' | '.join(f'{share:.3g} %' for share in shares)} |")
    print(f"\nThe thresholds are {' and '.join(f'{threshold:.4f}' for threshold in thresholds)}.\n")


def embed(sounds: Sequence[tuple[Audio, int]]) -> np.ndarray:
    """Return the embedding of each sound [sounds, dimensions], of length 1."""
    classify = open_once(ClassifierChoice()).classify
    beginnings = (prepare_beginning(audio, rate) for audio, rate in sounds)
    answers = (classify([beginning]) for beginning in beginnings)
    return np.stack([answer.embedding for (answer,) in answers])


def at_speed(semitones: float) -> Alteration:
    """Return an alteration that plays a sound faster and higher, as a sampler does."""
    return lambda audio, rate: encode(np.clip(resample(audio, rate * 2 ** (semitones / 12), rate), -1, 1), rate)


SPEEDS: dict[str, Alteration] = {
    "half a semitone higher and faster": at_speed(0.5),
    "two semitones higher and faster": at_speed(2),
    "two semitones lower and slower": at_speed(-2),
}
"""Alterations that the fingerprint does not look for."""


def altered_excerpt(alteration: Alteration, audio: np.ndarray, rate: int) -> Excerpt:
    """Return the excerpt of an altered copy; one silent frame if the copy is empty."""
    try:
        decoded = decode_sound(alteration(audio, rate), "copy")
    except AssetError:
        return Excerpt(np.zeros(1, np.float32), rate / 2)
    return make_excerpt(decoded.audio, decoded.sample_rate)


def are_near(one: Excerpt, other: Excerpt) -> bool:
    return bool(list(find_candidate_pairs(np.stack([compute_fingerprint(one), compute_fingerprint(other)]))))


def print_joined(scan: Scan, near: Sequence[float | None]) -> None:
    compared = np.array([similarity for similarity in near if similarity is not None])
    low, middle, high = np.histogram(compared, [0, DIFFERENT, MIN_SIMILARITY, 2])[0]
    kits, kinds = ({asset.path: getattr(asset, name) for asset in scan.assets} for name in ("kit", "kind"))
    files, groups = len(scan.assets), scan.copies
    across = count_across(kits.values())
    joined = sum(count_across(kits[path] for path in paths) for paths in groups)
    mixed = sum(len({kits[path] for path in paths}) > 1 for paths in groups)
    largest = groups[0] if groups else []
    of_kits = len({kits[path] for path in largest})
    of_kinds = ", ".join(sorted({kinds[path] for path in largest}))
    print_table(
        {
            "files": f"{files:,}, of {len(set(kits.values()))} kits",
            "pairs of files": f"{files * (files - 1) // 2:,}",
            "of these, near enough for step 2": f"{len(near):,}",
            "of these, compared, as others had not joined them": f"{len(compared):,}",
            f"their similarity: below {DIFFERENT}, up to {MIN_SIMILARITY}, above": f"{low:,}, {middle:,}, {high:,}",
            "groups of copies": f"{len(groups)}, of {sum(map(len, groups))} files together",
            "groups with files of several kits": f"{mixed}",
            "the largest group": f"{len(largest)} files of {of_kits} kits: {of_kinds}",
            "pairs of files from different kits": f"{across:,}",
            "of these, in one group": f"{joined:,} ({100 * joined / max(1, across):.2f} %)",
        }
    )


def count_across(kits: Iterable[str]) -> int:
    """Return the number of pairs of files from different kits, given the kit of every file."""
    return sum(first != second for first, second in combinations(kits, 2))


def print_speed(first: TimedScan, again: TimedScan, pairs: int) -> None:
    files = len(first.scan.assets) + len(first.scan.dropped)
    reading = 1000 * first.reading_seconds / files
    comparing = 1000 * first.comparing_seconds / max(1, pairs)
    print_table(
        {
            "time of a second scan, of the first one's": f"{100 * again.seconds / first.seconds:.1f} %",
            "reading a file": f"{reading:.1f} ms of one core",
            "comparing, for each pair near enough": f"{comparing:.2f} ms of one core",
        }
    )


def print_table(rows: dict[str, str]) -> None:
    print("\n| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
