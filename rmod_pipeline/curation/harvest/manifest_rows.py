"""Make a manifest of a harvest, in which all sounds of a song are in one split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rmod_pipeline.curation.harvest.output import WrittenSound
from rmod_pipeline.curation.harvest.own_files import MANIFEST, write_own_file
from rmod_pipeline.curation.harvest.results import UNKNOWN
from rmod_pipeline.library.groups import group_by_shared_names
from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.manifest import encode_manifest
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask, measure_batch
from rmod_pipeline.library.scanning.near_duplicates import FingerprintedFile, group_copies
from rmod_pipeline.library.scanning.previous import PreviousManifest
from rmod_pipeline.library.scanning.rows import KeptFile, make_assets
from rmod_pipeline.library.splits import Shares, SplitItem, assign_splits, find_uneven_splits
from rmod_pipeline.library.taxonomy import NOT_A_DRUM

_MOST_SECONDS = 120.0
"""No cut is longer."""


def write_harvest_manifest(
    written: Sequence[WrittenSound], out: Path, shares: Shares, workers: int = 1, by_ear: bool = True
) -> list[str]:
    """Write the manifest of the sounds whose kind is known, and return warnings.

    All sounds of a song, and all copies of a sound, go to one split. by_ear: whether a classifier told the kinds. If no
    kind is known, no manifest is written, and that of an earlier harvest is removed.
    """
    known = {out / each.sound.file: each for each in written if each.sound.hit.kind not in (UNKNOWN, NOT_A_DRUM)}
    tasks = [MeasureTask(path, _MOST_SECONDS) for path in known]
    measured = {task.path: result for task, result in map_batches(measure_batch, tasks, workers, len(tasks))}
    kept = [
        _keep(path, each, result, by_ear)
        for path, each in known.items()
        if isinstance(result := measured[path], MeasuredFile)
    ]
    if not kept:
        (out / MANIFEST).unlink(missing_ok=True)
        return ["no kind is known, so there is no manifest"]
    kept.sort(key=lambda file: file.name)
    fingerprinted = [FingerprintedFile(file.path, file.measured.sound, file.measured.fingerprint) for file in kept]
    sounds = group_copies(fingerprinted, workers, ScanCache(None))
    songs = [known[file.path].sound.song.sha256 for file in kept]
    groups = _join_songs(songs, sounds)
    items = [
        SplitItem(id=file.name, kind=file.description.kind, kit=file.description.kit, copies=group)
        for file, group in zip(kept, groups, strict=True)
    ]
    assignment = assign_splits(items, shares)
    assets = make_assets(kept, assignment, PreviousManifest.empty(), listened=by_ear)
    write_own_file(out, MANIFEST, encode_manifest(assets))
    unknown = len(written) - len(kept)
    warnings = [f"{unknown} sounds of unknown kind are not in the manifest"] if unknown else []
    if len(set(groups)) == 1:
        return [*warnings, "all sounds are in one split: those of a song, and copies in several songs, stay together"]
    return [*warnings, *find_uneven_splits(items, assignment, shares)]


def _keep(path: Path, written: WrittenSound, measured: MeasuredFile, by_ear: bool) -> KeptFile:
    sound = written.sound
    is_annotated = sound.song.onsets_file is not None and sound.hit.confidence == 1.0
    description = PathDescription(
        kind=sound.folder,
        kit=sound.song.kit or str(PurePosixPath(sound.song.name).with_suffix("")),
        licence=sound.song.licence,
        source=sound.song.source or sound.song.name,
        kind_from="ear" if by_ear and not is_annotated else "labels",
        confidence=None if is_annotated else sound.hit.confidence,
    )
    return KeptFile(path, sound.file, description, measured)


def _join_songs(songs: Sequence[str], sounds: Sequence[str]) -> list[str]:
    """Return a name for the group of each sound: those of one song are in one, and songs that share a sound too."""
    groups = [""] * len(songs)
    names = [(f"song/{song}", f"sound/{sound}") for song, sound in zip(songs, sounds, strict=True)]
    for shared, indices in group_by_shared_names(names):
        for index in indices:
            groups[index] = min(shared).partition("/")[2][:16]
    return groups
