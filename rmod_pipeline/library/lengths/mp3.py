"""Compare the length in the Xing header of an MP3 file with its frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from rmod_pipeline.library.lengths.chunks import TOLERANCE_BYTES
from rmod_pipeline.library.lengths.source import ByteSource, LengthCheck, Repair

_BUFFER_BYTES = 1 << 20
_MAX_FRAME_BYTES = 4096
_INFO_BIT_RATE = 9
"""Index of the bit rate: 128 or 80 kbit/s."""
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAGS = (b"TAG", b"APETAGEX", b"LYRICS", b"ID3")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frames:
    """The frames that follow each other from the first one on."""

    count: int
    """Complete frames."""
    end: int
    """Offset after the last complete frame."""
    is_clean: bool
    """Whether nothing but tags, padding or a part of a frame follows."""


def check_mp3(source: ByteSource) -> LengthCheck | None:
    """Compare the stated number of frames with those that are there; None for a file of another kind."""
    first = _skip_id3(source)
    start = source.read_at(first, _MAX_FRAME_BYTES)
    size = _frame_size(start[:4])
    if not size:
        return None
    position = max(start[:size].find(name) for name in (b"Xing", b"Info"))
    if position < 0 or len(start) < position + 16 or not start[position + 7] & 1:
        return _check_without_length(source, first, size, has_info_frame=position >= 0)
    stated = int.from_bytes(start[position + 8 : position + 12])
    has_bytes = bool(start[position + 7] & 2)
    stated_bytes = int.from_bytes(start[position + 12 : position + 16]) if has_bytes else 0
    frames = _walk(source, first + size)
    missing_bytes = stated_bytes - (source.size - first)
    is_cut = missing_bytes > TOLERANCE_BYTES if stated_bytes else frames.end < source.size
    if not frames.is_clean or (abs(stated - frames.count) <= 1 and missing_bytes <= TOLERANCE_BYTES):
        return LengthCheck()
    if is_cut and frames.count < stated:
        return LengthCheck(missing=f"{frames.count} of {stated} frames of MP3")
    header = bytearray(source.read_at(0, first + position + 16))
    struct.pack_into(">I", header, first + position + 8, frames.count)
    if has_bytes:
        struct.pack_into(">I", header, first + position + 12, min(frames.end - first, 0xFFFF_FFFF))
    return LengthCheck(repair=Repair(header=bytes(header), start=len(header), end=source.size))


def _check_without_length(source: ByteSource, first: int, size: int, *, has_info_frame: bool) -> LengthCheck:
    """Give a file with a variable bit rate a frame that states its length: the decoder would estimate a wrong one."""
    begin = first + size if has_info_frame else first
    frames = _walk(source, begin)
    first_size = _frame_size(source.read_at(begin, 4))
    is_constant = abs(frames.end - begin - frames.count * first_size) <= max(frames.count, first_size)
    if not frames.is_clean or not frames.count or is_constant:
        return LengthCheck()
    info = _make_info_frame(source.read_at(begin, 4), frames.count, frames.end - begin)
    return LengthCheck(repair=Repair(header=source.read_at(0, first) + info, start=begin, end=source.size))


def _make_info_frame(header: bytes, count: int, size: int) -> bytes:
    """Return a silent frame like one with this header, which states the number of frames and their size in bytes."""
    is_mpeg_1, is_mono = header[1] >> 3 & 3 == 3, header[3] >> 6 == 3
    # Without a checksum, and with a bit rate that leaves enough room.
    header = bytes([header[0], header[1] | 1, _INFO_BIT_RATE << 4 | header[2] & 0x0C, header[3]])
    side_bytes = (17 if is_mono else 32) if is_mpeg_1 else (9 if is_mono else 17)
    length = struct.pack(">4sIII", b"Xing", 3, count, min(size + _frame_size(header), 0xFFFF_FFFF))
    return (header + bytes(side_bytes) + length).ljust(_frame_size(header), b"\0")


def _skip_id3(source: ByteSource) -> int:
    """Return the offset after the ID3v2 tags at the beginning."""
    position = 0
    while (tag := source.read_at(position, 10))[:3] == b"ID3" and len(tag) == 10:
        footer = 10 if tag[5] & 0x10 else 0
        position += 10 + footer + sum((byte & 0x7F) << 7 * (3 - index) for index, byte in enumerate(tag[6:10]))
    return position


def _walk(source: ByteSource, position: int) -> _Frames:
    """Follow the frames from an offset to the end of the file."""
    count, base, data = 0, position, b""
    while True:
        if position + 4 > base + len(data):
            base, data = position, source.read_at(position, _BUFFER_BYTES)
        header = data[position - base : position - base + 4]
        size = _frame_size(header)
        if not size or position + size > source.size:
            rest = source.read_at(position, 1024)
            is_clean = bool(size) or len(rest) < 4 or rest.startswith(_TAGS) or not rest.strip(b"\0")
            return _Frames(count=count, end=position, is_clean=is_clean)
        position += size
        count += 1


def _frame_size(header: bytes) -> int:
    """Return the size of the layer III frame with this header in bytes; 0 for anything else."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return 0
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[bitrate]
    return (144_000 if version == 3 else 72_000) * kbits // _RATES[version][rate] + (header[2] >> 1 & 1)
