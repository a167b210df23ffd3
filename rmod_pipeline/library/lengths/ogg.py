"""Find out whether an Ogg file was cut, and repair the length that its last page states."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from rmod_pipeline.library.lengths.source import ByteSource, LengthCheck, Repair
from rmod_pipeline.library.lengths.vorbis import VorbisBlocks

_HEADER_BYTES = 27
_MAX_PAGE_BYTES = _HEADER_BYTES + 255 + 255 * 255
_MAX_PACKET_SAMPLES = 8192
_MAX_STREAM_HEADER_BYTES = 1 << 20
_UNKNOWN = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    offset: int
    size: int
    """0 if the file ends within the page's header."""
    granule: int
    """Number of samples up to the end of the page, or ``_UNKNOWN``."""
    packets: int
    """Packets that end on the page."""
    is_end: bool = False
    """Whether the page is marked as the last one."""
    is_continued: bool = False
    """Whether the page begins with the rest of a packet."""


def check_ogg(source: ByteSource) -> LengthCheck | None:
    """Check whether the last page is complete and its length possible; None for a file of another kind."""
    if source.read_at(0, 4) != b"OggS":
        return None
    last = _find_page_before(source, source.size)
    if last is None or not last.size or last.offset + last.size > source.size:
        return LengthCheck(missing="its last page is incomplete")
    before = _find_page_before(source, last.offset)
    if before is None or (last.granule == 0 and not last.is_end):
        return LengthCheck(missing="the file ends before the samples begin")
    if not last.packets or before.granule == _UNKNOWN:
        return LengthCheck()
    begin = before.granule
    if b"OpusHead" in source.read_at(0, _HEADER_BYTES + 16):
        # Its decoder refuses a length that is too long.
        steps = [_count_packet_samples(packet) for packet in _read_packets(source, last)]
    else:
        # Its decoder stops at the last packet, so that any length will do that is long enough.
        steps = _measure_vorbis_steps(source, before, last) or [0, last.packets * _MAX_PACKET_SAMPLES]
    longest = begin + sum(steps)
    # An encoder fills up the last packets, and the decoder leaves out what they have too much.
    shortest = max(begin + 1, begin + sum(steps[:-2]))
    if shortest <= last.granule <= longest:
        return LengthCheck()
    return LengthCheck(repair=_make_repair(source, last, longest))


def _find_page_before(source: ByteSource, end: int) -> _Page | None:
    """Return the last page that begins before an offset."""
    start = max(end - _MAX_PAGE_BYTES, 0)
    data = source.read_at(start, end - start)
    position = len(data)
    while (position := data.rfind(b"OggS", 0, position)) >= 0:
        page = _parse_page(source.read_at(start + position, _HEADER_BYTES + 255), start + position)
        if page:
            return page
    return None


def _parse_page(data: bytes, offset: int) -> _Page | None:
    """Return the page whose header begins the data; None if its version is not 0."""
    if data[4:5] not in (b"", b"\0"):
        return None
    segments = data[_HEADER_BYTES : _HEADER_BYTES + data[26]] if len(data) >= _HEADER_BYTES else b""
    if len(data) < _HEADER_BYTES or len(segments) < data[26]:
        return _Page(offset=offset, size=0, granule=_UNKNOWN, packets=0)
    return _Page(
        offset=offset,
        size=_HEADER_BYTES + len(segments) + sum(segments),
        granule=int.from_bytes(data[6:14], "little"),
        packets=sum(size < 255 for size in segments),
        is_end=bool(data[5] & 4),
        is_continued=bool(data[5] & 1),
    )


def _read_packets(source: ByteSource, page: _Page) -> list[bytes]:
    """Return the packets that end on a page, and the beginning of one that goes on after it."""
    content = source.read_at(page.offset, page.size)
    segments = content[_HEADER_BYTES : _HEADER_BYTES + content[26]]
    position = _HEADER_BYTES + len(segments)
    packets, is_open = [b""], True
    for size in segments:
        if not is_open:
            packets.append(b"")
        packets[-1] += content[position : position + size]
        position, is_open = position + size, size == 255
    return packets


def _measure_vorbis_steps(source: ByteSource, before: _Page, last: _Page) -> list[int]:
    """Return the samples that each packet of the last page adds; empty if that is not known."""
    headers = _read_headers(source)
    blocks = VorbisBlocks.of_headers(headers[0], headers[2]) if len(headers) > 2 else None
    # The first packet of a stream adds nothing, so that no packet before it is needed.
    needed = 1 + last.is_continued if before.granule else 0
    earlier = _read_packets(source, before)[int(before.is_continued) :] if needed else []
    if blocks is None or len(earlier) < needed:
        return []
    packets = [*earlier[len(earlier) - needed :], *_read_packets(source, last)[int(last.is_continued) :]]
    steps = [(first + second) // 4 for first, second in pairwise(blocks.measure(packets))]
    return steps if len(steps) > 1 else []


def _read_headers(source: ByteSource) -> list[bytes]:
    """Return the first packets of a stream."""
    headers: list[bytes] = []
    position, is_open = 0, False
    while len(headers) < 4 and position < _MAX_STREAM_HEADER_BYTES:
        page = _parse_page(source.read_at(position, _HEADER_BYTES + 255), position)
        if page is None or not page.size:
            break
        packets = _read_packets(source, page)
        if is_open:
            headers[-1] += packets.pop(0)
        headers += packets
        is_open = len(packets) > page.packets
        position += page.size
    return headers


def _count_packet_samples(packet: bytes) -> int:
    """Return the samples at 48 kHz of an Opus packet, from its first two bytes. RFC 6716, section 3.1."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    count = packet[1] & 63 if code == 3 and len(packet) > 1 else min(code + 1, 2)
    return frame * count


def _make_repair(source: ByteSource, page: _Page, granule: int) -> Repair:
    """Return the file up to a page that states another length, at its end."""
    content = bytearray(source.read_at(page.offset, page.size))
    struct.pack_into("<Q", content, 6, granule)
    struct.pack_into("<I", content, 22, 0)
    struct.pack_into("<I", content, 22, _checksum(bytes(content)))
    end = page.offset + page.size
    return Repair(header=source.read_at(0, page.offset) + bytes(content), start=end, end=end)


def _checksum(data: bytes) -> int:
    table, value = _checksum_table(), 0
    for byte in data:
        value = value << 8 & 0xFFFF_FFFF ^ table[value >> 24 ^ byte]
    return value


@cache
def _checksum_table() -> tuple[int, ...]:
    """Return the checksums of all single bytes."""
    values = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C1_1DB7 if value >> 31 else 0)) & 0xFFFF_FFFF
        values.append(value)
    return tuple(values)
