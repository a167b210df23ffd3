"""Summarise levels over any number of pairs in constant memory: histogram, extremes, and what lies outside limits.

The levels in the index are those that the build measured. The decoded sounds of the sample add samples at full scale
in a row, the offset, and silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Pcm, db_to_gain, from_pcm, gain_to_db
from rmod_pipeline.inspection.report.records import SAMPLE, Extreme, LevelSummary
from rmod_pipeline.inspection.report.thresholds import Thresholds
from rmod_pipeline.library.read import find_onset
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render.measure import FULL_SCALE
from rmod_pipeline.shards.members import MIX

KEPT = 5
"""Number of pairs whose lowest and highest values are kept."""

PERCENTILES = (5, 25, 50, 75, 95)

SILENT_DBFS = -60.0
"""A block of a mixture is silent if no sample of it is above this level."""

_BLOCKS_PER_SECOND = 100

_BINS_SHOWN = 40
"""Bins of a summary at most; percentiles use the finer bins of the meter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelKind:
    """What is measured, in which range, and what may not be exceeded."""

    name: str
    unit: str
    source: str
    low: float
    high: float
    """Values outside these ends count in the first and the last bin."""
    step: float
    least: float | None = None
    most: float | None = None


def decibel_kind(
    name: str, source: str, unit: str = "dBFS", least: float | None = None, most: float | None = None
) -> LevelKind:
    """Return the kind of a level in decibels, counted in tenths."""
    return LevelKind(name=name, unit=unit, source=source, low=-120.0, high=20.0, step=0.1, least=least, most=most)


