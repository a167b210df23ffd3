"""The labels that a classifier tells apart: classes with their subkinds as one flat list of leaves.

A class without subkinds is one leaf, ``kick``; one with subkinds is a leaf per subkind, ``hihat/open``. A sound whose
subkind is unknown may be any leaf of its class. So it trains the class, and no subkind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

_SEPARATOR = "/"


@dataclass(frozen=True)
class Leaves:
    """The leaves of a classifier, in order."""

    names: tuple[str, ...]
    """``kick``, ``hihat/closed``, ..."""

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of their first leaf."""
        return tuple(dict.fromkeys(map(class_of_leaf, self.names)))

    @cached_property
    def class_indices(self) -> NDArray[np.int64]:
        """The class of each leaf: [leaves]."""
        return np.array([self.classes.index(class_of_leaf(name)) for name in self.names])

    def mask(self, kind: str, subkind: str = "") -> NDArray[np.bool_]:
        """Return which leaves a sound of this class may be: [leaves]. An unknown subkind leaves all of the class.

        Raises KeyError for a class that is not told apart.
        """
        if kind not in self.classes:
            raise KeyError(kind)
        name = leaf_name(kind, subkind)
        if name in self.names:
            return np.array([leaf == name for leaf in self.names])
        mask: NDArray[np.bool_] = self.class_indices == self.classes.index(kind)
        return mask


def leaf_name(kind: str, subkind: str) -> str:
    """Return the name of a leaf: ``hihat/open``; the class alone without a subkind."""
    return f"{kind}{_SEPARATOR}{subkind}" if subkind else kind


def class_of_leaf(name: str) -> str:
    """Return the class of a leaf: hihat of ``hihat/open``."""
    return name.partition(_SEPARATOR)[0]


def subkind_of_leaf(name: str) -> str:
    """Return the subkind of a leaf: open of ``hihat/open``; empty if it has none."""
    return name.partition(_SEPARATOR)[2]


def make_leaves(classes: Sequence[tuple[str, Sequence[str]]]) -> Leaves:
    """Return the leaves of classes with their subkinds."""
    return Leaves(tuple(leaf_name(name, subkind) for name, subkinds in classes for subkind in subkinds or ("",)))
