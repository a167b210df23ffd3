"""Keep the analyses of songs in the folder of a harvest, so that it resumes, and so that other choices are quick.

    DIR/.harvest/0123456789abcdef-4567.json             one song: its hits, with cuts, isolation, descriptions, classes

A file is named after the bytes of the song and what its analysis depends on, so that it is never used for another.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.curation.harvest.describing.describe import DESCRIPTION_SIZE
from rmod_pipeline.curation.harvest.results import (
    UNKNOWN,
    Cut,
    HarvestConfig,
    HarvestedHit,
    HarvestSong,
    Isolation,
    SongAnalysis,
    SongSurvey,
)
from rmod_pipeline.library.taxonomy import kind_of
from rmod_pipeline.storage.publish import publish_bytes

WORK_FOLDER = ".harvest"
ANALYSIS_VERSION = 1
"""Increase it when a change alters the analysis of the same song."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisStore:
    """The analyses of one kind in the folder of a harvest."""

    out: Path
    described_from: float
    max_seconds: float
    classifier: str
    """What identifies the classifier: its SHA-256; empty without one."""

    @classmethod
    def of(cls, out: Path, config: HarvestConfig, classifier: str) -> AnalysisStore:
        """Return the store for analyses with these settings and this classifier."""
        return cls(
            out=out,
            described_from=config.described_from,
            max_seconds=config.max_seconds,
            classifier=classifier,
        )

    def path(self, song: HarvestSong) -> Path:
        """Return the file for the analysis of a song."""
        depends_on = [
            ANALYSIS_VERSION, self.described_from, self.max_seconds, self.classifier, song.sha256, song.onsets_sha256
        ]  # fmt: skip
        digest = sha256(json.dumps(depends_on).encode()).hexdigest()[:16]
        return self.out / WORK_FOLDER / f"{song.sha256[:16]}-{digest}.json"

    def load(self, song: HarvestSong) -> SongAnalysis | None:
        """Return the stored analysis of a song; None if there is none, or if its file is damaged."""
        try:
            content = json.loads(self.path(song).read_bytes())
            return analysis_from_dict(content)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def save(self, song: HarvestSong, analysis: SongAnalysis) -> None:
        """Store the analysis of a song, completely or not at all. Raises OSError."""
        content = json.dumps(analysis_to_dict(analysis), indent=None, separators=(",", ":")).encode()
        publish_bytes(content + b"\n", self.path(song), self.out / WORK_FOLDER)


def analysis_to_dict(analysis: SongAnalysis) -> dict[str, Any]:
    """Return an analysis as JSON."""
    return {
        "version": ANALYSIS_VERSION,
        "sample_rate": analysis.sample_rate,
        "survey": asdict(analysis.survey),
        "onsets": analysis.onsets,
        "finding": analysis.finding,
        "hits": [_hit_to_dict(hit) for hit in analysis.hits],
    }


def analysis_from_dict(content: Mapping[str, Any]) -> SongAnalysis:
    """Return the analysis of its JSON. Raises KeyError, TypeError and ValueError for anything else."""
    if content["version"] != ANALYSIS_VERSION:
        raise ValueError("another version")
    survey = content["survey"]
    return SongAnalysis(
        sample_rate=int(content["sample_rate"]),
        survey=SongSurvey(**{**survey, "offset": tuple(survey["offset"])}),
        onsets=int(content["onsets"]),
        finding=str(content["finding"]),
        hits=tuple(_hit_from_dict(hit) for hit in content["hits"]),
    )


def _hit_to_dict(hit: HarvestedHit) -> dict[str, Any]:
    return {
        "cut": asdict(hit.cut),
        "isolation": asdict(hit.isolation),
        "peak": hit.peak,
        "kind": hit.kind,
        "subkind": hit.subkind,
        "confidence": hit.confidence,
        "description": base64.b64encode(hit.description.tobytes()).decode(),
    }


def _hit_from_dict(content: Mapping[str, Any]) -> HarvestedHit:
    description = np.frombuffer(base64.b64decode(content["description"]), np.uint8)
    if description.size != DESCRIPTION_SIZE:
        raise ValueError("a description of another size")
    if content["kind"] != UNKNOWN:
        kind_of(content["kind"], content["subkind"])  # it becomes the name of a folder, so it must be one of the table
    return HarvestedHit(
        cut=Cut(**content["cut"]),
        isolation=Isolation(**content["isolation"]),
        peak=float(content["peak"]),
        kind=str(content["kind"]),
        subkind=str(content["subkind"]),
        confidence=float(content["confidence"]),
        description=description,
    )
