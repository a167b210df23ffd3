"""Train, valid and test: what shares a sound, or a kit where there are kits enough, stays on one side.

Sounds are first tied together: all copies of one sound, and all sounds of one kit if their kind is split by kit. What
is tied is a group and moves as one. Groups then stand in a line by the hash of their name: the smaller splits take from
the two ends until they have their share, and the largest keeps the rest. So the result depends on names and sounds
alone, not on the order or the place of files.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from rmod_pipeline.errors import LibraryError, UsageError, nearest
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.groups import joined_groups
from rmod_pipeline.library.manifest import SPLITS

OFF = 0.1
"""How much of a kind may be on other sides than was asked before it is worth a warning. Real libraries have some ten to
thirty kits of a kind, of unequal size: one of them more or less on a side is 3 to 10 %, and nobody can cut finer."""

MEND_GROUP = "move the group whole, or give one part a group of its own"

Shares = Mapping[str, float]
"""The part of the library that each split is to get; the parts add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitItem:
    """What a split needs to know of one file."""

    id: str
    kind: str
    kit: str
    copies: str
    """The name that all copies of this sound share."""
    pinned: str = ""
    """The split that it has already and keeps; empty if none."""


@dataclass(slots=True, kw_only=True)
class SplitAssignment:
    """Which side every sound is on, and why."""

    split: dict[str, str] = field(default_factory=dict)
    """By sound id."""
    group: dict[str, str] = field(default_factory=dict)
    """By sound id; sounds of one group are on one side."""
    rule: dict[str, str] = field(default_factory=dict)
    """By kind: ``kit`` or ``sound``."""
    torn: list[str] = field(default_factory=list)
    """Names of groups that lie on two sides, because they did in the previous manifest."""


