"""Group items that share a name, directly or through other items (union-find)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


class UnionFind:
    """Disjoint sets over the integers 0..count-1."""

    def __init__(self, count: int) -> None:
        """Start with one set per integer."""
        self._parent = list(range(count))

    def find(self, item: int) -> int:
        """Return the smallest member of the item's set."""
        root = item
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[item] != root:
            self._parent[item], item = root, self._parent[item]
        return root

    def union(self, first: int, second: int) -> None:
        """Merge the sets of two items."""
        low, high = sorted((self.find(first), self.find(second)))
        self._parent[high] = low

    def sets(self) -> list[list[int]]:
        """Return all sets, each in ascending order, sorted by their first member."""
        members: dict[int, list[int]] = {}
        for item in range(len(self._parent)):
            members.setdefault(self.find(item), []).append(item)
        return list(members.values())


def group_by_shared_names(names: Sequence[Iterable[str]]) -> Iterator[tuple[set[str], list[int]]]:
    """Group items that share a name, directly or through other items.

    ``names`` holds the names of each item. Yields the names of each group and the indices of its items.
    """
    union_find, first_with_name = UnionFind(len(names)), dict[str, int]()
    for index, names_of_item in enumerate(names):
        for name in names_of_item:
            union_find.union(index, first_with_name.setdefault(name, index))
    for indices in union_find.sets():
        yield {name for index in indices for name in names[index]}, indices