@dataclass(slots=True)
class LevelMeter:
    """Collect the values of one level."""

    kind: LevelKind
    count: int = 0
    total: float = 0.0
    below: int = 0
    above: int = 0
    lowest: list[Extreme] = field(default_factory=list)
    highest: list[Extreme] = field(default_factory=list)
    bins: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        """Make the empty bins."""
        self.bins = np.zeros(round((self.kind.high - self.kind.low) / self.kind.step), np.int64)

    def add(self, values: NDArray[np.float64], keys: Sequence[Any]) -> None:
        """Add values [pairs] and the keys of their pairs; values that are no numbers are left out."""
        known = np.flatnonzero(np.isfinite(values))
        values = values[known]
        if not values.size:
            return
        kind = self.kind
        self.count += len(values)
        self.total += float(values.sum())
        position = np.clip(((values - kind.low) / kind.step).astype(np.int64), 0, len(self.bins) - 1)
        self.bins += np.bincount(position, minlength=len(self.bins))
        self.below += 0 if kind.least is None else int(np.count_nonzero(values < kind.least))
        self.above += 0 if kind.most is None else int(np.count_nonzero(values > kind.most))

        def extremes(positions: NDArray[np.intp]) -> list[Extreme]:
            return [Extreme(key=str(keys[int(known[at])]), value=float(values[at])) for at in positions]

        # Of equal values the first pairs count, so that the size of a batch changes nothing.
        low, high = (extremes(np.argsort(sign * values, kind="stable")[:KEPT]) for sign in (1, -1))
        self.lowest = sorted((*self.lowest, *low), key=lambda each: (each.value, each.key))[:KEPT]
        self.highest = sorted((*self.highest, *high), key=lambda each: (-each.value, each.key))[:KEPT]

    def summarize(self) -> LevelSummary:
        """Return the summary of a level with at least one value."""
        kind = self.kind
        cumulated = np.cumsum(self.bins) / self.count
        edges = kind.low + kind.step * np.arange(len(self.bins))
        low, high = self.lowest[0].value, self.highest[0].value

        def percentile(percent: int) -> float:
            edge = float(edges[int(np.searchsorted(cumulated, percent / 100 - 1e-12))])
            return min(max(edge, low), high)

        first, last = np.flatnonzero(self.bins)[[0, -1]]
        width = -(-(int(last) - int(first) + 1) // _BINS_SHOWN)
        shown = self.bins[first : last + 1]
        shown = np.pad(shown, (0, -len(shown) % width)).reshape(-1, width).sum(axis=1)
        return LevelSummary(
            name=kind.name,
            unit=kind.unit,
            source=kind.source,
            count=self.count,
            mean=self.total / self.count,
            percentiles={str(percent): percentile(percent) for percent in PERCENTILES},
            lowest=tuple(self.lowest),
            highest=tuple(self.highest),
            below=self.below,
            above=self.above,
            histogram_low=kind.low + kind.step * float(first),
            histogram_step=kind.step * width,
            histogram=tuple(map(int, shown)),
        )


class SoundMeters:
    """Collect the levels of decoded sounds, one meter per sound and measure."""

    def __init__(self, recipe: Recipe, thresholds: Thresholds) -> None:
        self.meters = {kind.name: LevelMeter(kind) for kind in _level_kinds(recipe, thresholds)}

    def add(self, key: str, sounds: Mapping[str, Pcm], sample_rate: int) -> None:
        """Measure the sounds of a pair, each [channels, frames] int16."""
        for sound, pcm in sounds.items():
            self._add(f"{sound} dc_dbfs", measure_offset(pcm), key)
            self._add(f"{sound} full_scale_run", count_full_scale_run(pcm), key)
            if sound == MIX:
                self._add("mix silent_share", measure_silent_share(pcm, sample_rate), key)
            else:
                self._add(f"{sound} onset_ms", 1000 * find_onset(from_pcm(pcm)) / sample_rate, key)

    def _add(self, name: str, value: float, key: str) -> None:
        self.meters[name].add(np.array([value], np.float64), [key])


def measure_offset(pcm: Pcm) -> float:
    """Return the largest mean of a channel [channels, frames], in dBFS."""
    if not pcm.shape[1]:
        return gain_to_db(0.0)
    return gain_to_db(float(np.abs(pcm.mean(axis=1, dtype=np.float64)).max()) / (FULL_SCALE + 1))


def count_full_scale_run(pcm: Pcm) -> int:
    """Return the largest number of samples at full scale in a row, in any channel of [channels, frames]."""
    longest = 0
    for channel in pcm:
        for sign in (1, -1):
            at = np.flatnonzero(sign * channel.astype(np.int32) >= FULL_SCALE)
            if at.size > longest:
                ends = np.flatnonzero(np.diff(at, append=at[-1] + 2) != 1)
                longest = max(longest, int(np.diff(ends, prepend=-1).max()))
    return longest


def measure_silent_share(pcm: Pcm, sample_rate: int) -> float:
    """Return the share of the time, 0..1, in which no channel of [channels, frames] exceeds ``SILENT_DBFS``."""
    frames = max(sample_rate // _BLOCKS_PER_SECOND, 1)
    blocks = pcm.shape[1] // frames
    if not blocks:
        return 0.0
    loud = np.abs(pcm[:, : blocks * frames].astype(np.int32)).max(axis=0).reshape(blocks, frames).max(axis=1)
    return float((loud <= db_to_gain(SILENT_DBFS) * FULL_SCALE).mean())


def _level_kinds(recipe: Recipe, thresholds: Thresholds) -> Iterator[LevelKind]:
    clip, quiet, offset = thresholds.clipping, thresholds.silence, thresholds.offset
    most = quiet.mix_silent_share_max
    yield LevelKind(name="mix silent_share", unit="", source=SAMPLE, low=0, high=1, step=0.01, most=most)
    sounds = [(MIX, offset.mix_dc_dbfs_max, clip.mix_full_scale_run_max)]
    sounds += [(kind, offset.one_shot_dc_dbfs_max, clip.one_shot_full_scale_run_max) for kind in recipe.targets]
    for sound, dc_max, run_max in sounds:
        yield decibel_kind(f"{sound} dc_dbfs", SAMPLE, most=dc_max)
        name = f"{sound} full_scale_run"
        yield LevelKind(name=name, unit="samples", source=SAMPLE, low=0, high=2000, step=1, most=run_max)
    for kind in recipe.targets:
        most = quiet.one_shot_onset_ms_max
        yield LevelKind(name=f"{kind} onset_ms", unit="ms", source=SAMPLE, low=0, high=2000, step=1, most=most)
