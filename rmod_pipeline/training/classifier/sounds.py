"""Choose the sounds of libraries that a classifier is trained on, each with its label."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from rmod_pipeline.classification.labels import (
    Leaves,
    class_of_leaf,
    make_leaves,
    subkind_of_leaf,
)
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.manifest import SPLITS
from rmod_pipeline.library.taxonomy import CLASSES, NOT_A_DRUM, class_of, read_subkind, subkinds_of
from rmod_pipeline.storage import Location
from rmod_pipeline.synthesis.random_drums import RANDOM_DRUMS

logger = logging.getLogger(__name__)

PITCHED = frozenset({"tom", "conga", "bongo"})
"""Classes whose pitch is part of what they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSound:
    """One sound with its label."""

    key: str
    """Decides the draws of its copies: the SHA-256 of its file, or the name of a synthesised sound."""
    path: Location | None
    """None for a synthesised sound."""
    sha256: str
    """Of the file; empty for a synthesised sound."""
    kind: str
    """A class of the taxonomy."""
    subkind: str
    """Empty if unknown."""
    group: str
    """Sounds of one group belong to one kit, or are copies of each other."""
    split: str
    partner: tuple[Location, str] | None = None
    """Path and SHA-256 of another sound of the same class and group, which may be layered under this one."""

    @property
    def name(self) -> str:
        """The name in messages."""
        return self.key if self.path is None else str(self.path)


def taxonomy_leaves() -> Leaves:
    """Return the leaves of the whole taxonomy."""
    return make_leaves([(name, subkinds_of(name)) for name in CLASSES])


def label_asset(asset: Asset) -> tuple[str, str] | None:
    """Return the class and the subkind of an asset by its kind and file name; None for a kind that has no class."""
    known = class_of(asset.kind)
    if known is None:
        return None
    kind, subkind = known
    return kind, subkind or read_subkind(kind, PurePosixPath(asset.path).stem)


def collect_sounds(libraries: Sequence[Library]) -> list[LabelledSound]:
    """Return the sounds of libraries that have a class, each file once, in the order of their checksums.

    Raises LibraryError if none has one.
    """
    sounds: dict[str, LabelledSound] = {}
    unknown: Counter[str] = Counter()
    for number, library in enumerate(libraries):
        for asset in library.assets:
            label = label_asset(asset)
            if label is None:
                unknown[asset.kind] += 1
                continue
            known = sounds.get(asset.sha256)
            if known is not None:
                # A file that is held out in one library is not learned because another one has it too.
                split = max(known.split, asset.split, key=SPLITS.index)
                sounds[asset.sha256] = replace(known, split=split)
                continue
            sounds[asset.sha256] = LabelledSound(
                key=asset.sha256,
                path=library.path_of(asset),
                sha256=asset.sha256,
                kind=label[0],
                subkind=label[1],
                group=f"{number}:{asset.group}",
                split=asset.split,
            )
    if unknown:
        listed = ", ".join(f"{kind} {count}" for kind, count in unknown.most_common())
        logger.warning("left out, because the taxonomy has no such kind: %s", listed)
    if not sounds:
        found = "no sound of a kind that the taxonomy has"
        raise LibraryError(libraries[0].manifest, found, "give sounds their kinds by a labels file for the scan")
    return _with_partners(sorted(sounds.values(), key=lambda sound: sound.key))


def synthesized_sounds(per_leaf: int) -> list[LabelledSound]:
    """Return as many synthesised sounds of each leaf that can be synthesised, to learn from."""
    return [
        LabelledSound(
            key=f"synthesised {leaf} {number}",
            path=None,
            sha256="",
            kind=class_of_leaf(leaf),
            subkind=subkind_of_leaf(leaf),
            group=f"synthesised {leaf} {number}",
            split="train",
        )
        for leaf in RANDOM_DRUMS
        for number in range(per_leaf)
    ]


def _with_partners(sounds: Sequence[LabelledSound]) -> list[LabelledSound]:
    """Give each sound the next one of its class, group and split as a partner; one that is alone has none."""
    families: defaultdict[tuple[str, str, str], list[LabelledSound]] = defaultdict(list)
    for sound in sounds:
        families[sound.kind, sound.group, sound.split].append(sound)
    partners: dict[str, tuple[Location, str]] = {}
    for family in families.values():
        if len(family) > 1 and family[0].kind != NOT_A_DRUM:
            for sound, partner in zip(family, [*family[1:], family[0]], strict=True):
                if partner.path is not None:
                    partners[sound.key] = (partner.path, partner.sha256)
    return [replace(sound, partner=partners.get(sound.key)) for sound in sounds]


def require_classes(sounds: Iterable[LabelledSound], split: str, about: object) -> None:
    """Raise LibraryError unless a split has sounds of two classes at least: one class teaches nothing."""
    kinds = sorted({sound.kind for sound in sounds if sound.split == split})
    if len(kinds) < 2:
        found = f"the {split} split has sounds of {kinds[0] if kinds else 'no'} class, a classifier needs two at least"
        raise LibraryError(about, found, "give --library with more kinds, or scan again with other --splits")
