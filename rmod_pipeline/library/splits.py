"""Assign sounds to train, valid and test so that copies of one sound, and kits where possible, stay in one split.

Sounds are first grouped: all copies of one sound, and all sounds of one kit if their kind is split by kit. All sounds
of a group go to the same split. The groups are then sorted by a hash of their name: the smaller splits take groups from
the two ends until they have their share, and the largest split gets the rest. The result depends only on names and
sounds, not on the order or the location of files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from rmod_pipeline.errors import LibraryError, UsageError, nearest
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.groups import group_by_shared_names
from rmod_pipeline.library.manifest import SPLITS

UNEVEN_TOLERANCE = 0.1
"""Part of a kind that may be in other splits than requested without a warning. Real libraries have ten to thirty kits
of a kind, of unequal size: one kit more or less in a split is 3 to 10 %, which no assignment can avoid."""

DIVIDED_GROUP_HINT = "move the whole group into one split, or give one part a group of its own"

Shares = Mapping[str, float]
"""Requested part of the library for each split; the parts add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitItem:
    """One file, as input of the split assignment."""

    id: str
    kind: str
    kit: str
    copies: str
    """Name that all copies of this sound share."""
    pinned: str = ""
    """Split that the sound must stay in; empty if it may go to any split."""


@dataclass(slots=True, kw_only=True)
class SplitAssignment:
    """The split and the group of every sound."""

    split: dict[str, str] = field(default_factory=dict)
    """Split by sound id."""
    group: dict[str, str] = field(default_factory=dict)
    """Group by sound id; all sounds of a group are in one split."""
    split_by: dict[str, str] = field(default_factory=dict)
    """``kit`` or ``sound`` by kind."""
    divided: list[str] = field(default_factory=list)
    """Names of groups that pinned sounds keep in more than one split."""


def parse_shares(text: str) -> Shares:
    """Parse train/valid/test percentages such as ``90/5/5``. Raises UsageError for anything else."""
    hint = "write three numbers that add up to 100: 90/5/5"
    parts = text.split("/")
    if len(parts) != len(SPLITS) or not all(part.strip().replace(".", "", 1).isdecimal() for part in parts):
        raise UsageError("--splits", f"{text!r} is not train/valid/test in percent", hint)
    percents = [float(part) for part in parts]
    if abs(sum(percents) - 100) > 1e-6:
        raise UsageError("--splits", f"{text} adds up to {sum(percents):g}", hint)
    return {split: percent / 100 for split, percent in zip(SPLITS, percents, strict=True)}


def assign_splits(sounds: Sequence[SplitItem], shares: Shares) -> SplitAssignment:
    """Return the split and the group of every sound.

    A kind is split by kit if every split then gets at least one kit and half of its share, else by sound. A group with
    pinned sounds goes to their split; a group whose pinned sounds are in several splits is divided.
    """
    kits = {kind: {sound.kit for sound in sounds if sound.kind == kind} - {""} for kind in _list_kinds(sounds)}
    split_count = sum(share > 0 for share in shares.values())
    by_kit = {kind for kind, names in kits.items() if len(names) >= split_count}
    while True:
        assigner = _SplitAssigner(_make_groups(sounds, by_kit), shares)
        assigner.assign_all()
        # Splitting one kind by sound breaks up groups of other kinds, so everything is assigned again.
        too_small = {kind for kind in by_kit if not assigner.has_enough(kind)}
        if not too_small:
            return assigner.result({kind: "kit" if kind in by_kit else "sound" for kind in kits})
        by_kit -= too_small


