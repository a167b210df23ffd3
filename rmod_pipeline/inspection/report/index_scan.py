"""Read the index of a data set once, in batches, and count what a report needs.

Memory does not grow with the number of pairs, but for eight bytes per mixture and one-shot that find equal files.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.report.laws import find_chances
from rmod_pipeline.inspection.report.levels import LevelKind, LevelMeter, decibel_kind
from rmod_pipeline.inspection.report.records import INDEX_ROWS, KEPT_KEYS
from rmod_pipeline.inspection.report.thresholds import Thresholds
from rmod_pipeline.reading.shard_list import verify_hint
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.index import PAIR
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import open_for_reading

BATCH_ROWS = 10_000
"""Rows of the index in memory at a time."""

_COLUMNS = (
    "key", "status", "reason", "lufs", "peak_dbfs", "rms_dbfs", "side_mid_db", "full_scale_share",
    "targets", "drums", "loops", "sources", "members",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SoundUse:
    """One sound of a library, as the index names it."""

    kind: str
    sha256: str
    id: str
    kit: str


@dataclass(slots=True)
class IndexCounts:
    """What was counted in the index."""

    rows: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    """By split."""
    rejects: Counter[str] = field(default_factory=Counter)
    """By reason."""
    retried: list[str] = field(default_factory=list)
    """The first few pairs that came after rejected attempts."""
    draws: dict[str, Counter[Any]] = field(default_factory=lambda: defaultdict(Counter))
    """Drawn values in all attempts, by the name that ``draws.list_draws`` gives them."""
    first_sounds: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By split and kind: how often each sound was drawn as the only or loudest layer, in all attempts, by id."""
    use: dict[tuple[str, str], Counter[SoundUse]] = field(default_factory=lambda: defaultdict(Counter))
    """By split and kind: how often each sound is used in pairs."""
    files: dict[tuple[str, str], array[int]] = field(default_factory=lambda: defaultdict(lambda: array("Q")))
    """By sound (mix, kick, ...) and split: the first 64 bits of the checksum of each file."""
    meters: dict[str, LevelMeter] = field(default_factory=dict)


def level_kinds(recipe: Recipe, thresholds: Thresholds) -> Iterator[LevelKind]:
    """Yield the levels that the index holds, with their limits."""
    loud, quiet = thresholds.loudness, thresholds.silence
    yield decibel_kind("mix lufs", INDEX_ROWS, "LUFS", loud.lufs_min, loud.lufs_max)
    yield decibel_kind("mix peak_dbfs", INDEX_ROWS, least=quiet.mix_peak_dbfs_min)
    yield decibel_kind("mix rms_dbfs", INDEX_ROWS)
    yield LevelKind(name="mix side_mid_db", unit="dB", source=INDEX_ROWS, low=-120, high=120, step=0.2)
    most = thresholds.clipping.mix_full_scale_share_max
    name = "mix full_scale_share"
    yield LevelKind(name=name, unit="", source=INDEX_ROWS, low=0, high=1, step=0.0001, most=most)
    for kind in recipe.targets:
        yield decibel_kind(f"{kind} peak_dbfs", INDEX_ROWS, least=quiet.one_shot_peak_dbfs_min)
        yield LevelKind(name=f"{kind} seconds", unit="s", source=INDEX_ROWS, low=0, high=12, step=0.01)
        yield decibel_kind(f"{kind} audible_db", INDEX_ROWS, "dB")


