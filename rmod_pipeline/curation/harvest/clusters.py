"""Put similar hits into clusters, and choose the best few of each.

    numbers = cluster_descriptions(descriptions)        # of hits in order of quality
    kept = choose_best(hits, config)                    # (hit, cluster) of the collection

The clustering is greedy: the hits come in order of quality, and each joins the cluster whose first hit is nearest, if
the distance is at most ``MOST_DISTANCE_DB``; else it begins a cluster. So the first hit of a cluster is its best one,
and the result depends on the hits alone, not on the order of files. It takes the time of hits times clusters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import db_to_gain
from rmod_pipeline.curation.harvest.describing.describe import STEP_DB
from rmod_pipeline.curation.harvest.results import HarvestConfig, HarvestedHit, HarvestSong
from rmod_pipeline.library.scanning.scan import SILENT_DBFS

MOST_DISTANCE_DB = 6.0
"""Largest RMS distance of the levels of two hits of one cluster; see docs/lab/harvest.md."""
ISOLATION_STEP = 0.05
"""Of hits whose isolation differs by less, the louder one is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongHit:
    """A hit and the song that it is from."""

    song: HarvestSong
    sample_rate: int
    hit: HarvestedHit

    @property
    def quality(self) -> tuple[float, float, str, int]:
        """The key by which hits are ordered, the best first: isolation, level, then name of the song and time."""
        steps = round(self.hit.isolation.value / ISOLATION_STEP)
        return -steps, -self.hit.peak, self.song.name, self.hit.cut.attack


def is_isolated(hit: HarvestedHit, config: HarvestConfig) -> bool:
    """Return whether a hit is isolated enough to be kept, and no silence."""
    return hit.isolation.value >= config.min_isolation and hit.peak >= db_to_gain(SILENT_DBFS)


def choose_best(hits: Iterable[SongHit], config: HarvestConfig) -> tuple[list[tuple[SongHit, int]], int]:
    """Return the kept hits with the number of their cluster, from 1 on, and the number of clusters.

    Hits of different kinds are in different clusters. The clusters are in order of kind and size, their hits in order
    of quality.
    """
    by_kind: dict[tuple[str, str], list[SongHit]] = defaultdict(list)
    for hit in hits:
        if is_isolated(hit.hit, config):
            by_kind[hit.hit.kind, hit.hit.subkind].append(hit)
    kept: list[tuple[SongHit, int]] = []
    count = 0
    for kind in sorted(by_kind):
        ordered = sorted(by_kind[kind], key=lambda hit: hit.quality)
        clusters = _group(ordered, cluster_descriptions([hit.hit.description for hit in ordered]))
        for cluster in sorted(clusters, key=lambda cluster: -len(cluster)):
            count += 1
            kept += [(hit, count) for hit in cluster[: config.per_cluster]]
    return kept, count


def cluster_descriptions(descriptions: Sequence[NDArray[np.uint8]]) -> list[int]:
    """Return the number of the cluster of each description [values], from 0 on in order of the first members."""
    if not descriptions:
        return []
    values = np.stack(descriptions).astype(np.float32) * np.float32(STEP_DB)
    leaders = np.empty_like(values)
    numbers: list[int] = []
    count = 0
    most = MOST_DISTANCE_DB**2 * values.shape[1]
    for value in values:
        differences = leaders[:count] - value
        distances = np.einsum("ij,ij->i", differences, differences)
        nearest = int(distances.argmin()) if count else 0
        if not count or distances[nearest] > most:
            leaders[count] = value
            nearest, count = count, count + 1
        numbers.append(nearest)
    return numbers


def _group(hits: Sequence[SongHit], numbers: Sequence[int]) -> list[list[SongHit]]:
    clusters: list[list[SongHit]] = [[] for _ in range(max(numbers, default=-1) + 1)]
    for hit, number in zip(hits, numbers, strict=True):
        clusters[number].append(hit)
    return clusters
