"""Run harvests, and look at what they wrote."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from rmod_pipeline.curation.harvest.harvest import harvest_songs
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig
from tests.curation.harvest.drum_songs import FakeChoice

SONG_COUNT = 3

FIELDS = {"max_seconds", "min_isolation", "per_cluster", "peak_db"}


def run(songs: Path | list[Path], out: Path, **settings: Any) -> Harvest:
    # All hits, so that nothing depends on the weights of the network that tells one drum from several.
    chosen = {"min_isolation": 0.0} | {name: settings.pop(name) for name in list(settings) if name in FIELDS}
    config = HarvestConfig(**chosen)
    paths = songs if isinstance(songs, list) else [songs]
    return harvest_songs(paths, out, config, classifier=FakeChoice(), **settings)


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
