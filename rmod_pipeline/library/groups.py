"""Tying things together: what shares a name, directly or through others, is one group (union-find)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


class DisjointSets:
    """Disjoint sets over 0..count-1."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        """Return the smallest member of an item's set."""
        root = item
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def join(self, one: int, other: int) -> None:
        """Make two items' sets one."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def sets(self) -> list[list[int]]:
        """Return all sets, each ascending, by their first member."""
        members: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            members.setdefault(self.find(item), []).append(item)
        return list(members.values())


def joined_groups(names: Sequence[Iterable[str]]) -> Iterator[tuple[set[str], list[int]]]:
    """Yield every group of items that share a name, directly or through others: its names, and its items' places."""
    union, first = DisjointSets(len(names)), dict[str, int]()
    for place, mine in enumerate(names):
        for name in mine:
            union.join(place, first.setdefault(name, place))
    for places in union.sets():
        yield {name for place in places for name in names[place]}, places
