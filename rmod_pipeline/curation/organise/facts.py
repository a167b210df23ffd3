"""Find out what is known of every file of a source.

files -> names -> measurements -> groups of copies -> kinds by ear where names say nothing -> facts
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.curation.classify_files import ClassifiedFile
from rmod_pipeline.curation.one_shot_files import SoundFile
from rmod_pipeline.curation.organise.brightness import describe_brightness, describe_length, measure_centroid
from rmod_pipeline.curation.organise.copies import choose_copies
from rmod_pipeline.curation.organise.kinds import (
    MANIFEST,
    KindAnswer,
    answer_by_name,
    combine_answers,
    find_several_hits,
    may_be_listened_to,
)
from rmod_pipeline.curation.organise.records import SourceFacts, SourceLeftover, SourceSound
from rmod_pipeline.curation.organise.sources import SourceFile, SourceFiles
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask, UnusableFile
from rmod_pipeline.library.scanning.near_duplicates import FingerprintedFile, group_copies
from rmod_pipeline.library.scanning.scan import find_drop_reason, measure_files
from rmod_pipeline.storage.publish import file_digest

MAX_SECONDS = 600.0
"""A longer file is a song, or a recording to be cut."""
CHANGED_SINCE_SCAN = "changed since the scan that wrote the manifest: scan again"

ListenToFiles = Callable[[Sequence[SoundFile]], Iterable[ClassifiedFile]]
"""Returns what a classifier says of files, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactOptions:
    """How facts are found out."""

    workers: int = 1
    listen: ListenToFiles | None = None
    """The classifier; None to use names alone."""
    listens_to_all: bool = False
    """Whether sounds that have a kind by name are classified too."""
    keeps_leftovers: bool = False
    """Whether files that cannot be used are to be placed among the unsorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A sound whose kind is not decided yet; ``sound`` has the kind that names give."""

    sound: SourceSound
    several_hits: str
    centroid_hz: float


def gather_facts(
    source: SourceFiles, cache: ScanCache, options: FactOptions, progress: ScanProgress | None = None
) -> SourceFacts:
    """Return the facts of every file of a source, sorted by path.

    No file raises an error: what is wrong with it becomes the reason of a leftover.
    """
    drafts, unusable = _measure_sounds(source, cache, options.workers, progress)
    drafts = _share_names(drafts)
    sounds = _decide_kinds(drafts, source, options)
    leftovers = sorted((*source.leftovers, *unusable), key=lambda leftover: leftover.path)
    if options.keeps_leftovers:
        leftovers = [_hash_leftover(leftover, source) for leftover in leftovers]
    return SourceFacts(folder=str(source.folder), sounds=tuple(sounds), leftovers=tuple(leftovers))


def _measure_sounds(
    source: SourceFiles, cache: ScanCache, workers: int, progress: ScanProgress | None
) -> tuple[list[_Draft], list[SourceLeftover]]:
    """Return the usable sounds, with copies of a sound under one name, and the other files with the reason."""
    usable: list[tuple[SourceFile, MeasuredFile]] = []
    unusable = []
    for file, result, reason in _measure(source, cache, workers, progress):
        if isinstance(result, MeasuredFile) and not reason:
            usable.append((file, result))
        else:
            unusable.append(SourceLeftover(path=file.path, reason=reason, is_audio=reason != CHANGED_SINCE_SCAN))
    fingerprinted = [
        FingerprintedFile(source.locate(file.path), measured.sound, measured.fingerprint) for file, measured in usable
    ]
    names = group_copies(fingerprinted, workers, cache, progress) if fingerprinted else []
    return [_make_draft(file, measured, name) for (file, measured), name in zip(usable, names, strict=True)], unusable


def _measure(
    source: SourceFiles, cache: ScanCache, workers: int, progress: ScanProgress | None
) -> Iterator[tuple[SourceFile, MeasuredFile | UnusableFile | None, str]]:
    """Yield every file, in the order of the source, with its measurement and why it cannot be used, if it cannot."""
    tasks = [MeasureTask(source.locate(file.path), MAX_SECONDS) for file in source.files]
    results: dict[Path, MeasuredFile | UnusableFile | None] = {}
    for done, (task, result) in enumerate(measure_files(tasks, cache, workers), start=1):
        results[task.path] = result
        if progress:
            progress("Reading", done, len(tasks))
    for file, task in zip(source.files, tasks, strict=True):
        result = results.pop(task.path)
        reason = find_drop_reason(result, MAX_SECONDS)
        if isinstance(result, MeasuredFile) and file.sha256 not in ("", result.sha256):
            reason = CHANGED_SINCE_SCAN
        yield file, result, reason


