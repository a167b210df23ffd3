"""Assign sounds to folds, so that no kit, and no copy of a sound, is on both sides of a fold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.groups import group_by_shared_names

VALID_PARTS = 7
"""Number of parts of the training kits of a fold. One of them selects and calibrates models."""
FEWEST_FOLDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One division of the sounds, given by their indices in ascending order."""

    number: int
    """From 0 on."""
    train: tuple[int, ...]
    """Sounds that models learn from."""
    valid: tuple[int, ...]
    """Sounds of other kits, which select and calibrate models."""
    test: tuple[int, ...]
    """Sounds that models answer; nothing learns from them."""


def find_families(libraries: Sequence[Library]) -> dict[str, str]:
    """Return the family of each file, both by name: the SHA-256 of the file, and a name of the family.

    Files of one kit, of one group of a manifest, or with equal bytes are of one family, directly or through others.
    Kits of the same name in two libraries count as one kit.
    """
    assets = [(number, asset) for number, library in enumerate(libraries) for asset in library.assets]
    families: dict[str, str] = {}
    for names, indices in group_by_shared_names([list(_list_names(*each)) for each in assets]):
        # A file is the last resort for a name: kits and groups are what a reader knows.
        name = min(names, key=lambda each: (each.startswith("file "), each))
        families.update({assets[index][1].sha256: name for index in indices})
    return families


def _list_names(number: int, asset: Asset) -> Iterator[str]:
    yield f"file {asset.sha256}"
    if asset.kit:
        yield f"kit {asset.kit}"
    yield f"group {number}:{asset.group}"


def make_folds(kinds: Sequence[str], families: Sequence[str], count: int, about: object) -> tuple[Fold, ...]:
    """Return ``count`` folds of sounds, given by class and family: each sound is tested in exactly one of them.

    The folds have about equal shares of every class, as far as whole families allow. ``about`` names the library in
    errors. Raises LibraryError for too few families, or for a fold whose training part has one class only.
    """
    names = sorted(set(families))
    if len(names) < count:
        found = f"its sounds are of {len(names)} kit{'s' if len(names) != 1 else ''}, but {count} folds need {count}"
        raise LibraryError(about, found, _more_kits(len(names)))
    parts = assign_families(kinds, families, count)
    folds = []
    for number in range(count):
        learning = [int(index) for index in np.flatnonzero(parts != number)]
        is_valid = choose_valid([kinds[index] for index in learning], [families[index] for index in learning])
        fold = Fold(
            number=number,
            train=tuple(index for index, valid in zip(learning, is_valid, strict=True) if not valid),
            valid=tuple(index for index, valid in zip(learning, is_valid, strict=True) if valid),
            test=tuple(map(int, np.flatnonzero(parts == number))),
        )
        _check(fold, kinds, len(names), about)
        require_separate(fold, families)
        folds.append(fold)
    return tuple(folds)


def assign_families(kinds: Sequence[str], families: Sequence[str], parts: int) -> NDArray[np.intp]:
    """Return a part, 0 to ``parts`` - 1, for each sound [n]; a family is in one part as a whole.

    The families with the largest shares of classes come first, and each goes to the part that has least of its
    classes. So the order of the sounds has no influence, and no part is empty if there are families enough.
    """
    names, family = np.unique(np.asarray(families, dtype=str), return_inverse=True)
    classes, kind = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (family, kind), 1)
    shares = counts / counts.sum(0)
    order = np.lexsort((np.arange(len(names)), -shares.sum(1).round(9)))
    load, sizes = np.zeros((parts, len(classes))), np.zeros(parts)
    chosen = np.zeros(len(names), np.intp)
    for index in order:
        costs = (load @ shares[index]).round(12)
        part = int(np.lexsort((np.arange(parts), sizes, costs))[0])
        chosen[index] = part
        load[part] += shares[index]
        sizes[part] += counts[index].sum()
    return chosen[family]


def choose_valid(kinds: Sequence[str], families: Sequence[str]) -> NDArray[np.bool_]:
    """Return which training sounds [n] are to validate: whole families, with shares of classes as the others have.

    With one family, none of its sounds.
    """
    parts = min(VALID_PARTS, len(set(families)))
    if parts < 2:
        return np.zeros(len(kinds), bool)
    part = assign_families(kinds, families, parts)
    classes, kind = np.unique(np.asarray(kinds, dtype=str), return_inverse=True)
    counts = np.zeros((parts, len(classes)))
    np.add.at(counts, (part, kind), 1)
    unevenness = np.abs(counts / counts.sum(0) - 1 / parts).sum(1).round(9)
    # Among equally even parts a small one leaves more to learn from.
    best = int(np.lexsort((np.arange(parts), counts.sum(1), unevenness))[0])
    is_valid: NDArray[np.bool_] = part == best
    return is_valid


def require_separate(fold: Fold, families: Sequence[str]) -> None:
    """Raise ValueError if a family has sounds in two of the three parts of a fold, or a sound is in two."""
    seen: dict[str, str] = {}
    indices: set[int] = set()
    for name, part in (("train", fold.train), ("valid", fold.valid), ("test", fold.test)):
        for index in part:
            other = seen.setdefault(families[index], name)
            if other != name or index in indices:
                raise ValueError(f"fold {fold.number}: {families[index]} is in the {other} and the {name} part")
            indices.add(index)


def count_families(kinds: Sequence[str], families: Sequence[str]) -> Mapping[str, int]:
    """Return the number of families that have sounds of each class."""
    pairs = set(zip(kinds, families, strict=True))
    return {kind: sum(1 for each, _ in pairs if each == kind) for kind in sorted(set(kinds))}


def _check(fold: Fold, kinds: Sequence[str], families: int, about: object) -> None:
    learned = {kinds[index] for index in fold.train}
    if not fold.valid or len(learned) < 2:
        left = f"one class, {next(iter(learned))}" if len(learned) == 1 and fold.valid else "too few kits"
        found = f"fold {fold.number + 1} leaves {left} to learn from, of {families} kits in all"
        raise LibraryError(about, found, "give libraries with more kits and classes, or other --folds")


def _more_kits(kits: int) -> str:
    """Return what to do about too few kits."""
    more = "give more libraries, or name kits by a labels file for the scan"
    return f"{more}, or give --folds {kits}" if kits > FEWEST_FOLDS else more
