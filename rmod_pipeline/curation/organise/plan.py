"""Decide where every file goes: a pure function from facts to rows.

What an earlier run placed keeps its place. No two files get one path, also where capitals do not count, and none gets
the path of something else that lies in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rmod_pipeline.curation.organise.copies import choose_copies
from rmod_pipeline.curation.organise.history import read_history
from rmod_pipeline.curation.organise.naming.pattern import Pattern
from rmod_pipeline.curation.organise.naming.places import Claim, assign_places
from rmod_pipeline.curation.organise.records import (
    COPY_OF,
    SKIPPED,
    TO_PLACE,
    UNSORTED,
    Existing,
    OrganisedFile,
    OrganisePlan,
    SourceFacts,
    SourceLeftover,
    SourceSound,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """One file of the source that is to be in the tree, under its own name or that of a copy."""

    row: OrganisedFile
    sound: str
    """The same for all copies of a sound."""
    folders: tuple[str, ...]
    name: str
    """File name without suffix, as it is."""


def make_plan(
    facts: SourceFacts,
    pattern: Pattern,
    *,
    previous: Sequence[OrganisedFile] = (),
    existing: Existing | None = None,
) -> OrganisePlan:
    """Return what becomes of every file of a source, with the rows of earlier runs that still count.

    previous: the rows of the tree's table. existing: what lies in the tree.
    """
    existing = existing or {}
    items = [*_sound_items(facts, pattern), *_leftover_items(facts)]
    history = read_history(previous, facts.folder, (item.row.identity for item in items), existing)
    chosen = _choose(facts, items, frozenset(history.kept))
    places: dict[str, str] = {}
    to_claim: list[_Item] = []
    for item in items:
        if item.sound not in places and item.row.identity == chosen[item.sound]:
            kept = history.kept.get(item.row.identity)
            place = kept.new_path if kept else history.find_place(item.row.sha256, existing)
            if place:
                places[item.sound] = place
            else:
                to_claim.append(item)
    held = [row for row in (*history.kept.values(), *history.others) if row.has_place]
    claimed = assign_places([_make_claim(item) for item in to_claim], held, existing)
    new_rows = {item.row.identity: row for item, row in zip(to_claim, claimed, strict=True)}
    places.update({item.sound: row.new_path for item, row in zip(to_claim, claimed, strict=True)})
    rows = [
        *history.others,
        *(_finish(item, history.kept, new_rows, places) for item in items),
        *(_skip(leftover, facts.folder) for leftover in facts.leftovers if not leftover.sha256),
    ]
    return OrganisePlan(files=tuple(sorted(rows, key=_row_order)), changed=history.changed)


def _sound_items(facts: SourceFacts, pattern: Pattern) -> Iterator[_Item]:
    for sound in sorted(facts.sounds, key=lambda sound: sound.path):
        folders, name = pattern.render(sound)
        yield _Item(row=_make_row(sound, facts.folder), sound=sound.sound, folders=tuple(folders), name=name)


def _leftover_items(facts: SourceFacts) -> Iterator[_Item]:
    for leftover in sorted(facts.leftovers, key=lambda leftover: leftover.path):
        if leftover.sha256:
            row = OrganisedFile(
                old_path=leftover.path,
                sha256=leftover.sha256,
                action=TO_PLACE,
                note=leftover.reason,
                folder=facts.folder,
            )
            name = PurePosixPath(leftover.path).stem
            yield _Item(row=row, sound=f"bytes {leftover.sha256}", folders=(UNSORTED,), name=name)


def _choose(
    facts: SourceFacts, items: Sequence[_Item], kept: frozenset[tuple[str, str, str]]
) -> dict[str, tuple[str, str, str]]:
    """Return which file of each sound is in the tree: one that is placed already, else the best copy."""
    placed_before = frozenset((path, sha256) for _, path, sha256 in kept)
    chosen = {
        name: (facts.folder, sound.path, sound.sha256)
        for name, sound in choose_copies(facts.sounds, placed_before).items()
    }
    for item in items:
        if item.sound not in chosen or (item.row.identity in kept and chosen[item.sound] not in kept):
            chosen[item.sound] = item.row.identity
    return chosen


def _make_row(sound: SourceSound, folder: str) -> OrganisedFile:
    return OrganisedFile(
        old_path=sound.path,
        kind=sound.kind,
        subkind=sound.subkind,
        confidence="" if sound.confidence is None else f"{sound.confidence:.3f}",
        kind_from=sound.kind_from,
        brightness=sound.brightness,
        length=sound.length,
        sha256=sound.sha256,
        action=TO_PLACE,
        note=sound.note,
        folder=folder,
    )


def _make_claim(item: _Item) -> Claim:
    suffix = PurePosixPath(item.row.old_path).suffix
    return Claim(row=item.row, folders=item.folders, stem=item.name, suffix=suffix)


def _finish(
    item: _Item,
    kept: Mapping[tuple[str, str, str], OrganisedFile],
    new_rows: Mapping[tuple[str, str, str], OrganisedFile],
    places: Mapping[str, str],
) -> OrganisedFile:
    """Return the row of a file: as it was kept, as it was placed now, or as a copy of the one in the tree."""
    identity = item.row.identity
    row = kept.get(identity) or new_rows.get(identity)
    return row or replace(item.row, action=COPY_OF + places[item.sound])


def _skip(leftover: SourceLeftover, folder: str) -> OrganisedFile:
    return OrganisedFile(old_path=leftover.path, action=SKIPPED + leftover.reason, folder=folder)


def _row_order(row: OrganisedFile) -> tuple[str, str, str, str]:
    return row.folder, row.old_path, row.sha256, row.new_path


def count_folders(files: Sequence[OrganisedFile]) -> dict[str, int]:
    """Return how many files each folder of the tree holds or gets, with those below it, sorted by path."""
    counts: dict[str, int] = {}
    for file in files:
        if file.has_place:
            for parent in PurePosixPath(file.new_path).parents:
                counts[str(parent)] = counts.get(str(parent), 0) + 1
    return dict(sorted(counts.items(), key=lambda count: PurePosixPath(count[0]).parts))


def sum_actions(files: Sequence[OrganisedFile]) -> dict[str, int]:
    """Return how many files have each action: placed, to place, there already, copy, skipped."""
    counts: dict[str, int] = {}
    for file in files:
        action = "copies" if file.is_copy else "skipped" if file.reason else file.action
        counts[action] = counts.get(action, 0) + 1
    return counts
