"""Print how many sounds there are of each kind, and of each licence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from rmod_pipeline.library.asset import Asset


def print_counts(console: Console, assets: list[Asset] | tuple[Asset, ...], rule: dict[str, str]) -> None:
    """Print a table of kinds and a line of licences; ``rule``: by what each kind was split, if known."""
    from rich.table import Table

    from rmod_pipeline.library.scanning.check import count_kinds

    table = Table("kind", *(["split by"] if rule else []))
    for column in ("files", "groups", "train", "valid", "test", "minutes"):
        table.add_column(column, justify="right")
    for count in count_kinds(assets):
        numbers = (count.files, count.groups, *count.by_split.values())
        split_by = [rule[count.kind]] if rule else []
        table.add_row(count.kind, *split_by, *map(str, numbers), f"{count.seconds / 60:.1f}")
    console.print(table)
    print_licences(console, (asset.licence for asset in assets))


def print_licences(console: Console, licences: Iterable[str]) -> None:
    """Print a line with the number of each licence, the most frequent first; an empty one is unknown."""
    counts = Counter(licence or "(unknown)" for licence in licences).most_common()
    console.print("licences: " + ", ".join(f"{licence} {count}" for licence, count in counts))
