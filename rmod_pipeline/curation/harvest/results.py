"""The records of a harvest: settings, what is known of a song, its hits, and the sounds that are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.taxonomy import NOT_A_DRUM, kind_of

UNKNOWN = "unknown"
"""Kind of a sound of which the classifier is not certain, and of every sound without a classifier."""

LEAST_DESCRIBED = 0.3
"""Hits that are isolated at least so much are described and classified, so that a lower ``--min-isolation`` down to
this value needs no new analysis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestConfig:
    """Settings of a harvest."""

    max_seconds: float = 3.0
    """Longest cut."""
    min_isolation: float = 0.6
    """Least isolation, 0..1, of a sound that is kept."""
    per_cluster: int = 3
    """Most sounds that are kept of one cluster."""
    peak_db: float | None = None
    """Peak of every kept sound, relative to full scale; None keeps the level of the song."""

    def check(self) -> None:
        """Raise UsageError for a value that makes no sense."""
        if not 0.02 <= self.max_seconds <= 60:
            raise UsageError("--max-seconds", f"{self.max_seconds:g} s", "give 0.02 to 60 s")
        if not 0 <= self.min_isolation <= 1:
            raise UsageError("--min-isolation", f"{self.min_isolation:g}", "give a number from 0 to 1")
        if self.per_cluster < 1:
            raise UsageError("--per-cluster", f"{self.per_cluster}", "give 1 or more")
        if self.peak_db is not None and not -60 <= self.peak_db <= 0:
            raise UsageError("--peak", f"{self.peak_db:g} dB", "give -60 to 0 dB of full scale")

    @property
    def described_from(self) -> float:
        """Least isolation of a hit that is described and classified."""
        return min(self.min_isolation, LEAST_DESCRIBED)


@dataclass(frozen=True, slots=True, kw_only=True)
class SongSurvey:
    """What has to be known of a song before its hits are looked for."""

    frames: int
    channels: int
    """Channels of its sounds: 1 for mono, for two equal channels, and for more than two, which are averaged."""
    offset: tuple[float, ...]
    """Constant offset of each channel, which its sounds lose; 0 for most songs."""
    peak: float
    """Largest absolute sample of the mono mix without the offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongLevels:
    """How a song changes, hop by hop; 15 MB per hour."""

    sample_rate: int
    hop: int
    """Samples per hop, 2.9 ms."""
    flux: NDArray[np.float32]
    """[hops]: mean rise of level in dB over the mel bands, around the first sample of each hop."""
    wave: NDArray[np.float32]
    """[hops]: mean square of the mono wave within each hop."""
    difference: NDArray[np.float32]
    """[hops]: mean square of the difference of neighbouring samples: what is high counts more in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumOnset:
    """The attack of a hit."""

    frame: int
    """First sample of the attack, at the song's rate."""
    kind: str = ""
    """Class of the taxonomy by an annotation; empty without one, and for several strikes at once."""
    subkind: str = ""
    strikes: int = 0
    """How many strikes an annotation has here; 0 without an annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """How alone a hit is, as three factors of 0..1; see ``isolation.py`` for the formulas."""

    before: float
    """How much of the sound before had decayed."""
    after: float
    """How much of the hit had decayed when its cut ends."""
    alone: float = 1.0
    """How surely one drum alone is struck."""

    @property
    def value(self) -> float:
        """The product of the factors."""
        return self.before * self.after * self.alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A part of a song that holds one hit."""

    start: int
    """First sample, a few before the attack."""
    stop: int
    """One after the last sample."""
    attack: int
    """First sample of the attack."""
    fade_in: int
    """Samples that fade in; they end before the attack."""
    fade_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestedHit:
    """A hit of a song, cut, described and classified."""

    cut: Cut
    isolation: Isolation
    peak: float
    """Largest absolute sample of the cut without the song's offset."""
    description: NDArray[np.uint8]
    """[values]: levels of mel bands over time, see ``describe.py``."""
    kind: str = UNKNOWN
    """Class of the taxonomy, or ``unknown``."""
    subkind: str = ""
    confidence: float = 0.0
    """Of the class, 0..1, also where the classifier is not certain; 1 by an annotation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongAnalysis:
    """The hits of one song."""

    sample_rate: int
    survey: SongSurvey
    onsets: int
    """Number of onsets in the song."""
    hits: tuple[HarvestedHit, ...]
    """Hits that are isolated enough to be described, by time."""
    finding: str = ""
    """Why the song has no hits; empty if it has."""

    @property
    def seconds(self) -> float:
        """Length of the song."""
        return self.survey.frames / self.sample_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestSong:
    """A song of a harvest and what is known about it without listening."""

    path: Path
    name: str
    """POSIX path relative to the folder that holds all songs."""
    key: str
    """Plain form of the name that begins the names of its sounds, unique in the harvest."""
    sha256: str
    kit: str = ""
    licence: str = ""
    source: str = ""
    onsets_file: Path | None = None
    """An annotation with the times of its hits."""
    onsets_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSound:
    """A sound that a harvest writes."""

    file: str
    """POSIX path relative to the folder of the harvest: ``kick/song-12.345.wav``."""
    song: HarvestSong
    sample_rate: int
    hit: HarvestedHit
    cluster: int
    """Number of its cluster, from 1 on; similar sounds are in one."""

    @property
    def time_seconds(self) -> float:
        """Time of the attack in the song."""
        return self.hit.cut.attack / self.sample_rate

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return (self.hit.cut.stop - self.hit.cut.start) / self.sample_rate

    @property
    def folder(self) -> str:
        """The kind in folders and manifests: ``open_hihat`` for hihat and open, ``unknown`` if nobody knows it."""
        return self.hit.kind if self.hit.kind in (UNKNOWN, NOT_A_DRUM) else kind_of(self.hit.kind, self.hit.subkind)


@dataclass(frozen=True, slots=True, kw_only=True)
class SongOutcome:
    """What became of one song."""

    name: str
    sha256: str = ""
    seconds: float = 0.0
    onsets: int = 0
    isolated: int = 0
    """Hits that are isolated enough."""
    kept: int = 0
    finding: str = ""
    """Why nothing was cut; empty if there were isolated hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """The results of a harvest."""

    sounds: tuple[KeptSound, ...]
    """By cluster, the best first."""
    songs: tuple[SongOutcome, ...]
    """By name, those that could not be read too."""
    clusters: int
    warnings: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[SongOutcome, ...]:
        """The songs without a cut, with the reasons."""
        return tuple(song for song in self.songs if song.finding)
