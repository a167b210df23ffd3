"""The scan: a folder of audio becomes a manifest's rows, and a reason for everything that does not.

folder -> files -> descriptions (names, labels) -> measurements -> kept and dropped -> sounds -> splits -> assets
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import path_problem
from rmod_pipeline.library.process_pool import ScanProgress, map_batches
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask, UnusableFile, measure_batch
from rmod_pipeline.library.scanning.near_duplicates import FingerprintedFile, group_copies
from rmod_pipeline.library.scanning.previous import Previous
from rmod_pipeline.library.scanning.walk import existing_folder, find_audio
from rmod_pipeline.library.splits import Shares, SplitAssignment, SplitItem, assign_splits, uneven_splits
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS, PathDescription, describe_path

SILENT_DBFS = -60.0
"""A file whose peak is below this is silent."""
SHORTEST_SECONDS = 0.005
"""What is shorter is a click at best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRules:
    """What a scan is told."""

    shares: Shares
    licence: str = ""
    """For files that neither labels nor names give one."""
    max_one_shot_seconds: float = 10.0
    max_loop_seconds: float = 600.0
    workers: int = 1

    def max_seconds(self, kind: str) -> float:
        return self.max_one_shot_seconds if kind in ONE_SHOT_KINDS else self.max_loop_seconds


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file that is not used, and why."""

    path: str
    """Relative to the manifest's folder, as far as the file lies below it."""
    reason: str


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that is used."""

    path: Path
    name: str
    """Its path relative to the root, POSIX."""
    said: PathDescription
    heard: MeasuredFile


@dataclass(slots=True, kw_only=True)
class Scan:
    """What a scan found."""

    assets: list[Asset] = field(default_factory=list)
    dropped: list[DroppedFile] = field(default_factory=list)
    copies: list[list[str]] = field(default_factory=list)
    """Paths of files that hold one sound, the largest group first; single files are left out."""
    rule: dict[str, str] = field(default_factory=dict)
    """By kind: split by ``kit`` or by ``sound``."""
    warnings: list[str] = field(default_factory=list)
    root: str = "."
    """The folder that paths are relative to, itself relative to the manifest's folder, POSIX."""
    ignored: int = 0
    """Files that are not audio by their suffix."""


def scan_folder(
    folder: Path,
    manifest: Path,
    rules: ScanRules,
    *,
    labels: Labels | None = None,
    previous: Previous | None = None,
    cache: ScanCache | None = None,
    progress: ScanProgress | None = None,
) -> Scan:
    """Return what a folder holds, as rows of a manifest that is to stand at ``manifest``; writes nothing but the cache.

    Raises UsageError for a folder that cannot be read, and LibraryError if there is no audio file in it. Anything wrong
    with one file ends in ``dropped``.
    """
    place = _FilePlace.of(folder, manifest)
    found = find_audio(place.folder, place.root)
    if not found.files and not found.dropped:
        hint = "name a folder with WAV, AIFF, FLAC, OGG or MP3 files"
        raise LibraryError(folder, f"no audio files ({found.ignored} files of other kinds)", hint)
    previous, drops = previous or Previous.none(), _Drops(place)
    for path, reason in found.dropped:
        drops.add(path, reason)
    described = _described(found.files, place, labels, rules, drops)
    if labels:
        labels.check_used(place.folder)
    cache = cache or ScanCache(None)
    kept = _Reading(rules, cache, progress).kept(described, drops)
    heard = [FingerprintedFile(item.path, item.heard.sound, item.heard.fingerprint) for item in kept]
    copies = dict(zip((item.name for item in kept), group_copies(heard, rules.workers, cache, progress), strict=True))
    sounds = _sounds(kept, copies, previous)
    assigned = assign_splits(sounds, rules.shares)
    return Scan(
        assets=_assets(kept, assigned, previous),
        dropped=sorted(drops.rows, key=lambda drop: drop.path),
        copies=_copies(copies),
        rule=assigned.rule,
        warnings=[*_warnings(assigned, labels, place.folder), *uneven_splits(sounds, assigned, rules.shares)],
        root=place.seen_from(manifest),
        ignored=found.ignored,
    )


@dataclass(frozen=True, slots=True)
class _FilePlace:
    """Where a scan looks and what its paths are relative to, both free of links."""

    folder: Path
    root: Path

    @classmethod
    def of(cls, folder: Path, manifest: Path) -> _FilePlace:
        """Let paths be relative to the manifest's folder, or to the scanned one if that does not lie in it."""
        scanned, beside = (
            Path(os.path.realpath(each)) for each in (existing_folder(folder), manifest.absolute().parent)
        )
        return cls(scanned, beside if scanned.is_relative_to(beside) else scanned)

    def name(self, path: Path) -> str:
        """Return a found path relative to the root, POSIX."""
        return path.relative_to(self.root).as_posix()

    def seen_from(self, manifest: Path) -> str:
        """Return the root relative to the manifest's folder, POSIX."""
        return Path(os.path.relpath(self.root, os.path.realpath(manifest.absolute().parent))).as_posix()


@dataclass(slots=True)
class _Drops:
    """The list of what is not used, as it grows."""

    place: _FilePlace
    rows: list[DroppedFile] = field(default_factory=list)

    def add(self, path: Path, reason: str) -> None:
        self.rows.append(DroppedFile(self.place.name(path), reason))