def _make_draft(file: SourceFile, measured: MeasuredFile, name: str) -> _Draft:
    seconds = (measured.frames - measured.onset) / measured.sample_rate
    answer = answer_by_name(file.description.kind, file.path, file.kind_from)
    sound = SourceSound(
        path=file.path,
        sha256=measured.sha256,
        sound=name,
        kind=answer.kind,
        subkind=answer.subkind,
        kind_from=answer.kind_from,
        is_named=bool(answer.kind),
        kit=file.description.kit,
        licence=file.description.licence,
        source=file.description.source,
        length=describe_length(seconds),
        seconds=seconds,
        sample_rate=measured.sample_rate,
        channels=measured.channels,
    )
    # What a manifest lists was found, or said, to hold one hit.
    hits = 1 if file.kind_from == MANIFEST else measured.hits
    return _Draft(
        sound=sound,
        several_hits=find_several_hits(file.description, hits),
        centroid_hz=measure_centroid(measured.fingerprint),
    )


def _share_names(drafts: Sequence[_Draft]) -> list[_Draft]:
    """Give the copies of a sound whose names say nothing the kind of the best copy whose name says one."""
    named = choose_copies(draft.sound for draft in drafts if draft.sound.is_named)
    return [
        draft
        if draft.sound.is_named or draft.sound.sound not in named
        else replace(draft, sound=_name_like(draft.sound, named[draft.sound.sound]))
        for draft in drafts
    ]


def _name_like(sound: SourceSound, other: SourceSound) -> SourceSound:
    note = f"the kind of its copy {other.path}"
    return replace(sound, kind=other.kind, subkind=other.subkind, kind_from=other.kind_from, note=note)


def _decide_kinds(drafts: Sequence[_Draft], source: SourceFiles, options: FactOptions) -> list[SourceSound]:
    classifications = _listen(drafts, source, options)
    return [_decide_kind(draft, classifications.get(draft.sound.sound)) for draft in drafts]


def _listen(drafts: Sequence[_Draft], source: SourceFiles, options: FactOptions) -> dict[str, Classification]:
    """Return what the classifier says of each sound that it is asked about: of one copy of each."""
    if options.listen is None:
        return {}
    unclear = [draft.sound for draft in drafts if not draft.several_hits and _is_unclear(draft.sound, options)]
    chosen = sorted(choose_copies(unclear).values(), key=lambda sound: sound.path)
    files = [SoundFile(path=source.locate(sound.path), sha256=sound.sha256) for sound in chosen]
    if not files:
        return {}  # the classifier takes seconds to open
    return {
        sound.sound: result.classification
        for sound, result in zip(chosen, options.listen(files), strict=True)
        if result.classification is not None
    }


def _is_unclear(sound: SourceSound, options: FactOptions) -> bool:
    return not sound.kind or (options.listens_to_all and may_be_listened_to(sound.kind))


def _decide_kind(draft: _Draft, classification: Classification | None) -> SourceSound:
    sound = draft.sound
    named = KindAnswer(kind=sound.kind, subkind=sound.subkind, kind_from=sound.kind_from, note=sound.note)
    answer = named if draft.several_hits else combine_answers(named, classification)
    return replace(
        sound,
        kind=answer.kind,
        subkind=draft.several_hits or answer.subkind,
        confidence=answer.confidence,
        kind_from=answer.kind_from,
        note=answer.note,
        brightness=describe_brightness(draft.centroid_hz, answer.kind),
    )


def _hash_leftover(leftover: SourceLeftover, source: SourceFiles) -> SourceLeftover:
    path = source.locate(leftover.path)
    # A named pipe would be waited for.
    if not leftover.is_audio or not path.is_file():
        return leftover
    try:
        return replace(leftover, sha256=file_digest(path))
    except (OSError, ValueError):
        return leftover  # its reason says that it cannot be read
