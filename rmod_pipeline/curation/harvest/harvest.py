"""Harvest one-shots from songs: analyse every song, cluster their hits, and write the best few of each cluster.

    harvest = harvest_songs([Path("loops")], Path("hits"), HarvestConfig(), classifier=ClassifierChoice())

songs -> analyses (onsets, cuts, isolation, description, class) -> clusters -> sounds -> files, tables, manifest
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.classify_files import CRASHED, OpensClassifier, open_once
from rmod_pipeline.curation.harvest.analyse import analyse_song
from rmod_pipeline.curation.harvest.annotations import read_strikes
from rmod_pipeline.curation.harvest.clusters import SongHit, choose_best, is_isolated
from rmod_pipeline.curation.harvest.manifest_rows import write_harvest_manifest
from rmod_pipeline.curation.harvest.output import finish_harvest, write_sounds, write_tables
from rmod_pipeline.curation.harvest.own_files import SONGS, begin_harvest, check_harvest_folder
from rmod_pipeline.curation.harvest.results import (
    Harvest,
    HarvestConfig,
    HarvestSong,
    KeptSound,
    SongAnalysis,
    SongOutcome,
)
from rmod_pipeline.curation.harvest.songs import SongSources, list_songs
from rmod_pipeline.curation.harvest.store import AnalysisStore
from rmod_pipeline.errors import AssetError, LibraryError, UsageError
from rmod_pipeline.extraction.listening.song import Song, song_from_file
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.library.splits import Shares, parse_shares
from rmod_pipeline.storage.writing import report_unwritable

FINDING, WRITING = "finding hits", "writing sounds"

OnHarvestStep = Callable[[str, float, float], None]
"""Called with the current step, what is done, and the total: seconds of songs, then sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTask:
    """One song to analyse."""

    song: HarvestSong
    config: HarvestConfig
    classifier: OpensClassifier | None
    store: AnalysisStore


def harvest_songs(
    paths: Sequence[Path],
    out: Path,
    config: HarvestConfig,
    *,
    classifier: OpensClassifier | None = None,
    sources: SongSources | None = None,
    shares: Shares | None = None,
    workers: int = 1,
    on_step: OnHarvestStep | None = None,
) -> Harvest:
    """Harvest songs into a folder; a harvest that was stopped resumes, and an earlier one is replaced.

    paths: files, and folders of songs. classifier: tells the kinds; None leaves them unknown. sources: what is known of
    the songs. shares: parts of train/valid/test. workers: processes. The files do not depend on workers, nor on the
    order of paths. Raises UsageError, ManifestError, ModelError, and LibraryError if there is no song. A song that
    cannot be used is a finding, never an error; if nothing was cut, songs.csv names the reason for each song.
    """
    config.check()
    on_step, shares = on_step or _ignore_step, shares or parse_shares("90/5/5")
    earlier = check_harvest_folder(out)
    listed = list_songs(paths, out, sources or SongSources())
    source = open_once(classifier).source if classifier else {}
    begin_harvest(out, earlier)
    store = AnalysisStore.of(out, config, str(source.get("sha256", "")))
    tasks = [AnalysisTask(song=song, config=config, classifier=classifier, store=store) for song in listed.songs]
    failed = _analyse_songs(tasks, workers, on_step)
    analyses = {song.name: store.load(song) for song in listed.songs if song.name not in failed}
    harvest = _choose(listed.songs, analyses, failed, listed.unusable, config)
    surveys = {name: analysis.survey for name, analysis in analyses.items() if analysis is not None}
    written = []
    for each in write_sounds(harvest.sounds, surveys, out, earlier, config.peak_db):
        written.append(each)
        on_step(WRITING, len(written), len(harvest.sounds))
    write_tables(harvest, written, out)
    warnings = write_harvest_manifest(written, out, shares, workers, by_ear=classifier is not None)
    finish_harvest(harvest, written, out, config, source)
    return replace(harvest, warnings=tuple(warnings))


def require_sounds(harvest: Harvest, out: Path) -> None:
    """Raise LibraryError with the first reason if nothing was cut."""
    if harvest.sounds:
        return
    reasons = [f"{song.name}: {song.finding}" for song in harvest.findings]
    found = f"nothing was cut from {len(harvest.songs)} songs ({reasons[0]})" if reasons else "there is no song"
    hint = "give songs that can be decoded"
    if any(song.seconds for song in harvest.songs):
        hint = "lower --min-isolation, or give songs with gaps between their hits"
    raise LibraryError(out, found, f"{hint}; {out / SONGS} names the reason for each song")


def analyse_some(tasks: list[AnalysisTask]) -> list[str]:
    """Analyse and store some songs: the unit of work of a worker process. Return why each failed; empty if it did not.

    Raises UsageError if an analysis cannot be stored.
    """
    return [_analyse(task, song_from_file) for task in tasks]


