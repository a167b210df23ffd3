"""Scan a folder of audio files into the rows of a manifest, with a reason for every file that is dropped.

folder -> files -> descriptions (names, labels) -> measurements -> kept and dropped files -> splits -> assets
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.kinds.describe import PathDescription, describe_paths
from rmod_pipeline.library.manifest import find_path_problem
from rmod_pipeline.library.process_pool import ScanProgress, map_batches
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.formats import suffix_of
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.listening import Listener, SuspectedLabel, hear_kinds
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask, UnusableFile, measure_batch
from rmod_pipeline.library.scanning.near_duplicates import FingerprintedFile, group_copies
from rmod_pipeline.library.scanning.previous import PreviousManifest
from rmod_pipeline.library.scanning.rows import KeptFile, make_assets
from rmod_pipeline.library.scanning.walk import ScanPaths, find_audio_files
from rmod_pipeline.library.splits import (
    Shares,
    SplitAssignment,
    SplitItem,
    assign_splits,
    find_divided_kits,
    find_uneven_splits,
)
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS

SILENT_DBFS = -60.0
"""A file with a lower peak, in stereo or in mono and without a constant offset, is silent."""
MIN_SECONDS = 0.005
"""A sound that is shorter than this from its onset on is a click at best."""
SEVERAL_HITS = "several hits"
"""Begins the reason for which loops, fills, rolls and chains of samples are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """Settings of a scan."""

    shares: Shares
    licence: str = ""
    """Licence of files for which labels and names give none."""
    max_one_shot_seconds: float = 10.0
    max_loop_seconds: float = 600.0
    rolls: bool = False
    """Whether one-shots may be rolls and flams, by their names."""
    workers: int = 1

    def max_seconds(self, kind: str) -> float:
        """Return the length limit of a kind."""
        return self.max_one_shot_seconds if kind in ONE_SHOT_KINDS else self.max_loop_seconds


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file that is not used, and the reason."""

    path: str
    """POSIX path relative to the root."""
    reason: str


@dataclass(frozen=True, slots=True)
class IgnoredFiles:
    """Files that are not audio, counted by suffix and reason."""

    suffix: str
    reason: str
    count: int


@dataclass(slots=True, kw_only=True)
class Scan:
    """The results of a scan."""

    assets: list[Asset] = field(default_factory=list)
    dropped: list[DroppedFile] = field(default_factory=list)
    copies: list[list[str]] = field(default_factory=list)
    """Groups of files that hold the same sound, as paths, the largest group first; groups of one are left out."""
    split_by: dict[str, str] = field(default_factory=dict)
    """``kit`` or ``sound`` by kind."""
    warnings: list[str] = field(default_factory=list)
    root: str = "."
    """Folder that the assets' paths are relative to, itself relative to the manifest's folder, POSIX."""
    ignored_files: list[IgnoredFiles] = field(default_factory=list)
    """Files that are not audio, and hidden ones, by reason and suffix, the most frequent first."""
    suspects: list[SuspectedLabel] = field(default_factory=list)
    """Files whose names or labels an ear contradicts; their paths are relative to the root."""

    @property
    def ignored(self) -> int:
        """Number of files that are not audio or hidden."""
        return sum(files.count for files in self.ignored_files)


def scan_folder(
    folder: Path,
    manifest: Path,
    config: ScanConfig,
    *,
    labels: Labels | None = None,
    previous: PreviousManifest | None = None,
    cache: ScanCache | None = None,
    listener: Listener | None = None,
    progress: ScanProgress | None = None,
) -> Scan:
    """Scan a folder into rows for a manifest at the path ``manifest``. Writes only to the cache.

    ``listener`` hears the kinds of files; without one they come from names and labels alone. Raises UsageError if the
    folder cannot be read, and LibraryError if it holds no audio file. A problem with a single file is recorded in
    ``dropped``.
    """
    paths = ScanPaths.of(folder, manifest)
    contents = find_audio_files(paths.folder, paths.root)
    ignored_files = count_ignored(contents.ignored, manifest)
    if not contents.files and not contents.dropped:
        raise _no_audio_error(folder, ignored_files)
    previous, dropped = previous or PreviousManifest.empty(), _DroppedFiles(paths)
    for path, reason in contents.dropped:
        dropped.add(path, reason)
    described = _describe_files(contents.files, paths, labels, config, dropped)
    if labels:
        labels.check_used(paths.folder)
    described, suspects = hear_kinds(described, listener, progress) if listener else (described, [])
    descriptions = _drop_by_name(described, config, dropped, "" if listener else ", or --listen")
    cache = cache or ScanCache(None)
    kept = _FileReader(config, cache, progress).read(descriptions, dropped)
    fingerprinted = [FingerprintedFile(file.path, file.measured.sound, file.measured.fingerprint) for file in kept]
    sounds = group_copies(fingerprinted, config.workers, cache, progress)
    sound_of = dict(zip((file.name for file in kept), sounds, strict=True))
    items = _make_split_items(kept, sound_of, previous)
    assignment = assign_splits(items, config.shares)
    warnings = [
        *_list_warnings(assignment, labels, paths.folder),
        *find_uneven_splits(items, assignment, config.shares),
        *find_divided_kits(items, assignment),
    ]
    return Scan(
        assets=make_assets(kept, assignment, previous, listened=listener is not None),
        dropped=sorted(dropped.rows, key=lambda file: file.path),
        copies=_group_names(sound_of),
        split_by=assignment.split_by,
        warnings=warnings,
        root=paths.root_relative_to(manifest),
        ignored_files=ignored_files,
        suspects=[replace(suspect, path=PurePosixPath(paths.name(Path(suspect.path)))) for suspect in suspects],
    )


@dataclass(slots=True)
class _DroppedFiles:
    """Collects the files that are not used."""

    paths: ScanPaths
    rows: list[DroppedFile] = field(default_factory=list)

    def add(self, path: Path, reason: str) -> None:
        self.rows.append(DroppedFile(self.paths.name(path), reason))


def count_ignored(ignored: Iterable[tuple[Path, str]], manifest: Path) -> list[IgnoredFiles]:
    """Count the ignored files by reason and suffix, without the manifest and the report of an earlier scan."""
    own_files = {os.path.realpath(path) for path in (manifest, manifest.with_suffix(".report.csv"))}
    counts = Counter(
        (reason, "folder" if path.is_dir() else suffix_of(path))
        for path, reason in ignored
        if os.path.realpath(path) not in own_files
    )
    ordered = sorted(counts.items(), key=lambda item: (item[0][0], -item[1], item[0][1]))
    return [IgnoredFiles(suffix, reason, count) for (reason, suffix), count in ordered]


def _no_audio_error(folder: Path, ignored_files: Sequence[IgnoredFiles]) -> LibraryError:
    count = sum(files.count for files in ignored_files)
    suffixes = ", ".join(f"{files.suffix} {files.count}" for files in ignored_files[:5])
    found = f"no audio files ({count} files of other kinds{': ' if suffixes else ''}{suffixes})"
    return LibraryError(folder, found, "name a folder with WAV, AIFF, FLAC, OGG or MP3 files")


def _describe_files(
    files: Iterable[Path], paths: ScanPaths, labels: Labels | None, config: ScanConfig, dropped: _DroppedFiles
) -> dict[Path, PathDescription]:
    """Return the description of each file by names and labels; files whose names no manifest can hold are dropped."""
    relative_paths: dict[Path, PurePosixPath] = {}
    for path in files:
        problem = find_path_problem(paths.name(path))
        if problem:
            dropped.add(path, f"the name {problem}: rename it")
        else:
            relative_paths[path] = PurePosixPath(path.relative_to(paths.folder).as_posix())
    guesses = describe_paths(relative_paths.values())
    descriptions = {}
    for path, relative_path in relative_paths.items():
        description = guesses[relative_path]
        if labels:
            description = labels.override(path, description)
        descriptions[path] = replace(description, licence=description.licence or config.licence)
    return descriptions


def _drop_by_name(
    descriptions: Mapping[Path, PathDescription], config: ScanConfig, dropped: _DroppedFiles, remedy: str
) -> dict[Path, PathDescription]:
    """Return the descriptions without files of unknown kind and loops of drums by their names, which are dropped.

    ``remedy``: what helps against an unknown kind, beside labels.
    """
    reasons = {path: _find_name_reason(description, config, remedy) for path, description in descriptions.items()}
    for path, reason in reasons.items():
        if reason:
            dropped.add(path, reason)
    return {path: description for path, description in descriptions.items() if not reasons[path]}


def _find_name_reason(description: PathDescription, config: ScanConfig, remedy: str) -> str:
    """Return why a file is dropped before it is read; empty if it is not."""
    if not description.kind:
        return description.ear_reason or f"kind unknown: use --labels{remedy}"
    if not description.several_hits or description.kind not in ONE_SHOT_KINDS:
        return ""
    if not description.is_roll:
        return f"{SEVERAL_HITS}: the name says {description.several_hits}; list it in --labels if it holds one"
    return "" if config.rolls else f"{SEVERAL_HITS}: the name says {description.several_hits}; --rolls keeps it"


@dataclass(frozen=True, slots=True)
class _FileReader:
    """Measures files, or takes their measurements from the cache."""

    config: ScanConfig
    cache: ScanCache
    progress: ScanProgress | None

    def read(self, descriptions: dict[Path, PathDescription], dropped: _DroppedFiles) -> list[KeptFile]:
        """Return the usable files, sorted by name; the others are dropped."""
        tasks = [
            MeasureTask(path, self.config.max_seconds(description.kind)) for path, description in descriptions.items()
        ]
        kept = []
        measured = measure_files(tasks, self.cache, self.config.workers)
        for done, (task, result) in enumerate(measured, start=1):
            reason = find_drop_reason(result, task.max_seconds) or self._find_loop_reason(
                result, descriptions[task.path]
            )
            if isinstance(result, MeasuredFile) and not reason:
                kept.append(KeptFile(task.path, dropped.paths.name(task.path), descriptions[task.path], result))
            else:
                dropped.add(task.path, reason)
            if self.progress:
                self.progress("Reading", done, len(tasks))
        return sorted(kept, key=lambda file: file.name)

    def _find_loop_reason(self, result: MeasuredFile | UnusableFile | None, description: PathDescription) -> str:
        """Return why a sound is no one-shot, if it is to be one; empty if it holds one hit."""
        is_allowed_roll = self.config.rolls and description.is_roll
        if not isinstance(result, MeasuredFile) or result.hits == 1 or is_allowed_roll:
            return ""
        if description.kind not in ONE_SHOT_KINDS:
            return ""
        return f"{SEVERAL_HITS}: {result.hits} of like strength in {result.seconds:.1f} s; cut them apart"


def measure_files(
    tasks: Iterable[MeasureTask], cache: ScanCache, workers: int
) -> Iterator[tuple[MeasureTask, MeasuredFile | UnusableFile | None]]:
    """Yield every file with its measurement, from the cache if the file has not changed; None after a crash."""
    uncached: list[MeasureTask] = []
    status: dict[Path, os.stat_result] = {}
    for task in tasks:
        try:
            status[task.path] = task.path.stat()
        except OSError as error:
            yield task, UnusableFile(reason=f"cannot be read: {error.strerror}", lasting=False)
            continue
        cached = cache.load_measurement(task.path, status[task.path])
        if cached:
            yield task, cached
        else:
            uncached.append(task)
    for task, result in map_batches(measure_batch, uncached, workers, len(uncached)):
        if result:
            cache.store_measurement(task.path, status[task.path], result)
        yield task, result


def find_drop_reason(result: MeasuredFile | UnusableFile | None, max_seconds: float) -> str:
    """Return why a file is dropped; empty if it is kept."""
    if result is None:
        return "the decoder crashed on it"
    if isinstance(result, UnusableFile):
        return result.reason
    if result.seconds > max_seconds:
        return f"too long: {result.seconds:.1f} s, at most {max_seconds:g} s"
    frames = result.frames - result.onset
    if frames < MIN_SECONDS * result.sample_rate:
        return f"too short: {frames} frames, {1000 * frames / result.sample_rate:.1f} ms"
    return _find_silence(result)


def _find_silence(measured: MeasuredFile) -> str:
    """Return why a sound is silent; empty if it is heard in stereo and in mono."""
    if measured.swing_dbfs < SILENT_DBFS:
        return f"silent: peak {measured.swing_dbfs:.1f} dBFS"
    if measured.mono_swing_dbfs < SILENT_DBFS:
        return f"silent in mono, because its channels cancel: peak {measured.mono_swing_dbfs:.1f} dBFS"
    return ""


def _group_names(sound_of: dict[str, str]) -> list[list[str]]:
    """Return the names of files that hold the same sound, the largest group first; groups of one are left out."""
    groups: dict[str, list[str]] = {}
    for name, sound in sound_of.items():
        groups.setdefault(sound, []).append(name)
    copies = (sorted(names) for names in groups.values() if len(names) > 1)
    return sorted(copies, key=lambda names: (-len(names), names))


def _make_split_items(
    kept: Iterable[KeptFile], sound_of: dict[str, str], previous: PreviousManifest
) -> list[SplitItem]:
    return [
        SplitItem(
            id=file.name,
            kind=file.description.kind,
            kit=file.description.kit,
            copies=sound_of[file.name][:16],
            pinned=previous.split_of(file.path, file.measured.sha256),
        )
        for file in kept
    ]


def _list_warnings(assignment: SplitAssignment, labels: Labels | None, folder: Path) -> Iterator[str]:
    for name in assignment.divided:
        yield f"{name} is in two splits since the previous manifest; scan without --previous to join it"
    for kind, count, known in labels.misspelt_kinds() if labels else ():
        yield f"the labels give {count} files the kind {kind}, which recipes call {known} -> write {known}"
    unused = labels.unused(folder) if labels else []
    if unused:
        yield f"{len(unused)} labelled files do not exist or are not audio, the first: {unused[0]}"
