"""Read parts of a file by position, and read a file with a corrected header."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ByteSource:
    """The bytes of a file, in memory or on a disk."""

    size: int
    read_at: Callable[[int, int], bytes]
    """Return at most the given number of bytes (second argument) from an offset (first argument) on."""

    @classmethod
    def of_bytes(cls, data: bytes) -> ByteSource:
        """Read from memory."""
        return cls(len(data), lambda offset, count: data[offset : offset + count])

    @classmethod
    def of_descriptor(cls, descriptor: int) -> ByteSource:
        """Read from an open file; its position does not change."""
        return cls(os.fstat(descriptor).st_size, lambda offset, count: os.pread(descriptor, count, offset))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A correct header for a file whose own header states a wrong length."""

    header: bytes
    """Replaces everything before ``start``."""
    start: int
    end: int
    """The bytes of the file from ``start`` to ``end`` follow the new header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthCheck:
    """The stated length of a file compared with its content."""

    repair: Repair | None = None
    """None if the header is right, or if the decoder copes with it."""
    missing: str = ""
    """What is missing of a file that was cut; empty for a complete file."""


class RepairedFile(io.RawIOBase):
    """A file with a repaired header, read-only. Seeks before its beginning are ignored."""

    def __init__(self, source: ByteSource, repair: Repair) -> None:
        self._source, self._repair, self._position = source, repair, 0
        self._size = len(repair.header) + repair.end - repair.start

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Set the position; stay where it is if the target is before the beginning."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset >= 0:
            self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        """Fill the buffer from the position on; return the number of bytes."""
        wanted = min(len(buffer), max(self._size - self._position, 0))
        header = self._repair.header[self._position : self._position + wanted]
        offset = self._repair.start + self._position + len(header) - len(self._repair.header)
        data = header + self._source.read_at(offset, wanted - len(header)) if wanted > len(header) else header
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)