def _analyse(task: AnalysisTask, open_song: Callable[[Path], Song]) -> str:
    classify = open_once(task.classifier).classify if task.classifier else None
    try:
        strikes = read_strikes(task.song.onsets_file) if task.song.onsets_file else None
        analysis = analyse_song(open_song(task.song.path), task.config, classify, strikes)
    except (AssetError, UsageError) as error:
        return error.found
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except MemoryError:
        return "not enough memory to analyse it"
    with report_unwritable(task.store.path(task.song)):
        task.store.save(task.song, analysis)
    return ""


def _analyse_songs(tasks: Sequence[AnalysisTask], workers: int, on_step: OnHarvestStep) -> dict[str, str]:
    """Analyse the songs that have no analysis yet; return the reasons of those that failed, by name."""
    failed: dict[str, str] = {}
    seconds: dict[str, float] = {}
    new: list[AnalysisTask] = []
    for task in tasks:
        if task.store.load(task.song) is not None:
            continue
        try:
            seconds[task.song.name] = song_from_file(task.song.path).seconds
            new.append(task)
        except (AssetError, UsageError) as error:
            failed[task.song.name] = error.found
    # Long songs first, so that no worker is left alone with one at the end.
    new.sort(key=lambda task: (-seconds[task.song.name], task.song.name))
    done, total = 0.0, sum(seconds.values())
    if workers <= 1 or len(new) < 2:
        for task in new:
            opened = _report_song(on_step, done, total)
            if reason := _analyse(task, opened):
                failed[task.song.name] = reason
            done += seconds[task.song.name]
            on_step(FINDING, done, total)
        return failed
    for task, result in map_batches(analyse_some, new, workers, len(new), batch_size=1, fewest_for_pool=2):
        if reason := CRASHED if result is None else result:
            failed[task.song.name] = reason
        done += seconds[task.song.name]
        on_step(FINDING, done, total)
    return failed


def _report_song(on_step: OnHarvestStep, done: float, total: float) -> Callable[[Path], Song]:
    """Return a function that opens a song whose second pass, which takes most of the time, reports the progress."""

    def open_song(path: Path) -> Song:
        song = song_from_file(path)
        passes = count(1)

        def blocks() -> Iterator[NDArray[np.float32]]:
            number, frames = next(passes), 0
            for block in song.blocks():
                yield block
                frames += len(block)
                if number == 2:
                    on_step(FINDING, min(done + frames / song.sample_rate, total), total)

        return replace(song, blocks=blocks)

    return open_song


def _choose(
    songs: Sequence[HarvestSong],
    analyses: Mapping[str, SongAnalysis | None],
    failed: Mapping[str, str],
    unusable: Sequence[SongOutcome],
    config: HarvestConfig,
) -> Harvest:
    """Return the harvest of all analysed songs."""
    hits: list[SongHit] = []
    for song in songs:
        analysis = analyses.get(song.name)
        if analysis is not None:
            hits += [SongHit(song=song, sample_rate=analysis.sample_rate, hit=hit) for hit in analysis.hits]
    chosen, clusters = choose_best(hits, config)
    sounds = tuple(_name_sound(hit, cluster) for hit, cluster in chosen)
    outcomes = [*unusable, *(_outcome(song, analyses.get(song.name), failed, sounds, config) for song in songs)]
    return Harvest(sounds=sounds, songs=tuple(sorted(outcomes, key=lambda outcome: outcome.name)), clusters=clusters)


def _name_sound(hit: SongHit, cluster: int) -> KeptSound:
    sound = KeptSound(file="", song=hit.song, sample_rate=hit.sample_rate, hit=hit.hit, cluster=cluster)
    return replace(sound, file=f"{sound.folder}/{hit.song.key}-{sound.time_seconds:08.3f}.wav")


def _outcome(
    song: HarvestSong,
    analysis: SongAnalysis | None,
    failed: Mapping[str, str],
    sounds: Sequence[KeptSound],
    config: HarvestConfig,
) -> SongOutcome:
    if analysis is None:
        reason = failed.get(song.name, "its analysis cannot be read back: give the command again")
        return SongOutcome(name=song.name, sha256=song.sha256, finding=reason)
    isolated = sum(is_isolated(hit, config) for hit in analysis.hits)
    finding = analysis.finding
    if not finding and not isolated:
        best = max(hit.isolation.value for hit in analysis.hits)
        finding = f"none of {analysis.onsets} hits is isolated enough: the best has {best:.2f}"
    return SongOutcome(
        name=song.name,
        sha256=song.sha256,
        seconds=analysis.seconds,
        onsets=analysis.onsets,
        isolated=isolated,
        kept=sum(sound.song.name == song.name for sound in sounds),
        finding=finding,
    )


def _ignore_step(_step: str, _done: float, _total: float) -> None:
    pass
