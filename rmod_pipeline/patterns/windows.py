"""Choose windows of performances: those of one split that are long enough and hit every target."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import AssetError, LibraryError
from rmod_pipeline.patterns.manifest import GrooveEntry, Grooves
from rmod_pipeline.patterns.performance import Performance, read_performance

MOST_DRAWS = 64
"""Performances that are drawn before a window without a hit of every target is taken."""
MOST_KEPT = 2048
"""Performances in memory: about 50 MB of grooves."""


@dataclass(frozen=True, slots=True)
class GrooveWindow:
    """A window of a performance."""

    entry: GrooveEntry
    performance: Performance
    bar: int


class SplitGrooves:
    """The performances of one split that windows of a recipe can be taken from. Their files are read when needed."""

    def __init__(self, grooves: Grooves, split: str, length: Fraction, targets: Collection[str]) -> None:
        """Select the performances of a split for windows of ``length`` seconds with a hit of every target.

        Raises LibraryError if there is none.
        """
        self._grooves, self._length, self._targets = grooves, length, tuple(targets)
        self.entries = tuple(entry for entry in grooves.select(split) if self._may_have_windows(entry))
        self._windows: OrderedDict[str, tuple[Performance, tuple[int, ...]]] = OrderedDict()
        if not self.entries:
            found = f"{split} has no performance of {float(length):g} s or more with {', '.join(targets)}"
            hint = "add performances and scan again, or edit the split column, a whole group at a time"
            raise LibraryError(grooves.manifest, found, hint)

    def choose(self, draw: Draw) -> GrooveWindow:
        """Draw a performance, all with equal chance, and one of its windows that have a hit of every target.

        A performance without such a window is replaced by another one. After ``MOST_DRAWS`` of them its first bar is
        taken, and the pair is rejected, as a target is silent in it.
        """
        for number in range(MOST_DRAWS):
            entry = draw.at("performance", number).pick(self.entries)
            performance, bars = self._open(entry)
            if bars:
                return GrooveWindow(entry, performance, draw.at("bar", number).pick(bars))
        return GrooveWindow(entry, performance, 0)

    def _may_have_windows(self, entry: GrooveEntry) -> bool:
        counts = entry.counts()
        return entry.seconds >= self._length and all(counts.get(kind) for kind in self._targets)

    def _open(self, entry: GrooveEntry) -> tuple[Performance, tuple[int, ...]]:
        """Return a performance and the bars of its windows."""
        if entry.performance not in self._windows:
            performance = open_performance(self._grooves, entry)
            length = int(self._length * performance.units_per_second)
            self._windows[entry.performance] = performance, performance.find_windows(length, self._targets)
            if len(self._windows) > MOST_KEPT:
                self._windows.popitem(last=False)
        self._windows.move_to_end(entry.performance)
        return self._windows[entry.performance]


def open_performance(grooves: Grooves, entry: GrooveEntry) -> Performance:
    """Read the performance of an entry. Raises AssetError for a file that is missing, changed or damaged."""
    path = grooves.path_of(entry)
    hint = "put it back, or give the command of the scan again and build into another --out"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise AssetError(path, f"cannot be read: {error.strerror or error}", hint) from error
    if sha256(data).hexdigest() != entry.sha256:
        raise AssetError(path, f"has changed since {grooves.manifest.name} was written", hint)
    return read_performance(data, grooves.maps[entry.map], path)
