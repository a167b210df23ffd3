"""Check a manifest of grooves against its files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.splits import DIVIDED_GROUP_HINT
from rmod_pipeline.patterns.manifest import GrooveEntry, Grooves, format_counts
from rmod_pipeline.patterns.performance import Performance
from rmod_pipeline.patterns.windows import open_performance


def find_groove_problems(
    grooves: Grooves, progress: Callable[[str, int, int], None] = lambda _step, _done, _total: None
) -> Iterator[str]:
    """Yield one line per problem: a group in several splits, a missing or changed file, an untrue row."""
    splits: dict[str, set[str]] = defaultdict(set)
    for entry in grooves.entries:
        splits[entry.group].add(entry.split)
    for group, names in sorted(splits.items()):
        if len(names) > 1:
            yield f"group {group} is in {' and '.join(sorted(names))} -> {DIVIDED_GROUP_HINT}"
    for done, entry in enumerate(grooves.entries, start=1):
        try:
            yield from _compare(entry, open_performance(grooves, entry))
        except AssetError as error:
            yield f"{entry.path}: {error.found} -> {error.hint}"
        progress("Checking", done, len(grooves.entries))


def _compare(entry: GrooveEntry, performance: Performance) -> Iterator[str]:
    """Yield what a row says that the file does not: a hand may have changed it, or the map."""
    found = {
        "bars": (len(performance.bars) - 1, entry.bars),
        "seconds": (float(f"{performance.seconds:.6g}"), entry.seconds),
        "kinds": (format_counts({kind: len(hits) for kind, hits in performance.hits.items()}), entry.kinds),
    }
    for column, (actual, listed) in found.items():
        if actual != listed:
            yield f"{entry.path}: its {column} are {actual}, the row has {listed} -> scan again"
