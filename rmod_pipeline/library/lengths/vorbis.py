"""Measure the packets of a Vorbis stream. Vorbis I specification, sections 4.2 and 4.3.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MODE_BITS = 41
"""Of one mode at the end of the setup header: its block, window, transform and mapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VorbisBlocks:
    """What decides the block of a packet."""

    sizes: tuple[int, int]
    """Samples of a short and of a long block."""
    is_long: tuple[bool, ...]
    """Whether a mode uses long blocks, by mode."""

    @classmethod
    def of_headers(cls, identification: bytes, setup: bytes) -> VorbisBlocks | None:
        """Read the first and the third packet of a stream; None if they are not valid."""
        is_valid = identification[:7] == b"\x01vorbis" and setup[:7] == b"\x05vorbis" and len(identification) > 28
        modes = _read_modes(setup) if is_valid else ()
        if not modes:
            return None
        sizes = 1 << (identification[28] & 15), 1 << (identification[28] >> 4)
        return cls(sizes=sizes, is_long=modes)

    def measure(self, packets: Sequence[bytes]) -> list[int]:
        """Return the block of each packet in samples."""
        bits = (len(self.is_long) - 1).bit_length()
        modes = [packet[0] >> 1 & (1 << bits) - 1 if packet else 0 for packet in packets]
        return [self.sizes[self.is_long[mode]] if mode < len(self.is_long) else self.sizes[1] for mode in modes]


def _read_modes(setup: bytes) -> tuple[bool, ...]:
    """Return whether each mode uses long blocks. They are found from the end, because what precedes has any length."""
    bits = int.from_bytes(setup, "little")
    position = bits.bit_length() - 1
    modes: list[bool] = []
    complete: tuple[bool, ...] = ()
    while position >= _MODE_BITS + 6 and len(modes) < 64:
        mode = bits >> (position - _MODE_BITS) & (1 << _MODE_BITS) - 1
        mapping, window_and_transform = mode >> 33, mode >> 1 & 0xFFFF_FFFF
        if mapping > 63 or window_and_transform:
            break
        modes.insert(0, bool(mode & 1))
        position -= _MODE_BITS
        if (bits >> (position - 6) & 63) + 1 == len(modes):
            complete = tuple(modes)
    return complete