def parse_shares(text: str) -> Shares:
    """Return the shares of train, valid and test that ``90/5/5`` stands for. Raises UsageError for anything else."""
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

    A kind is split by kit if every split can then get a kit and at least half of its share, else by sound. A group
    that holds a pinned sound goes where that is; one that was torn before stays torn, in two groups.
    """
    kits = {kind: {sound.kit for sound in sounds if sound.kind == kind} - {""} for kind in _kinds(sounds)}
    wanted = sum(share > 0 for share in shares.values())
    by_kit = {kind for kind, names in kits.items() if len(names) >= wanted}
    while True:
        filling = _Filling(_groups(sounds, by_kit), shares)
        filling.fill()
        # Giving up kits for one kind unties groups of others: so all is dealt out anew, until every kind has enough.
        short = {kind for kind in by_kit if not filling.has_enough(kind)}
        if not short:
            return filling.assignment({kind: "kit" if kind in by_kit else "sound" for kind in kits})
        by_kit -= short


def uneven_splits(sounds: Sequence[SplitItem], assigned: SplitAssignment, shares: Shares) -> Iterator[str]:
    """Say of each kind whose sides are well off their shares what it got instead, why, and what helps.

    Well off is by more than OFF of the kind, and by more than one sound; or less than half of a share, which would not
    be split by kit either. A kind that a split lacks is left to ``check_splits``.
    """
    for kind in _kinds(sounds):
        mine = [sound for sound in sounds if sound.kind == kind]
        have = Counter(assigned.split[sound.id] for sound in mine)
        asked = {split: share * len(mine) for split, share in shares.items() if share > 0}
        leeway = max(1.0, OFF * len(mine))
        off = any(abs(have[split] - n) > leeway + 1e-9 or have[split] < n / 2 for split, n in asked.items())
        if off and all(have[split] for split in asked):
            got = _percents(have[split] / len(mine) for split in SPLITS)
            wanted = _percents(shares[split] for split in SPLITS)
            yield f"{kind} is split {got} percent where {wanted} was asked: {_why_uneven(mine, assigned)}"


def _why_uneven(mine: Sequence[SplitItem], assigned: SplitAssignment) -> str:
    """Return the reason and the remedy for one kind."""
    if any(sound.pinned for sound in mine):
        return "old sounds keep their sides -> scan without --previous to split all anew"
    groups = Counter(assigned.group[sound.id] for sound in mine)
    largest = f"the largest with {_percents([max(groups.values()) / len(mine)])} % of it"
    if assigned.rule[mine[0].kind] == "sound":
        few = f"too few sounds to cut finer: {len(groups)}, copies not counted, {largest}"
        return f"{few} -> add other sounds of the kind, or choose other --splits"
    shared = " groups of kits that share sounds" if _share_sounds(mine, groups) else ""
    few = f"too few kits to cut finer: {len(groups)}{shared}, {largest}"
    return f"{few} -> name kits with --labels, add other kits, or choose other --splits"


def check_splits(library: Library, kinds: Iterable[str], splits: Iterable[str], at_least: int = 1) -> None:
    """Raise LibraryError, naming every lack and its remedy, unless each split has ``at_least`` sounds of each kind."""
    have = Counter((asset.kind, asset.split) for asset in library.assets)
    known = library.kinds()
    lacks: list[str] = []
    missing: list[str] = []
    few: list[str] = []
    poor: list[str] = []
    for kind in dict.fromkeys(kinds):
        if kind not in known:
            lacks.append(f"no {kind} at all{nearest(kind, known)}")
            missing.append(kind)
            continue
        for split in dict.fromkeys(splits):
            if have[kind, split] < at_least:
                counts = ", ".join(f"{name} {have[kind, name]}" for name in SPLITS)
                lacks.append(f"{split} has {_count(have[kind, split], kind)}, {at_least} needed ({counts})")
                few.append(kind)
                poor.append(split)
    remedies = []
    if missing:
        remedies.append(
            f"add {_listed(missing)} sounds or take them out of the recipe; this library has {_listed(known)}"
        )
    if few:
        remedies.append(
            f"add {_listed(few)} sounds from other kits and scan again, give {_listed(poor)} a larger share, "
            "or edit the split column, a whole group at a time"
        )
    if lacks:
        raise LibraryError(library.manifest, "; ".join(lacks), "; ".join(remedies))


def torn_groups(library: Library) -> Iterator[tuple[str, str]]:
    """Yield each group that is on more than one side, with its sides in words: only a hand can have put it there."""
    splits: dict[str, set[str]] = defaultdict(set)
    for asset in library.assets:
        splits[asset.group].add(asset.split)
    for group, sides in sorted(splits.items()):
        if len(sides) > 1:
            yield group, " and ".join(sorted(sides))


def refuse_torn_groups(library: Library) -> None:
    """Raise LibraryError if a group is on more than one side: its sounds would be heard in training and in the test."""
    for group, sides in torn_groups(library):
        raise LibraryError(library.manifest, f"group {group} is in {sides}", MEND_GROUP)


def _count(number: int, kind: str) -> str:
    return f"no {kind}" if number == 0 else f"only {number} {kind}"


def _listed(words: Iterable[str]) -> str:
    *most, last = dict.fromkeys(words)
    return f"{', '.join(most)} and {last}" if most else last


def _percents(parts: Iterable[float]) -> str:
    return "/".join(f"{100 * part:.0f}" for part in parts)


def _share_sounds(mine: Iterable[SplitItem], groups: Collection[str]) -> bool:
    """Say whether kits are tied to others, so that they are fewer groups than kits."""
    return len({sound.kit or sound.copies for sound in mine}) > len(groups)


def _kinds(sounds: Iterable[SplitItem]) -> list[str]:
    return sorted({sound.kind for sound in sounds})


@dataclass(frozen=True, slots=True)
class _Group:
    """Sounds that move as one."""

    name: str
    members: tuple[SplitItem, ...]
    size: Counter[str]
    """Sounds by kind."""

    @property
    def place(self) -> bytes:
        """Where the group stands in the line."""
        return blake2b(self.name.encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def pins(self) -> Counter[str]:
        return Counter(sound.pinned for sound in self.members if sound.pinned)


def _groups(sounds: Sequence[SplitItem], by_kit: set[str]) -> list[_Group]:
    """Tie sounds by copies, and by kit for the given kinds; the groups stand in line."""
    ties = [
        (f"sound/{sound.copies}", f"kit/{sound.kit}")
        if sound.kind in by_kit and sound.kit
        else (f"sound/{sound.copies}",)
        for sound in sounds
    ]
    # "kit/..." sorts before "sound/...": a group that holds a kit is named after its first kit.
    groups = [
        _Group(min(names), tuple(sounds[at] for at in places), Counter(sounds[at].kind for at in places))
        for names, places in joined_groups(ties)
    ]
    return sorted(groups, key=lambda group: group.place)


class _Filling:
    """Splits being filled with groups."""

    def __init__(self, groups: Sequence[_Group], shares: Shares) -> None:
        self._shares = shares
        self._total: Counter[str] = Counter()
        for group in groups:
            self._total.update(group.size)
        self._have: dict[str, Counter[str]] = {split: Counter() for split in shares}
        self._taken: list[tuple[_Group, str]] = []
        self._torn = [group for group in groups if len(group.pins()) > 1]
        self._free = {group.name: group for group in groups if not group.pins()}
        self._left = Counter(kind for group in self._free.values() for kind in group.size)
        for group in groups:
            if len(group.pins()) == 1:
                self._take(group, next(iter(group.pins())))
        # The largest split first: it is the one that must not go empty, and it keeps what the others leave.
        self._order = sorted((split for split in shares if shares[split] > 0), key=lambda split: -shares[split])

    def fill(self) -> None:
        for split in reversed(self._order[1:]):
            # Kinds with few groups choose first: the others find something in any case.
            for kind in sorted(self._total, key=lambda kind: (self._left[kind], kind)):
                self._fill_kind(split, kind)
        for group in list(self._free.values()):
            self._take(group, self._order[0])

    def has_enough(self, kind: str) -> bool:
        """Say whether every split has at least half of its share of a kind, and something of it."""
        return all(
            self._have[split][kind] > 0 and self._have[split][kind] >= self._share(split, kind) / 2
            for split in self._order
        )

    def assignment(self, rule: dict[str, str]) -> SplitAssignment:
        result = SplitAssignment(rule=rule, torn=[group.name for group in self._torn])
        for group, split in self._taken:
            for sound in group.members:
                result.split[sound.id], result.group[sound.id] = split, group.name
        for group in self._torn:
            for sound, split in _sides(group, self._order):
                result.split[sound.id], result.group[sound.id] = split, f"{group.name}@{split}"
        return result

    def _share(self, split: str, kind: str) -> float:
        return self._shares[split] * self._total[kind]

    def _fill_kind(self, split: str, kind: str) -> None:
        line = [group for group in self._free.values() if kind in group.size]
        # Valid takes from one end of the line and test from the other, so that new sounds move few old ones.
        if self._order.index(split) % 2:
            line.reverse()
        quota = max(1.0, round(self._share(split, kind)))
        for group in line:
            if self._have[split][kind] >= quota:
                return
            if self._fits(group, split) and self._spares(group, split):
                self._take(group, split)
        line = sorted((group for group in line if group.name in self._free), key=lambda group: group.size[kind])
        for group in line:
            if self._have[split][kind] >= max(1.0, self._share(split, kind) / 2):
                return
            if self._spares(group, split):
                self._take(group, split)

    def _fits(self, group: _Group, split: str) -> bool:
        return all(
            self._have[split][kind] + count <= max(1.0, round(self._share(split, kind)))
            for kind, count in group.size.items()
        )

    def _spares(self, group: _Group, split: str) -> bool:
        """Say whether a group can go and still leave one of each of its kinds for each split that comes later."""
        later = self._order[: self._order.index(split)]
        return all(self._left[kind] > sum(self._have[other][kind] == 0 for other in later) for kind in group.size)

    def _take(self, group: _Group, split: str) -> None:
        self._taken.append((group, split))
        self._have[split].update(group.size)
        if self._free.pop(group.name, None):
            self._left.subtract(dict.fromkeys(group.size, 1))


def _sides(group: _Group, order: Sequence[str]) -> Iterable[tuple[SplitItem, str]]:
    """Yield each sound of a torn group and its split: its own, else its copies', else that of most of the group."""
    copies: dict[str, Counter[str]] = defaultdict(Counter)
    for sound in group.members:
        if sound.pinned:
            copies[sound.copies][sound.pinned] += 1
    for sound in group.members:
        pins = copies[sound.copies] or group.pins()
        yield sound, sound.pinned or min(pins, key=lambda split: (-pins[split], [*order, *SPLITS].index(split)))
