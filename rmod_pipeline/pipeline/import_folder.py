"""Turn a folder of pairs and its options into a checked import, run it, and list what became of each pair."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from rmod_pipeline.errors import AssetError, RecipeError, UsageError, nearest
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.manifest import SPLITS, compute_library_digest
from rmod_pipeline.library.pairs.folder import (
    PairFiles,
    choose_kinds,
    list_pair_folder,
    select_whole_pairs,
)
from rmod_pipeline.library.pairs.names import MIX
from rmod_pipeline.library.pairs.table import PairNotes, read_pair_table
from rmod_pipeline.library.process_pool import CountProgress
from rmod_pipeline.library.read import read_bytes
from rmod_pipeline.pipeline.jobs.imported_pair import MIXTURE
from rmod_pipeline.pipeline.jobs.imports import ImportJob
from rmod_pipeline.pipeline.plan import check_shard_size
from rmod_pipeline.recipe import Recipe, resolve_recipe
from rmod_pipeline.shards.index import NOTICES, ORIGINAL_KEY, PAIR, read_index
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import FORMATS, check_kinds
from rmod_pipeline.shards.receipt import read_receipt
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish_bytes

PAIR_LIST = "pairs.csv"
"""The file in an imported data set that says what became of each pair and each file."""

_LIST_COLUMNS = ("key", "original_key", "status", "reason", "notices")
_IMPORTED, _LEFT_OUT = "imported", "left out"
_LONGEST_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What an import may be told."""

    split: str = "test"
    """The split of pairs that no folder and no table puts into another."""
    kinds: Collection[str] | None = None
    """The kinds that every pair must have; by default those of at least half of the mixtures."""
    licence: str = ""
    table: Path | None = None
    """A CSV file with the licence, kit, group, source and split of each key."""
    sample_rate: int = 44_100
    seconds: float = 4.0
    audio_format: str = "wav"
    shard_size: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """What became of the pairs of a folder."""

    left_out: Mapping[str, int]
    """Number of pairs and files that were not imported, by reason."""
    notices: Mapping[str, int]
    """Number of imported sounds that were changed or are unusual, by what was done or found."""


def configure_import(
    root: Path, out: Location, options: ImportOptions, on_file: CountProgress = lambda _done, _total: None
) -> ImportJob:
    """Return a checked import. Reads every file once, for its checksum.

    ``on_file`` is called with the number of files read and their total. Raises UsageError for an invalid option and for
    a folder that holds no pair, ManifestError for an invalid table.
    """
    if options.audio_format not in FORMATS:
        found = f"unknown '{options.audio_format}'{nearest(options.audio_format, FORMATS)}"
        raise UsageError("--format", found, f"choose {' or '.join(FORMATS)}")
    if options.split not in SPLITS:
        found = f"unknown '{options.split}'{nearest(options.split, SPLITS)}"
        raise UsageError("--split", found, f"choose {', '.join(SPLITS)}")
    if isinstance(out, Path) and out.exists() and not out.is_dir():
        raise UsageError("--out", f"{out} is a file", "give a folder")
    folder = list_pair_folder(root, options.kinds or ())
    kinds = choose_kinds(folder, options.kinds)
    whole, left_out = select_whole_pairs(folder, kinds)
    if not whole:
        reasons = Counter(each.reason for each in (*folder.left_out, *left_out))
        listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        raise UsageError(root, f"no pair of a mixture and {', '.join(kinds)}: {listed}", "name fewer kinds: --kinds")
    notes, unknown_rows = read_pair_table(options.table, folder.pairs, options.licence)
    pairs = {
        split: tuple(pair for pair in whole if (notes[pair.name].split or pair.split or options.split) == split)
        for split in SPLITS
    }
    pairs = {split: several for split, several in pairs.items() if several}
    assets = tuple(_list_assets(root, pairs, notes, on_file))
    counts = {split: len(several) for split, several in pairs.items()}
    return ImportJob(
        recipe=_make_recipe(kinds, options),
        library=Library(assets=assets, root=root.resolve(), manifest=root, digest=compute_library_digest(assets)),
        pairs=pairs,
        left_out=(*folder.left_out, *left_out, *unknown_rows),
        shard_size=check_shard_size(counts, options.shard_size),
        audio_format=options.audio_format,
        out=out.resolve(),
    )