def find_uneven_splits(sounds: Sequence[SplitItem], assignment: SplitAssignment, shares: Shares) -> Iterator[str]:
    """Yield a warning for each kind whose splits miss their shares, with the actual shares, the reason and a remedy.

    A split misses its share by more than ``UNEVEN_TOLERANCE`` of the kind and more than one sound, or if it has less
    than half of its share. A kind that a split lacks completely is left to ``check_splits``.
    """
    for kind in _list_kinds(sounds):
        of_kind = [sound for sound in sounds if sound.kind == kind]
        actual = Counter(assignment.split[sound.id] for sound in of_kind)
        requested = {split: share * len(of_kind) for split, share in shares.items() if share > 0}
        tolerance = max(1.0, UNEVEN_TOLERANCE * len(of_kind)) + 1e-9
        is_uneven = any(abs(actual[split] - n) > tolerance or actual[split] < n / 2 for split, n in requested.items())
        if is_uneven and all(actual[split] for split in requested):
            actual_percents = _format_percents(actual[split] / len(of_kind) for split in SPLITS)
            percents = _format_percents(shares[split] for split in SPLITS)
            reason = _explain_uneven_split(of_kind, assignment)
            yield f"{kind} is split {actual_percents} percent instead of {percents}: {reason}"


def find_divided_kits(sounds: Sequence[SplitItem], assignment: SplitAssignment) -> Iterator[str]:
    """Yield a warning for kinds that are split by sound, and of which a kit is therefore in several splits."""
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for sound in sounds:
        if sound.kit and assignment.split_by[sound.kind] == "sound":
            places[sound.kind, sound.kit].add(assignment.split[sound.id])
    kinds = sorted({kind for (kind, _), splits in places.items() if len(splits) > 1})
    if kinds:
        reason = "too few kits to be divided by kit, so one kit is in several splits"
        yield f"{', '.join(kinds)}: {reason} -> name kits with --labels, or add other kits"


def _explain_uneven_split(sounds: Sequence[SplitItem], assignment: SplitAssignment) -> str:
    """Return the reason and the remedy for the sounds of one kind."""
    if any(sound.pinned for sound in sounds):
        return "old sounds keep their splits -> scan without --previous to split all sounds again"
    groups = Counter(assignment.group[sound.id] for sound in sounds)
    largest = f"the largest with {_format_percents([max(groups.values()) / len(sounds)])} % of it"
    if assignment.split_by[sounds[0].kind] == "sound":
        reason = f"too few different sounds: {len(groups)}, copies not counted, {largest}"
        return f"{reason} -> add other sounds of the kind, or choose other --splits"
    shared = " groups of kits that share sounds" if _do_kits_share_sounds(sounds, groups) else ""
    reason = f"too few kits: {len(groups)}{shared}, {largest}"
    return f"{reason} -> name kits with --labels, add other kits, or choose other --splits"


