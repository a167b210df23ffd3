"""Scan a folder of MIDI files into a manifest of grooves, with a reason for every file that is dropped."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path, PurePosixPath

from rmod_pipeline.errors import LibraryError, RmodError, UsageError
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.manifest import write_csv_rows
from rmod_pipeline.library.scanning.formats import find_reason_to_skip_midi
from rmod_pipeline.library.scanning.report import REPORT_COLUMNS, list_unused, refuse_overwriting, report_path
from rmod_pipeline.library.scanning.scan import DroppedFile, IgnoredFiles, count_ignored
from rmod_pipeline.library.scanning.walk import FolderContents, ScanPaths, find_files
from rmod_pipeline.library.splits import SplitAssignment, SplitItem, assign_splits, find_uneven_splits, parse_shares
from rmod_pipeline.patterns.drum_maps import DrumMap, load_drum_map, map_names
from rmod_pipeline.patterns.manifest import GROOVE_COLUMNS, METRE, GrooveEntry, format_counts, write_groove_manifest
from rmod_pipeline.patterns.midi_file import MOST_BYTES, MidiError
from rmod_pipeline.patterns.performance import Performance, read_performance
from rmod_pipeline.patterns.sources import FolderFacts, PerformanceFacts, read_folder_facts
from rmod_pipeline.recipe.schema import GROOVE

HINTS = "hints"
"""What stands in place of shares to keep the splits that a source proposes."""

DRUMMER, PERFORMANCE = "drummer", "performance"
_GROUP_NAMES = {"kit": DRUMMER, "sound": PERFORMANCE}
"""The units of the assignment of splits, which is that of sounds, and what they are for grooves."""

CountFiles = Callable[[str, int, int], None]
"""Called with the name of the step, the number of finished files, and the number of all files."""


@dataclass(slots=True, kw_only=True)
class GrooveScan:
    """The results of a scan."""

    entries: list[GrooveEntry] = field(default_factory=list)
    dropped: list[DroppedFile] = field(default_factory=list)
    ignored_files: list[IgnoredFiles] = field(default_factory=list)
    """Files that are not MIDI, and hidden ones, by reason and suffix."""
    copies: list[list[str]] = field(default_factory=list)
    """Groups of files with the same hits, as paths."""
    split_by: str = DRUMMER
    """``drummer``, ``performance``, or ``hints``."""
    warnings: list[str] = field(default_factory=list)
    root: str = "."
    """Folder that the paths of entries are relative to, itself relative to the manifest's folder, POSIX."""


@dataclass(frozen=True, slots=True)
class _KeptFile:
    """A performance that can be used."""

    name: str
    """Path relative to the root."""
    facts: PerformanceFacts
    performance: Performance
    checksum: str
    content: str
    """Digest of the hits, which copies of one performance share."""


def scan_grooves_to_manifest(
    folder: Path,
    manifest: Path,
    *,
    drum_map: str | Path | None = None,
    licence: str = "",
    source: str = "",
    shares: str = "90/5/5",
    progress: CountFiles = lambda _step, _done, _total: None,
) -> GrooveScan:
    """Scan a folder and write its manifest and report.

    drum_map: the name of a map, or the path of one; by default that of the data set, or General MIDI. licence, source:
    of files that nothing else gives one. shares: percentages of train/valid/test, or ``hints`` for the splits that the
    data set proposes. Raises UsageError, ManifestError, RecipeError, and LibraryError if no file can be used.
    """
    refuse_overwriting(manifest, GROOVE_COLUMNS)
    parse_licence(licence)
    paths = ScanPaths.of(folder, manifest)
    facts = read_folder_facts(paths.folder)
    name = facts.drum_map if drum_map is None else str(drum_map)
    loaded = load_drum_map(name)
    scan = GrooveScan(root=paths.root_relative_to(manifest), warnings=list(facts.warnings))
    contents = find_files(paths.folder, paths.root, find_reason_to_skip_midi)
    scan.ignored_files = count_ignored(contents.ignored, manifest)
    kept = []
    for file in _read_files(paths, contents, loaded, facts, scan):
        kept.append(file)
        progress("Reading", len(kept) + len(scan.dropped), len(contents.files) + len(contents.dropped))
    if kept:
        stored_map = name if name in map_names() else _relative_path(Path(name), manifest)
        _add_entries(kept, stored_map, PerformanceFacts(licence=licence, source=source), shares, scan)
    _write(scan, manifest)
    return scan


def _read_files(
    paths: ScanPaths, contents: FolderContents, drum_map: DrumMap, facts: FolderFacts, scan: GrooveScan
) -> Iterator[_KeptFile]:
    """Yield the performances that can be used, and record all other files."""
    scan.dropped = [DroppedFile(paths.name(path), reason) for path, reason in contents.dropped]
    unmapped = Counter[int]()
    for path in contents.files:
        name = paths.name(path)
        try:
            data = _read_file(path)
            performance = read_performance(data, drum_map, path)
        except RmodError as error:
            scan.dropped.append(DroppedFile(name, error.found))
        else:
            unmapped.update(performance.unmapped)
            known = facts.find(PurePosixPath(path.relative_to(paths.folder).as_posix()))
            yield _KeptFile(name, known, performance, sha256(data).hexdigest(), _digest_hits(performance))
    scan.dropped.sort(key=lambda file: file.path)
    if unmapped:
        keys = ", ".join(f"{key} ({count} hits)" for key, count in unmapped.most_common())
        scan.warnings.append(f"the map {drum_map.name} has no kind for the keys {keys} -> these hits do not sound")


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise MidiError(path, f"too large for a performance: {path.stat().st_size} bytes")
        return path.read_bytes()
    except OSError as error:
        raise MidiError(path, f"cannot be read: {error.strerror or error}") from error