def _described(
    files: Iterable[Path], place: _FilePlace, labels: Labels | None, rules: ScanRules, drops: _Drops
) -> dict[Path, PathDescription]:
    """Return what is said of each file; those of unknown kind are dropped."""
    described = {}
    for path in files:
        problem = path_problem(place.name(path))
        if problem:
            drops.add(path, f"the name {problem}: rename it")
            continue
        said = describe_path(PurePosixPath(path.relative_to(place.folder).as_posix()))
        if labels:
            said = labels.improve(path, said)
        if said.kind:
            described[path] = replace(said, licence=said.licence or rules.licence)
        else:
            drops.add(path, "kind unknown: use --labels")
    return described


@dataclass(frozen=True, slots=True)
class _Reading:
    """How files are read: by what rules, past what cache, and who is told how far it is."""

    rules: ScanRules
    cache: ScanCache
    progress: ScanProgress | None

    def kept(self, described: dict[Path, PathDescription], drops: _Drops) -> list[KeptFile]:
        """Return the usable files, sorted by name."""
        tasks = [MeasureTask(path, self.rules.max_seconds(said.kind)) for path, said in described.items()]
        kept = []
        for done, (task, heard) in enumerate(self._measured(tasks), start=1):
            reason = _unusable(heard, task.max_seconds)
            if isinstance(heard, MeasuredFile) and not reason:
                kept.append(KeptFile(task.path, drops.place.name(task.path), described[task.path], heard))
            else:
                drops.add(task.path, reason)
            if self.progress:
                self.progress("Reading", done, len(tasks))
        return sorted(kept, key=lambda item: item.name)

    def _measured(
        self, tasks: Iterable[MeasureTask]
    ) -> Iterator[tuple[MeasureTask, MeasuredFile | UnusableFile | None]]:
        """Yield every file with what it holds, from the cache if it has not changed."""
        fresh: list[MeasureTask] = []
        status: dict[Path, os.stat_result] = {}
        for task in tasks:
            try:
                status[task.path] = task.path.stat()
            except OSError as error:
                yield task, UnusableFile(reason=f"cannot be read: {error.strerror}", lasting=False)
                continue
            known = self.cache.known(task.path, status[task.path])
            if known:
                yield task, known
            else:
                fresh.append(task)
        for task, heard in map_batches(measure_batch, fresh, self.rules.workers, len(fresh)):
            if heard:
                self.cache.keep(task.path, status[task.path], heard)
            yield task, heard


def _unusable(heard: MeasuredFile | UnusableFile | None, max_seconds: float) -> str:
    """Return why a file is dropped; empty if it is not."""
    if heard is None:
        return "the decoder crashed on it"
    if isinstance(heard, UnusableFile):
        return heard.reason
    if heard.seconds > max_seconds:
        return f"too long: {heard.seconds:.1f} s, at most {max_seconds:g} s"
    if heard.seconds < SHORTEST_SECONDS:
        return f"too short: {heard.frames} frames, {1000 * heard.seconds:.1f} ms"
    if heard.swing_dbfs < SILENT_DBFS:
        return f"silent: peak {heard.swing_dbfs:.1f} dBFS"
    return ""


def _copies(sound_of: dict[str, str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name, sound in sound_of.items():
        groups.setdefault(sound, []).append(name)
    return sorted(
        (sorted(names) for names in groups.values() if len(names) > 1), key=lambda names: (-len(names), names)
    )


def _sounds(kept: Iterable[KeptFile], copies: dict[str, str], previous: Previous) -> list[SplitItem]:
    return [
        SplitItem(
            id=item.name,
            kind=item.said.kind,
            kit=item.said.kit,
            copies=copies[item.name][:16],
            pinned=previous.split_of(item.path, item.heard.sha256),
        )
        for item in kept
    ]


def _assets(kept: list[KeptFile], assigned: SplitAssignment, previous: Previous) -> list[Asset]:
    ids = _ids(kept, previous)
    return [
        Asset(
            id=ids[item.name],
            path=item.name,
            kind=item.said.kind,
            kit=item.said.kit,
            group=assigned.group[item.name],
            split=assigned.split[item.name],
            licence=item.said.licence,
            source=item.said.source,
            sha256=item.heard.sha256,
            sample_rate=item.heard.sample_rate,
            channels=item.heard.channels,
            frames=item.heard.frames,
            peak_dbfs=item.heard.peak_dbfs,
            rms_dbfs=item.heard.rms_dbfs,
        )
        for item in kept
    ]


def _ids(kept: list[KeptFile], previous: Previous) -> dict[str, str]:
    """Return an id for each name: the old one if it has one, else the path in plain letters, made unique by a hash."""
    ids = {item.name: old.id for item in kept if (old := previous.at(item.path))}
    used = set(ids.values())
    for item in kept:
        if item.name in ids:
            continue
        plain = _plain(item.name)
        if plain in used:
            plain = f"{plain}-{sha256(item.name.encode()).hexdigest()[:8]}"
        ids[item.name] = plain
        used.add(plain)
    return ids


def _plain(name: str) -> str:
    parts = (re.sub(r"[\W_]+", "-", part).strip("-").lower() for part in PurePosixPath(name).with_suffix("").parts)
    return "/".join(part for part in parts if part) or "sound"


def _warnings(assigned: SplitAssignment, labels: Labels | None, folder: Path) -> Iterator[str]:
    for name in assigned.torn:
        yield f"{name} lies on two sides since the previous manifest; scan without --previous to mend it"
    unused = labels.unused(folder) if labels else []
    if unused:
        yield f"{len(unused)} labelled files are not there or no audio, the first: {unused[0]}"
