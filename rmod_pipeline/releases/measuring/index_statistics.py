"""Add up what the index of a data set says of its pairs: batch by batch, so that a million pairs need little memory."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rmod_pipeline.errors import ShardError
from rmod_pipeline.releases.facts import Histogram
from rmod_pipeline.shards.index import PAIR, SCHEMA
from rmod_pipeline.storage import Location, open_for_reading

LEVEL_WIDTHS = {"lufs": 1.0, "peak_dbfs": 0.5, "rms_dbfs": 1.0, "side_mid_db": 2.0, "full_scale_share": 0.001}
"""Width of the bins by column of the index: dB or LU, and a share of samples for ``full_scale_share``."""

SECONDS_WIDTH = 0.05
AUDIBLE_WIDTH = 2.0
"""In dB."""

_BATCH_ROWS = 4096
_SOURCE = ("id", "kind", "kit", "group", "licence", "source", "sha256")
_COLUMNS = ("key", "split", "status", "stage", "reason", *LEVEL_WIDTHS, "targets", "drums", "loops", "sources")


@dataclass(slots=True)
class RunningHistogram:
    """A histogram that grows value by value."""

    width: float
    counts: Counter[int] = field(default_factory=Counter)
    minimum: float = math.inf
    maximum: float = -math.inf
    total: float = 0.0

    def add(self, values: np.ndarray[Any, Any]) -> None:
        """Count values [any] float64; those that are not finite are left out."""
        values = values[np.isfinite(values)]
        if not values.size:
            return
        # The small term keeps 0.15 / 0.05 = 3.0000000000000004 in the bin that ends with it.
        bins, counts = np.unique(np.ceil(values / self.width - 1e-9).astype(np.int64) - 1, return_counts=True)
        self.counts.update({int(number): int(count) for number, count in zip(bins, counts, strict=True)})
        self.minimum = min(self.minimum, float(values.min()))
        self.maximum = max(self.maximum, float(values.max()))
        self.total += float(values.sum())

    def freeze(self) -> Histogram:
        """Return the histogram as a record. It must hold a value."""
        return Histogram(
            width=self.width,
            counts=dict(sorted(self.counts.items())),
            minimum=self.minimum,
            mean=self.total / self.counts.total(),
            maximum=self.maximum,
        )


def _counters() -> defaultdict[str, Counter[int]]:
    return defaultdict(Counter)


@dataclass(slots=True)
class IndexStatistics:
    """What an index says of its pairs, added up."""

    pairs: Counter[str] = field(default_factory=Counter)
    """By split."""
    rejects: Counter[str] = field(default_factory=Counter)
    """By split."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Rejected attempts by reason."""
    levels: dict[str, RunningHistogram] = field(default_factory=dict)
    durations: dict[str, RunningHistogram] = field(default_factory=dict)
    audibility: dict[str, RunningHistogram] = field(default_factory=dict)
    hits: defaultdict[str, Counter[int]] = field(default_factory=_counters)
    layers: defaultdict[str, Counter[int]] = field(default_factory=_counters)
    semitones: defaultdict[str, Counter[int]] = field(default_factory=_counters)
    instruments: Counter[str] = field(default_factory=Counter)
    uses: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Uses by sound: id, kind, kit, group, licence, source, SHA-256 and split."""

    def add(self, rows: pa.Table) -> None:
        """Add rows of an index."""
        is_pair = pc.equal(rows["status"], PAIR)
        self._add_rejects(rows.filter(pc.invert(is_pair)))
        pairs = rows.filter(is_pair)
        self.pairs.update(_count(pairs["split"]))
        for column, width in LEVEL_WIDTHS.items():
            self.levels.setdefault(column, RunningHistogram(width)).add(_numbers(pairs[column]))
        self._add_targets(_flatten(pairs["targets"]))
        self._add_drums(_flatten(pairs["drums"]))
        self._add_loops(_flatten(pairs["loops"]))
        self._add_sources(pairs)

    def _add_rejects(self, rejects: pa.Table) -> None:
        self.rejects.update(_count(rejects["split"]))
        self.reasons.update(_count(rejects["reason"]))

    def _add_targets(self, targets: Mapping[str, Any]) -> None:
        for kind in _kinds(targets):
            is_kind = pc.equal(targets["kind"], kind)
            seconds, audible = targets["seconds"].filter(is_kind), targets["audible_db"].filter(is_kind)
            self.durations.setdefault(kind, RunningHistogram(SECONDS_WIDTH)).add(_numbers(seconds))
            self.audibility.setdefault(kind, RunningHistogram(AUDIBLE_WIDTH)).add(_numbers(audible))

    def _add_drums(self, drums: Mapping[str, Any]) -> None:
        self.instruments.update(_count(drums["kind"]))
        for kind in _kinds(drums):
            is_kind = pc.equal(drums["kind"], kind)
            self.hits[kind].update(_count(drums["hits"].filter(is_kind)))
            self.layers[kind].update(_count(drums["layers"].filter(is_kind)))

    def _add_loops(self, loops: Mapping[str, Any]) -> None:
        self.instruments.update(_count(loops["kind"]))
        for kind in _kinds(loops):
            self.semitones[kind].update(_count(loops["semitones"].filter(pc.equal(loops["kind"], kind))))

    def _add_sources(self, pairs: pa.Table) -> None:
        column = pairs["sources"].combine_chunks()
        if not len(column):
            return
        fields = {name: value for name, value in _flatten(column).items() if name in _SOURCE}
        splits = pairs["split"].take(pc.list_parent_indices(column))
        columns = {name: pc.fill_null(fields[name], "") for name in _SOURCE}
        table = pa.table({**columns, "split": splits})
        grouped = table.group_by([*columns, "split"]).aggregate([([], "count_all")])
        keys = zip(*(grouped[name].to_pylist() for name in (*_SOURCE, "split")), strict=True)
        self.uses.update(dict(zip(keys, grouped["count_all"].to_pylist(), strict=True)))


def measure_index(paths: Iterator[Location], keys: Collection[str] | None = None) -> IndexStatistics:
    """Return what index files say of their pairs, or of those with the given keys. Raises ShardError."""
    statistics, wanted = IndexStatistics(), None if keys is None else pa.array(sorted(keys), pa.string())
    for path in paths:
        for rows in _read_batches(path):
            statistics.add(rows if wanted is None else rows.filter(pc.is_in(rows["key"], wanted)))
    return statistics


def _read_batches(path: Location) -> Iterator[pa.Table]:
    """Yield the rows of an index. Raises ShardError."""
    hint = "`rmod verify OUT` lists what is damaged"
    try:
        with nullcontext(path) if isinstance(path, Path) else open_for_reading(path) as source:
            file = pq.ParquetFile(source)
            expected = pa.schema([SCHEMA.field(name) for name in _COLUMNS])
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(_COLUMNS)):
                yield pa.Table.from_batches([batch]).select(list(_COLUMNS)).cast(expected)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ShardError(path, f"not an index: {error}", hint) from error


def _count(column: Any) -> dict[Any, int]:
    """Return how often each value occurs; a missing value does not count."""
    counts = pc.value_counts(column).to_pylist()
    return {entry["values"]: entry["counts"] for entry in counts if entry["values"] is not None}


def _numbers(column: Any) -> np.ndarray[Any, Any]:
    return np.asarray(pc.drop_null(column).to_numpy(), dtype=np.float64)


def _flatten(column: Any) -> dict[str, Any]:
    """Return the fields of a column of lists of records, each as one array over all lists."""
    chunk = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    records = chunk.flatten()
    fields = [records.type.field(number).name for number in range(records.type.num_fields)]
    return dict(zip(fields, records.flatten(), strict=True))


def _kinds(fields: Mapping[str, Any]) -> list[str]:
    return sorted(pc.drop_null(pc.unique(fields["kind"])).to_pylist())