def _digest_hits(performance: Performance) -> str:
    hits = sorted((kind, of_kind) for kind, of_kind in performance.hits.items())
    return sha256(repr((performance.units_per_second, hits)).encode()).hexdigest()


def _add_entries(
    kept: Sequence[_KeptFile], stored_map: str, defaults: PerformanceFacts, shares: str, scan: GrooveScan
) -> None:
    """Add the rows of the manifest, with the splits of all files."""
    is_hinted = shares == HINTS
    if is_hinted and not any(file.facts.split_hint for file in kept):
        raise UsageError("--splits", "no file has a split that its source proposes", "write three numbers: 90/5/5")
    wanted = parse_shares("90/5/5" if is_hinted else shares)
    items = [
        SplitItem(
            id=file.name,
            kind=GROOVE,
            kit="" if is_hinted else file.facts.drummer,
            copies=file.content,
            pinned=file.facts.split_hint if is_hinted else "",
        )
        for file in kept
    ]
    assignment = assign_splits(items, wanted)
    scan.split_by = HINTS if is_hinted else _GROUP_NAMES[assignment.split_by[GROOVE]]
    if not is_hinted:
        scan.warnings += map(_in_words_of_grooves, find_uneven_splits(items, assignment, wanted))
    names = _name_performances(kept)
    scan.entries += [_make_entry(file, names[file.name], stored_map, defaults, assignment) for file in kept]
    by_content: dict[str, list[str]] = defaultdict(list)
    for file in kept:
        by_content[file.content].append(file.name)
    scan.copies = sorted((same for same in by_content.values() if len(same) > 1), key=lambda same: (-len(same), same))


def _make_entry(
    file: _KeptFile, name: str, stored_map: str, defaults: PerformanceFacts, assignment: SplitAssignment
) -> GrooveEntry:
    performance, facts = file.performance, file.facts
    unit, _, rest = assignment.group[file.name].partition("/")
    return GrooveEntry(
        performance=name,
        drummer=facts.drummer,
        path=file.name,
        sha256=file.checksum,
        map=stored_map,
        style=facts.style,
        tempo=performance.bpm(0),
        metre=METRE,
        bars=len(performance.bars) - 1,
        seconds=float(f"{performance.seconds:.6g}"),
        kinds=format_counts({kind: len(hits) for kind, hits in performance.hits.items()}),
        licence=facts.licence or defaults.licence,
        source=facts.source or defaults.source,
        group=f"{_GROUP_NAMES[unit]}/{rest}",
        split=assignment.split[file.name],
        split_hint=facts.split_hint,
    )


def _name_performances(kept: Sequence[_KeptFile]) -> dict[str, str]:
    """Return the id of each file: that of its list, or its path without suffix, made unique by a hash."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for file in kept:
        plain = file.facts.performance or str(PurePosixPath(file.name).with_suffix(""))
        plain = "".join(character if character.isprintable() else "-" for character in plain)
        if plain in used:
            plain = f"{plain}-{sha256(file.name.encode()).hexdigest()[:8]}"
        names[file.name] = plain
        used.add(plain)
    return names


def _in_words_of_grooves(warning: str) -> str:
    """Return a warning about the splits of kits and sounds in the words of drummers and performances."""
    drummers = warning.replace("name kits with --labels, add other kits", "add other drummers")
    return drummers.replace("kits", "drummers").replace("sounds", "performances")


def _relative_path(path: Path, manifest: Path) -> str:
    """Return the path of a map relative to the manifest's folder, POSIX."""
    return Path(os.path.relpath(path.resolve(), os.path.realpath(manifest.absolute().parent))).as_posix()


def _write(scan: GrooveScan, manifest: Path) -> None:
    """Write the manifest and its report. Raises LibraryError if no file can be used, after the report."""
    rows = [("warning", "", "", warning) for warning in scan.warnings]
    rows += list_unused(scan)
    for number, paths in enumerate(scan.copies, start=1):
        rows += [("copies", str(number), path, f"{len(paths)} files have the same hits") for path in paths]
    write_csv_rows(report_path(manifest), REPORT_COLUMNS, rows)
    if not scan.entries:
        reasons = Counter(file.reason.split(":")[0] for file in scan.dropped).most_common(3)
        found = ", ".join(f"{count} x {reason}" for reason, count in reasons) or "there is no MIDI file"
        raise LibraryError(manifest, f"no file can be used ({found})", f"{report_path(manifest)} names each file")
    write_groove_manifest(manifest, scan.entries, scan.root)


def count_splits(entries: Sequence[GrooveEntry], seconds: float) -> Mapping[str, tuple[int, int, int, float]]:
    """Return, by split: drummers, performances, those of ``seconds`` or more, and minutes."""
    by_split: dict[str, list[GrooveEntry]] = defaultdict(list)
    for entry in entries:
        by_split[entry.split].append(entry)
    return {
        split: (
            len({entry.drummer for entry in of_split}),
            len(of_split),
            sum(entry.seconds >= seconds for entry in of_split),
            sum(entry.seconds for entry in of_split) / 60,
        )
        for split, of_split in by_split.items()
    }