def write_pair_list(job: ImportJob) -> PairCounts:
    """Write what became of each pair and each file to ``pairs.csv`` in the data set, and return the counts."""
    lines = [*_read_outcomes(job.layout)]
    lines += [("", each.name, _LEFT_OUT, each.reason, each.detail) for each in job.left_out]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_LIST_COLUMNS, *lines])
    publish_bytes(text.getvalue().encode("utf-8"), job.out / PAIR_LIST, job.layout.drafts)
    imported = [line for line in lines if line[2] == _IMPORTED]
    notices = Counter(notice for *_, several in imported for notice in several.split("; ") if notice)
    reasons = Counter(reason for _, _, status, reason, _ in lines if status == _LEFT_OUT)
    return PairCounts(left_out=dict(reasons.most_common()), notices=dict(notices.most_common()))


def _read_outcomes(layout: Layout) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield key, original key, status, reason and notices of every pair of the finished shards, in order."""
    for path in layout.with_listing().receipts():
        for row in read_index(
            layout.index(read_receipt(path).shard), ["key", "status", "reason", ORIGINAL_KEY, NOTICES]
        ):
            status = _IMPORTED if row["status"] == PAIR else _LEFT_OUT
            yield row["key"], row[ORIGINAL_KEY], status, row["reason"] or "", "; ".join(row[NOTICES])


def _make_recipe(kinds: Iterable[str], options: ImportOptions) -> Recipe:
    """Return the recipe of an import: kinds, sample rate and length. Raises UsageError for values out of range."""
    kinds = [*kinds]
    check_kinds(kinds, "--kinds")
    try:
        return resolve_recipe(
            {
                "name": "imported",
                "description": "Pairs that were imported from files. Nothing in them was drawn or rendered by rmod.",
                "sample_rate": options.sample_rate,
                "seconds": options.seconds,
                "one_shots": {"max_seconds": _LONGEST_SECONDS, "layering": {"none": 1}},
                "drums": {kind: {} for kind in kinds},
                "loops": {MIXTURE: {"presence": 1, "semitones": 0, "seconds": options.seconds}},
            }
        )
    except RecipeError as error:
        raise UsageError(
            "--sample-rate, --seconds", error.found, "give 44100 and 4, as the models here take"
        ) from error


def _list_assets(
    root: Path, pairs: Mapping[str, Iterable[PairFiles]], notes: Mapping[str, PairNotes], on_file: CountProgress
) -> list[Asset]:
    """Return the files of all pairs, sorted by path. The checksum of a file that cannot be read is empty."""
    entries = [(split, pair) for split, several in pairs.items() for pair in several]
    total = sum(len(pair.sounds) + bool(pair.onsets) for _, pair in entries)
    assets: list[Asset] = []
    for split, pair in entries:
        own = notes[pair.name]
        own = replace(own, group=own.group or pair.name)
        described = {**pair.sounds, **({"onsets": pair.onsets} if pair.onsets else {})}
        for sound, path in described.items():
            kind = MIXTURE if sound == MIX else sound
            assets.append(_describe(root / path, path, kind, split, own))
            on_file(len(assets), total)
    return sorted(assets, key=lambda asset: asset.id)


def _describe(file: Path, path: str, kind: str, split: str, notes: PairNotes) -> Asset:
    try:
        checksum = sha256(read_bytes(file)).hexdigest()
    except AssetError:
        checksum = ""  # the pair is refused when its turn comes, with the reason
    return Asset(
        id=path,
        path=path,
        kind=kind,
        kit=notes.kit,
        group=notes.group,
        split=split,
        licence=notes.licence,
        source=notes.source,
        sha256=checksum,
        sample_rate=0,
        channels=0,
        frames=0,
        peak_dbfs=0.0,
        rms_dbfs=0.0,
    )
