"""Harvest one-shots from drum performances and loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import check_workers, parse_local_paths, speaks_python
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.curation.harvest.results import Harvest
    from rmod_pipeline.curation.harvest.songs import SongSources


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestResult:
    """The result of a harvest."""

    out: Path
    """The folder with the sounds."""
    harvest: Harvest
    """Sounds, songs with findings, number of clusters, warnings."""
    sounds: Path
    """A CSV file with one row per sound: where it is from, how isolated it is, its class, licence and checksums."""
    songs: Path
    """A CSV file with one row per song."""
    manifest: Path | None
    """The sounds of known kind as a library for ``build``; None if no kind is known."""
    page: Path
    """A page to listen to the clusters."""


@speaks_python
def harvest(
    songs: str | Path | Sequence[str | Path],
    *,
    out: str | Path,
    onsets: str | Path | None = None,
    labels: str | Path | None = None,
    licence: str = "",
    per_cluster: int = 3,
    min_isolation: float = 0.6,
    max_seconds: float = 3.0,
    peak: float | None = None,
    shares: str = "90/5/5",
    classify: bool = True,
    model: str | Path | None = None,
    workers: int = 0,
    progress: bool = True,
) -> HarvestResult:
    """Cut the hits that are alone out of drum performances and loops, and keep the best few of each kind of sound.

    songs: files, or folders of them, of any length. out: a folder that is new, empty, or that of an earlier harvest,
    which is resumed or replaced. onsets: a folder with the known times of the hits of each song, as CSV files. labels:
    a CSV file with kit, licence and source of songs. licence: SPDX, of songs for which nothing else gives one.
    per_cluster: most sounds of one cluster. min_isolation: 0..1. max_seconds: longest cut. peak: dB of full scale that
    every sound is scaled to; None keeps the level. shares: per cent of train/valid/test; a song is in one of them.
    classify: whether to tell kinds by ear. model: another classifier than the one of rmod. workers: processes, 0 for
    one per core. Raises UsageError, ManifestError, ModelError, and LibraryError if nothing can be cut.
    """
    from rmod_pipeline.curation.classify_files import ClassifierChoice
    from rmod_pipeline.curation.harvest.harvest import harvest_songs, require_sounds
    from rmod_pipeline.curation.harvest.own_files import MANIFEST, SONGS, SOUNDS
    from rmod_pipeline.curation.harvest.results import HarvestConfig
    from rmod_pipeline.library.splits import parse_shares
    from rmod_pipeline.pages.harvest import check_harvest_page, write_harvest_page
    from rmod_pipeline.progress import extraction_progress
    from rmod_pipeline.storage.process_identity import available_cores

    folder = parse_local_path(out, "--out")
    paths = parse_local_paths(songs)
    if not paths:
        raise UsageError("SONGS", "no song is given", "give audio files, or folders of them")
    if model is not None and not classify:
        raise UsageError("--model", "is of no use without classes", "leave it out, or classify")
    check_workers(workers)
    check_harvest_page(folder)
    config = HarvestConfig(max_seconds=max_seconds, min_isolation=min_isolation, per_cluster=per_cluster, peak_db=peak)
    choice = ClassifierChoice(None if model is None else parse_local_path(model, "--model")) if classify else None
    with extraction_progress(progress) as on_step:
        harvested = harvest_songs(
            paths,
            folder,
            config,
            classifier=choice,
            sources=_read_sources(onsets, labels, licence),
            shares=parse_shares(shares),
            workers=workers or available_cores(),
            on_step=on_step,
        )
    # Before the error, so that no page of an earlier harvest shows sounds that are gone.
    page = write_harvest_page(harvested, folder)
    require_sounds(harvested, folder)
    manifest = folder / MANIFEST
    return HarvestResult(
        out=folder,
        harvest=harvested,
        sounds=folder / SOUNDS,
        songs=folder / SONGS,
        manifest=manifest if manifest.is_file() else None,
        page=page,
    )


def _read_sources(onsets: str | Path | None, labels: str | Path | None, licence: str) -> SongSources:
    """Return what is known of the songs. Raises UsageError and ManifestError."""
    from rmod_pipeline.curation.harvest.songs import SongSources
    from rmod_pipeline.library.licence_names import parse_licence
    from rmod_pipeline.library.scanning.labels import Labels
    from rmod_pipeline.library.scanning.walk import require_folder

    return SongSources(
        labels=None if labels is None else Labels.read(parse_local_path(labels, "--labels")),
        licence=parse_licence(licence),
        onsets=None if onsets is None else require_folder(parse_local_path(onsets, "--onsets")),
    )