def check_splits(
    library: Library,
    kinds: Iterable[str],
    splits: Iterable[str],
    at_least: int = 1,
    sounds: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Raise LibraryError, with every lack and its remedy, unless each split has ``at_least`` sounds of each kind.

    ``sounds`` names the kinds of the library that count for a kind; by default the kind itself.
    """
    sounds = sounds or {}
    counts = Counter((asset.kind, asset.split) for asset in library.assets)
    known = library.kinds()
    lacks: list[str] = []
    unknown_kinds: list[str] = []
    lacking: list[tuple[str, str]] = []
    for kind in dict.fromkeys(kinds):
        counted = set(sounds.get(kind, (kind,)))
        if not counted & set(known):
            lacks.append(f"no {kind} at all{nearest(kind, known)}")
            unknown_kinds.append(kind)
            continue
        for split in dict.fromkeys(splits):
            by_name = {name: sum(counts[each, name] for each in counted) for name in SPLITS}
            if by_name[split] < at_least:
                by_split = ", ".join(f"{name} {count}" for name, count in by_name.items())
                lacks.append(f"{split} has {_format_count(by_name[split], kind)}, {at_least} needed ({by_split})")
                lacking.append((kind, split))
    remedies = []
    if unknown_kinds:
        remedies.append(
            f"add {_join_words(unknown_kinds)} sounds or take them out of the recipe; "
            f"this library has {_join_words(known)}"
        )
    if lacking:
        remedies.append(
            f"add {_join_words(kind for kind, _ in lacking)} sounds from other kits and scan again, "
            f"give {_join_words(split for _, split in lacking)} a larger share (--splits of the scan), "
            "or edit the split column, a whole group at a time"
        )
    if lacks:
        raise LibraryError(library.manifest, "; ".join(lacks), "; ".join(remedies))


def find_divided_groups(library: Library) -> Iterator[tuple[str, str]]:
    """Yield each group that is in more than one split, with its splits as text; only a manual edit can cause this."""
    splits: dict[str, set[str]] = defaultdict(set)
    for asset in library.assets:
        splits[asset.group].add(asset.split)
    for group, splits_of_group in sorted(splits.items()):
        if len(splits_of_group) > 1:
            yield group, " and ".join(sorted(splits_of_group))


def check_groups(library: Library) -> None:
    """Raise LibraryError if a group is in more than one split: then training data leaks into the test."""
    for group, splits in find_divided_groups(library):
        raise LibraryError(library.manifest, f"group {group} is in {splits}", DIVIDED_GROUP_HINT)


def _format_count(count: int, kind: str) -> str:
    return f"no {kind}" if count == 0 else f"only {count} {kind}"


def _join_words(words: Iterable[str]) -> str:
    *most, last = dict.fromkeys(words)
    return f"{', '.join(most)} and {last}" if most else last


def _format_percents(parts: Iterable[float]) -> str:
    return "/".join(f"{100 * part:.0f}" for part in parts)


def _do_kits_share_sounds(sounds: Iterable[SplitItem], groups: Collection[str]) -> bool:
    """Return whether copies connect kits, so that there are fewer groups than kits."""
    return len({sound.kit or sound.copies for sound in sounds}) > len(groups)


def _list_kinds(sounds: Iterable[SplitItem]) -> list[str]:
    return sorted({sound.kind for sound in sounds})


@dataclass(frozen=True, slots=True)
class _Group:
    """Sounds that must be in the same split."""

    name: str
    members: tuple[SplitItem, ...]
    size: Counter[str]
    """Number of sounds by kind."""

    @property
    def sort_key(self) -> bytes:
        """Hash of the name, which decides the order of the groups."""
        return blake2b(self.name.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def pins(self) -> Counter[str]:
        """Return the number of pinned sounds by split."""
        return Counter(sound.pinned for sound in self.members if sound.pinned)


def _make_groups(sounds: Sequence[SplitItem], by_kit: set[str]) -> list[_Group]:
    """Group sounds by copies, and by kit for the kinds in ``by_kit``; the groups are sorted by ``sort_key``."""
    names = [
        (f"sound/{sound.copies}", f"kit/{sound.kit}")
        if sound.kind in by_kit and sound.kit
        else (f"sound/{sound.copies}",)
        for sound in sounds
    ]
    # "kit/..." sorts before "sound/...": a group that holds a kit is named after its first kit.
    groups = [
        _Group(min(names_of_group), tuple(sounds[i] for i in indices), Counter(sounds[i].kind for i in indices))
        for names_of_group, indices in group_by_shared_names(names)
    ]
    return sorted(groups, key=lambda group: group.sort_key)


class _SplitAssigner:
    """Assigns groups to splits."""

    def __init__(self, groups: Sequence[_Group], shares: Shares) -> None:
        self._shares = shares
        self._total: Counter[str] = Counter()
        for group in groups:
            self._total.update(group.size)
        self._assigned: dict[str, Counter[str]] = {split: Counter() for split in shares}
        """Number of sounds by split and kind."""
        self._assignments: list[tuple[_Group, str]] = []
        self._divided = [group for group in groups if len(group.pins()) > 1]
        self._free = {group.name: group for group in groups if not group.pins()}
        self._free_count = Counter(kind for group in self._free.values() for kind in group.size)
        """Number of free groups by kind."""
        for group in groups:
            if len(group.pins()) == 1:
                self._assign(group, next(iter(group.pins())))
        # The largest split comes first: it must not be empty, and it gets the groups that the others leave.
        self._order = sorted((split for split in shares if shares[split] > 0), key=lambda split: -shares[split])

    def assign_all(self) -> None:
        """Fill the smaller splits up to their shares, and assign the rest to the largest split."""
        for split in reversed(self._order[1:]):
            # Kinds with few groups come first: the other kinds find free groups in any case.
            for kind in sorted(self._total, key=lambda kind: (self._free_count[kind], kind)):
                self._fill_kind(split, kind)
        for group in list(self._free.values()):
            self._assign(group, self._order[0])

    def has_enough(self, kind: str) -> bool:
        """Return whether every split has at least one sound and half of its share of a kind."""
        return all(
            self._assigned[split][kind] > 0 and self._assigned[split][kind] >= self._share(split, kind) / 2
            for split in self._order
        )

    def result(self, split_by: dict[str, str]) -> SplitAssignment:
        """Return the assignment of every sound; ``split_by`` is copied into it."""
        assignment = SplitAssignment(split_by=split_by, divided=[group.name for group in self._divided])
        for group, split in self._assignments:
            for sound in group.members:
                assignment.split[sound.id], assignment.group[sound.id] = split, group.name
        for group in self._divided:
            for sound, split in _divide_group(group, self._order):
                assignment.split[sound.id], assignment.group[sound.id] = split, f"{group.name}@{split}"
        return assignment

    def _share(self, split: str, kind: str) -> float:
        """Return the requested number of sounds of a kind."""
        return self._shares[split] * self._total[kind]

    def _fill_kind(self, split: str, kind: str) -> None:
        groups = [group for group in self._free.values() if kind in group.size]
        # Valid and test take from opposite ends, so that new sounds move few old ones.
        if self._order.index(split) % 2:
            groups.reverse()
        quota = max(1.0, round(self._share(split, kind)))
        for group in groups:
            if self._assigned[split][kind] >= quota:
                return
            if self._fits(group, split) and self._can_spare(group, split):
                self._assign(group, split)
        smallest_first = sorted(
            (group for group in groups if group.name in self._free), key=lambda group: group.size[kind]
        )
        for group in smallest_first:
            if self._assigned[split][kind] >= max(1.0, self._share(split, kind) / 2):
                return
            if self._can_spare(group, split):
                self._assign(group, split)

    def _fits(self, group: _Group, split: str) -> bool:
        """Return whether a group exceeds the split's share of none of its kinds."""
        return all(
            self._assigned[split][kind] + count <= max(1.0, round(self._share(split, kind)))
            for kind, count in group.size.items()
        )

    def _can_spare(self, group: _Group, split: str) -> bool:
        """Return whether enough free groups of each kind remain for the splits that come later and have none."""
        later = self._order[: self._order.index(split)]
        return all(
            self._free_count[kind] > sum(self._assigned[later_split][kind] == 0 for later_split in later)
            for kind in group.size
        )

    def _assign(self, group: _Group, split: str) -> None:
        self._assignments.append((group, split))
        self._assigned[split].update(group.size)
        if self._free.pop(group.name, None):
            self._free_count.subtract(dict.fromkeys(group.size, 1))


def _divide_group(group: _Group, order: Sequence[str]) -> Iterable[tuple[SplitItem, str]]:
    """Yield each sound of a divided group with its split.

    It is the split that the sound is pinned to, else that of most of its pinned copies, else that of most pinned sounds
    of the group.
    """
    pins_by_copies: dict[str, Counter[str]] = defaultdict(Counter)
    for sound in group.members:
        if sound.pinned:
            pins_by_copies[sound.copies][sound.pinned] += 1
    for sound in group.members:
        pins = pins_by_copies[sound.copies] or group.pins()
        yield sound, sound.pinned or min(pins, key=lambda split: (-pins[split], [*order, *SPLITS].index(split)))
