"""Find the length of a FLAC file from its last frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from rmod_pipeline.library.lengths.source import ByteSource, LengthCheck, Repair

_INFO_BYTES = 42
"""The magic number, and the first block of metadata."""
_SEARCH_BYTES = 1 << 17
_MAX_HEADER_BYTES = 16
_MAX_CANDIDATES = 8
_BLOCK_SIZES = {1: 192, **{code: 576 << (code - 2) for code in range(2, 6)}}
_BLOCK_SIZES |= {code: 256 << (code - 8) for code in range(8, 16)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The header of a frame."""

    offset: int
    """In the file."""
    first_sample: int
    samples: int

    @property
    def end(self) -> int:
        return self.first_sample + self.samples


def check_flac(source: ByteSource) -> LengthCheck | None:
    """Compare the stated number of samples with the frames; None for a file of another kind."""
    begin = _skip_id3(source)
    info = source.read_at(begin, _INFO_BYTES)
    if info[:4] != b"fLaC" or (len(info) > 4 and info[4] & 0x7F):
        return None
    if len(info) < _INFO_BYTES:
        return LengthCheck(missing="the file ends before the samples begin")
    stated = int.from_bytes(info[21:26]) & 0xF_FFFF_FFFF
    block = _fixed_block(info)
    last: _Frame | None = None
    for frame in islice(_find_frames_from_end(source, begin, block), _MAX_CANDIDATES):
        last = last or frame
        if frame.end == stated:
            return LengthCheck()  # if this frame is incomplete, the decoder fails
        if _is_complete(source, frame):
            if frame.end < stated and frame.samples == block:
                return _make_cut(frame.end, stated)
            return LengthCheck(repair=_make_repair(source, begin, frame.end))
    return _make_cut(last.first_sample if last else 0, stated)


def is_flac_cut(source: ByteSource) -> bool:
    """Return whether the file is FLAC and its last frame is incomplete."""
    begin = _skip_id3(source)
    info = source.read_at(begin, _INFO_BYTES)
    if info[:4] != b"fLaC" or len(info) < _INFO_BYTES:
        return False
    frames = islice(_find_frames_from_end(source, begin, _fixed_block(info)), _MAX_CANDIDATES)
    return not any(_is_complete(source, frame) for frame in frames)


def _fixed_block(info: bytes) -> int:
    """Return the samples per frame; 0 if frames have different lengths."""
    return int.from_bytes(info[8:10]) if info[8:10] == info[10:12] else 0


def _make_cut(there: int, stated: int) -> LengthCheck:
    return LengthCheck(missing=f"{there} of {stated or 'an unknown number of'} frames")


def _make_repair(source: ByteSource, begin: int, samples: int) -> Repair:
    header = bytearray(source.read_at(0, begin + _INFO_BYTES))
    header[begin + 21] = header[begin + 21] & 0xF0 | samples >> 32
    header[begin + 22 : begin + 26] = (samples & 0xFFFF_FFFF).to_bytes(4)
    return Repair(header=bytes(header), start=len(header), end=source.size)


def _skip_id3(source: ByteSource) -> int:
    """Return the offset after an ID3v2 tag at the beginning, if there is one."""
    tag = source.read_at(0, 10)
    if tag[:3] != b"ID3" or len(tag) < 10:
        return 0
    return 10 + sum((byte & 0x7F) << 7 * (3 - index) for index, byte in enumerate(tag[6:10]))


def _find_frames_from_end(source: ByteSource, begin: int, block: int) -> Iterator[_Frame]:
    """Yield what looks like the header of a frame, beginning with the last of the file."""
    first = _skip_metadata(source, begin)
    model = source.read_at(first, 4)
    end = source.size
    while end > first:
        start = max(end - _SEARCH_BYTES, first)
        data = source.read_at(start, end - start + _MAX_HEADER_BYTES)
        position = end - start
        while (position := data.rfind(model[:2], 0, position + 1)) >= 0:
            frame = _parse_header(data[position : position + _MAX_HEADER_BYTES], model, block, start + position)
            if frame:
                yield frame
            position -= 1
        end = start


def _skip_metadata(source: ByteSource, begin: int) -> int:
    """Return the offset of the first frame."""
    position, is_last = begin + 4, False
    while not is_last and len(header := source.read_at(position, 4)) == 4:
        is_last = bool(header[0] & 0x80)
        position += 4 + int.from_bytes(header[1:])
    return min(position, source.size)


def _parse_header(data: bytes, model: bytes, block: int, offset: int) -> _Frame | None:
    """Return the frame whose header begins the data; None without a valid header like ``model``, the first frame's."""
    is_like = len(data) > 5 and data[2] & 15 == model[2] & 15 and data[3] & 15 == model[3] & 15
    if not is_like or model[0] != 0xFF or model[1] & 0xFE != 0xF8 or data[3] >> 4 > 10:
        return None
    number, position = _parse_number(data, 4)
    code = data[2] >> 4
    extra = {6: 1, 7: 2}.get(code, 0)
    samples = int.from_bytes(data[position : position + extra]) + 1 if extra else _BLOCK_SIZES.get(code, 0)
    position += extra + {12: 1, 13: 2, 14: 2}.get(data[2] & 15, 0)
    if number < 0 or not samples or len(data) <= position or _crc8(data[:position]) != data[position]:
        return None
    first_sample = number if data[1] & 1 else number * (block or samples)
    return _Frame(offset=offset, first_sample=first_sample, samples=samples)


def _parse_number(data: bytes, position: int) -> tuple[int, int]:
    """Return the number in the extended UTF-8 of FLAC and the offset after it; -1 for an invalid one."""
    first = data[position]
    count = next((count for count in range(8) if not first << count & 0x80), 8)
    if count in (1, 8) or len(data) < position + max(count, 1):
        return -1, position
    value = first & 0x7F >> count
    for byte in data[position + 1 : position + max(count, 1)]:
        if byte & 0xC0 != 0x80:
            return -1, position
        value = value << 6 | byte & 0x3F
    return value, position + max(count, 1)


def _is_complete(source: ByteSource, frame: _Frame) -> bool:
    """Return whether a frame ends with its checksum at the end of the file, or before a tag."""
    data = source.read_at(frame.offset, source.size - frame.offset)
    for end in (len(data), len(data) - 128 if data[-128:-125] == b"TAG" else 0):
        if end > 2 and _crc16(data[: end - 2]) == int.from_bytes(data[end - 2 : end]):
            return True
    return False


def _crc8(data: bytes) -> int:
    table, value = _crc_table(0x07, 8), 0
    for byte in data:
        value = table[value ^ byte]
    return value


def _crc16(data: bytes) -> int:
    table, value = _crc_table(0x8005, 16), 0
    for byte in data:
        value = value << 8 & 0xFFFF ^ table[value >> 8 ^ byte]
    return value


@cache
def _crc_table(polynomial: int, bits: int) -> tuple[int, ...]:
    """Return the checksums of all single bytes."""
    top, mask = 1 << bits - 1, (1 << bits) - 1
    values = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 ^ (polynomial if value & top else 0)) & mask
        values.append(value)
    return tuple(values)
