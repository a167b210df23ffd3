"""Named random streams: a value depends on its name, never on what was drawn before it.

    draw = Draw.of(seed, "train", index, attempt)
    draw.at("kick", "compressor", "ratio").uniform()

A stream is the BLAKE2b hash of its path of names. A hash takes about a microsecond and has the same bits on every
machine and with every version of every library. A new effect changes no other draw. This module maps bits to floats
itself, because NumPy promises the streams of its generators only within one version.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TypeVar

Item = TypeVar("Item")

_TO_UNIT = 2.0**-53


@lru_cache(maxsize=1 << 16, typed=True)
def _encode(name: object) -> bytes:
    text = str(name).encode()
    # The length comes first, so that ("ab", "c") and ("a", "bc") are two different streams.
    return b"%d:%b" % (len(text), text)


class Draw:
    """One named stream of random numbers. It is immutable: the same call returns the same value every time."""

    __slots__ = ("_state",)

    def __init__(self, state: blake2b) -> None:
        """Wrap the hash of a path of names; callers use ``Draw.of`` and ``at``."""
        self._state = state

    @classmethod
    def of(cls, *names: object) -> Draw:
        """Return the stream of a path of names, for example ``Draw.of(seed, split, index, attempt)``."""
        return cls(blake2b(digest_size=32, person=b"rmod draw v1")).at(*names)

    def at(self, *names: object) -> Draw:
        """Return the stream below this one under the given names. A number and its text are one name: 1 equals "1"."""
        state = self._state.copy()
        for name in names:
            state.update(_encode(name))
        return Draw(state)

    def bits(self, count: int) -> list[int]:
        """Return ``count`` independent 64-bit integers."""
        digest = self._state.digest()
        for block in range(1, (count + 3) // 4):
            state = self._state.copy()
            state.update(b"/%d" % block)
            digest += state.digest()
        return [int.from_bytes(digest[8 * word : 8 * word + 8], "little") for word in range(count)]

    def uniform(self) -> float:
        """Return a float in [0, 1)."""
        return (int.from_bytes(self._state.digest()[:8], "little") >> 11) * _TO_UNIT

    def below(self, limit: int) -> int:
        """Return an integer in [0, limit). Its bias, at most limit / 2**64, is far too small to measure."""
        return (int.from_bytes(self._state.digest()[:8], "little") * limit) >> 64

    def chance(self, probability: float) -> bool:
        """Return True with the given probability: never for 0, always for 1."""
        return self.uniform() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one item; all have equal chance. Raises IndexError for an empty sequence."""
        return items[self.below(len(items))]

    def distinct(self, count: int, limit: int) -> list[int]:
        """Return ``count`` different integers of [0, limit), ascending; all sets have equal chance (Floyd 1987)."""
        chosen: set[int] = set()
        for bits, top in zip(self.bits(count), range(limit - count, limit), strict=True):
            candidate = (bits * (top + 1)) >> 64
            chosen.add(top if candidate in chosen else candidate)
        return sorted(chosen)

    def order(self, count: int) -> list[int]:
        """Return a permutation of range(count); all permutations have equal chance (Fisher-Yates)."""
        items = list(range(count))
        for last, bits in zip(range(count - 1, 0, -1), self.bits(max(count - 1, 0)), strict=True):
            swapped = (bits * (last + 1)) >> 64
            items[last], items[swapped] = items[swapped], items[last]
        return items