def iterate_batches(layout: Layout, shard: str, columns: Sequence[str] = _COLUMNS) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the index of a shard in batches. Raises ShardError if it cannot be read."""
    path = layout.index(shard)
    try:
        with nullcontext(path) if isinstance(path, Path) else open_for_reading(path) as source:
            yield from pq.ParquetFile(source).iter_batches(batch_size=BATCH_ROWS, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ShardError(path, f"not an index: {reason}", verify_hint(layout.out)) from error


class IndexScan:
    """Count the rows of the index, shard by shard."""

    def __init__(self, layout: Layout, recipe: Recipe, thresholds: Thresholds) -> None:
        self._layout, self._recipe = layout, recipe
        self._discrete = {kind for kind, loop in recipe.loops.items() if find_chances(loop.seconds) is not None}
        self._absent: frozenset[str] = frozenset()
        self.counts = IndexCounts()
        self.counts.meters = {kind.name: LevelMeter(kind) for kind in level_kinds(recipe, thresholds)}

    def add_shard(self, receipt: Receipt) -> None:
        """Count the rows of one shard. Raises ShardError."""
        self._absent = frozenset(receipt.absent)
        try:
            for batch in iterate_batches(self._layout, receipt.shard):
                self._add_batch(batch, receipt.split)
        except (KeyError, TypeError, ValueError, AttributeError) as error:  # an index that rmod did not write
            path = self._layout.index(receipt.shard)
            raise ShardError(path, f"not an index: {error}", verify_hint(self._layout.out)) from error

    def _add_batch(self, batch: pa.RecordBatch, split: str) -> None:
        counts = self.counts
        counts.rows += len(batch)
        self._count_draws(batch, split)
        is_pair = pc.equal(batch["status"], PAIR)
        rejects = batch.filter(pc.invert(is_pair))
        counts.rejects.update(rejects["reason"].to_pylist())
        self._add_retried(rejects)
        pairs = batch.filter(is_pair)
        counts.pairs[split] += len(pairs)
        self._add_levels(pairs)
        self._add_use(pairs, split)
        self._add_files(pairs, split)

    def _add_retried(self, rejects: pa.RecordBatch) -> None:
        """Note some keys of rejected attempts, but none without a pair."""
        retried = self.counts.retried
        if len(retried) < KEPT_KEYS:
            keys = dict.fromkeys([*retried, *rejects["key"].to_pylist()])
            retried[:] = [key for key in keys if key not in self._absent][:KEPT_KEYS]

    def _count_draws(self, batch: pa.RecordBatch, split: str) -> None:
        """Count the drawn values of all attempts: each attempt is a draw, whether or not it was accepted."""
        draws, rows, recipe = self.counts.draws, len(batch), self._recipe
        present: Counter[str] = Counter()
        loops, drums = batch["loops"].flatten(), batch["drums"].flatten()
        for struct in (loops, drums):
            present.update(dict(_count(struct, "kind")))
        for kind in recipe.kinds:
            draws[f"{kind} present"] += Counter({True: present[kind], False: rows - present[kind]})
        for (kind, semitones), count in _count(loops, "kind", "semitones"):
            draws[f"{kind} semitones"][semitones] += count
        for (kind, seconds), count in _count(loops, "kind", "seconds"):
            if kind in self._discrete:
                draws[f"{kind} seconds"][round(seconds * recipe.sample_rate)] += count
        for (kind, hits), count in _count(drums, "kind", "hits"):
            draws[f"{kind} hits"][hits] += count
        for (kind, layers), count in _count(drums, "kind", "layers"):
            draws[f"{kind} layered"][layers > 1] += count
        self._count_first_sounds(batch, split)

    def _count_first_sounds(self, batch: pa.RecordBatch, split: str) -> None:
        sources, rows = batch["sources"].flatten(), pc.list_parent_indices(batch["sources"])
        # The sounds of a track follow each other, the loudest layer first.
        kinds = pc.struct_field(sources, "kind").dictionary_encode().indices.to_numpy(zero_copy_only=False)
        row = rows.to_numpy(zero_copy_only=False)
        is_first = np.ones(len(row), bool)
        is_first[1:] = (row[1:] != row[:-1]) | (kinds[1:] != kinds[:-1])
        for (kind, sound), count in _count(sources.filter(pa.array(is_first)), "kind", "id"):
            self.counts.first_sounds[split, kind][sound] += count

    def _add_levels(self, pairs: pa.RecordBatch) -> None:
        meters, keys = self.counts.meters, pairs["key"]
        for name in ("lufs", "peak_dbfs", "rms_dbfs", "side_mid_db", "full_scale_share"):
            meters[f"mix {name}"].add(_numbers(pairs[name]), keys)
        targets, rows = pairs["targets"].flatten(), pc.list_parent_indices(pairs["targets"])
        kinds = pc.struct_field(targets, "kind")
        for kind in self._recipe.targets:
            of_kind = pc.equal(kinds, kind)
            chosen, kind_keys = targets.filter(of_kind), keys.take(rows.filter(of_kind))
            for name in ("peak_dbfs", "seconds", "audible_db"):
                meters[f"{kind} {name}"].add(_numbers(pc.struct_field(chosen, name)), kind_keys)

    def _add_use(self, pairs: pa.RecordBatch, split: str) -> None:
        for (kind, sha256, name, kit), count in _count(pairs["sources"].flatten(), "kind", "sha256", "id", "kit"):
            self.counts.use[split, kind][SoundUse(kind, sha256, name, kit)] += count

    def _add_files(self, pairs: pa.RecordBatch, split: str) -> None:
        members = pairs["members"].flatten()
        names = pc.struct_field(members, "name").to_pylist()
        for name, checksum in zip(names, pc.struct_field(members, "sha256").to_pylist(), strict=True):
            sound = compared_sound(name)
            if sound is not None:
                self.counts.files[sound, split].append(checksum_head(checksum))


def compared_sound(member: str) -> str | None:
    """Return the sound of a file whose checksum is compared, such as mix or kick; None for a stem, MIDI and JSON."""
    sound, _, ending = member.rpartition(".")
    return sound if ending in ("wav", "flac") and not sound.startswith("stem-") else None


def checksum_head(checksum: str) -> int:
    """Return the first 64 bits of a checksum."""
    return int(checksum[:16], 16)


def _count(struct: pa.StructArray, *fields: str) -> Iterator[tuple[Any, int]]:
    """Yield the combinations of fields with their counts; for one field its values, for several tuples of values."""
    if not len(struct):
        return
    table = pa.table({name: pc.struct_field(struct, name) for name in fields})
    grouped = table.group_by(list(fields)).aggregate([([], "count_all")])
    columns = [grouped[name].to_pylist() for name in fields]
    values: Sequence[Any] = columns[0] if len(fields) == 1 else list(zip(*columns, strict=True))
    yield from zip(values, grouped["count_all"].to_pylist(), strict=True)


def _numbers(column: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column as floats; a missing value is NaN."""
    values: np.ndarray[Any, np.dtype[np.float64]] = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def find_users(
    layout: Layout, receipts: Sequence[Receipt], files: Collection[tuple[str, int]], sounds: Collection[str], most: int
) -> dict[Any, list[str]]:
    """Return the keys of pairs that hold given files or sounds of the library, at most ``most`` of each split.

    files: sound and head of the checksum. sounds: checksums. Reads the index once more, if there is anything to find.
    """
    found: dict[Any, dict[str, list[str]]] = {each: defaultdict(list) for each in (*files, *sounds)}
    for receipt in receipts if found else ():
        for batch in iterate_batches(layout, receipt.shard, ("key", "status", "sources", "members")):
            for row in batch.filter(pc.equal(batch["status"], PAIR)).to_pylist():
                heads = ((compared_sound(each["name"]), checksum_head(each["sha256"])) for each in row["members"])
                for each in {*heads, *(source["sha256"] for source in row["sources"])} & found.keys():
                    keys = found[each][receipt.split]
                    if len(keys) < most:
                        keys.append(row["key"])
    return {each: [key for keys in by_split.values() for key in keys] for each, by_split in found.items()}
