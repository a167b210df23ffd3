"""Find the length of the sound in files made of chunks: WAV, RF64, Wave64, AIFF, IFF, CAF and AU."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rmod_pipeline.library.lengths.source import ByteSource, LengthCheck, Repair

TOLERANCE_BYTES = 256
"""Many writers state a length that is wrong by a byte or by a header."""

_HEADER_BYTES = 1 << 20
"""The samples begin within this part of a file."""
_TAIL_BYTES = 1 << 16
_FOUR_GIB = 1 << 32
_TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
_TEXT = frozenset(b"\0\t\n\r") | frozenset(range(32, 127))
_TAIL_CHUNKS = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX", b"smpl", b"cue ", b"acid", b"ANNO", b"APPL")
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_SUFFIX = bytes.fromhex("f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How a container stores its chunks."""

    first: int
    """Offset of the first chunk."""
    size: str
    """Format of a size, as for ``struct``."""
    alignment: int
    sound: tuple[bytes, ...]
    """Names of the chunk that holds the samples."""
    id_suffix: bytes = b""
    """Follows the four characters of a name."""
    counts_header: bool = False
    """Whether a size includes the chunk's own name and size."""
    overhead: int = 0
    """Bytes of the sound chunk that precede the samples."""
    outer: int | None = None
    """Offset of the size of the whole file."""

    @property
    def header(self) -> int:
        return 4 + len(self.id_suffix) + struct.calcsize(self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    name: bytes
    size_offset: int
    start: int
    size: int
    """Stated size of the content; negative or very large if unknown."""


_WAV = _Layout(first=12, size="<I", alignment=2, sound=(b"data",), outer=4)
_RIFX = _Layout(first=12, size=">I", alignment=2, sound=(b"data",), outer=4)
_AIFF = _Layout(first=12, size=">I", alignment=2, sound=(b"SSND",), overhead=8, outer=4)
_IFF = _Layout(first=12, size=">I", alignment=2, sound=(b"BODY",), outer=4)
_CAF = _Layout(first=8, size=">q", alignment=1, sound=(b"data",), overhead=4)
_W64 = _Layout(first=40, size="<Q", alignment=8, sound=(b"data",), id_suffix=_W64_SUFFIX, counts_header=True, outer=16)


def check_chunks(source: ByteSource) -> LengthCheck | None:
    """Compare the stated length of the samples with the file; None for a file of another kind."""
    start = source.read_at(0, 40)
    if start[:4] in (b".snd", b"dns."):
        return _check_au(source, start)
    layout = _find_layout(start)
    if layout is None:
        return None
    if source.size < layout.first:
        return LengthCheck(missing="the file ends before the samples begin")
    chunk = _find_sound(source, layout)
    if chunk is None:
        repair = _rebuild_header(source, layout)
        return LengthCheck(repair=repair, missing="" if repair else _find_missing_chunks(source, layout))
    outer_end = _find_outer_end(source, layout)
    if start[:4] in (b"RF64", b"BW64"):
        chunk, outer_end = _apply_ds64(source, chunk, outer_end)
    there = source.size - chunk.start
    size = _find_true_size(source, layout, chunk, outer_end)
    if size is None:
        return LengthCheck(missing=_describe_missing(there - layout.overhead, chunk.size - layout.overhead))
    return LengthCheck(repair=None if size == chunk.size else _make_repair(source, layout, chunk, size))


def _find_layout(start: bytes) -> _Layout | None:
    kind, form = start[:4], start[8:12]
    if kind in (b"RIFF", b"RF64", b"BW64") and form == b"WAVE":
        return _WAV
    if kind == b"RIFX" and form == b"WAVE":
        return _RIFX
    if kind == b"FORM":
        return {b"AIFF": _AIFF, b"AIFC": _AIFF, b"8SVX": _IFF, b"16SV": _IFF}.get(form)
    if kind == b"caff":
        return _CAF
    return _W64 if start[:16] == _W64_RIFF else None


def _walk(source: ByteSource, layout: _Layout, position: int) -> Iterator[_Chunk]:
    """Yield chunk after chunk, until one has no proper name."""
    while len(header := source.read_at(position, layout.header)) == layout.header:
        name, suffix = header[:4], header[4 : 4 + len(layout.id_suffix)]
        if not _is_name(name) or suffix != layout.id_suffix:
            return
        (stated,) = struct.unpack_from(layout.size, header, 4 + len(suffix))
        start = position + layout.header
        size = stated - layout.header if layout.counts_header else stated
        yield _Chunk(name=name, size_offset=start - struct.calcsize(layout.size), start=start, size=size)
        if size < 0:
            return
        end = start + size
        position = end + -end % layout.alignment


def _find_sound(source: ByteSource, layout: _Layout) -> _Chunk | None:
    """Return the chunk that holds the samples; None if the sizes of other chunks do not lead there."""
    for chunk in _walk(source, layout, layout.first):
        if chunk.name in layout.sound:
            return chunk
    return None


def _rebuild_header(source: ByteSource, layout: _Layout) -> Repair | None:
    """Return a header of two chunks, found by name: the format and the samples. None if they are not found."""
    start = source.read_at(0, _HEADER_BYTES)
    format_name = {_WAV: b"fmt ", _AIFF: b"COMM"}.get(layout)
    if format_name is None or start[:4] not in (b"RIFF", b"FORM"):
        return None
    format_position, position = start.find(format_name, layout.first), layout.first
    if format_position < 0:
        return None
    is_extended = start[format_position + 8 : format_position + 10] == b"\xfe\xff"
    format_size = 40 if is_extended else 16 if layout is _WAV else 18
    content = start[format_position + 8 : format_position + 8 + format_size]
    while (position := start.find(layout.sound[0], position + 1)) >= 0 and position + 8 <= len(start):
        (size,) = struct.unpack_from(layout.size, start, position + 4)
        there = source.size - position - 8
        if size == 0 or _is_unknown(size) or abs(size - there) <= 1:
            chunk = layout.sound[0] + struct.pack(layout.size, there)
            header = start[:12] + format_name + struct.pack(layout.size, format_size) + content + chunk
            return Repair(header=header, start=position + 8, end=source.size)
    return None


def _find_missing_chunks(source: ByteSource, layout: _Layout) -> str:
    """Return what is missing of a file without samples: empty if all of its chunks are there."""
    end = max((chunk.start + chunk.size for chunk in _walk(source, layout, layout.first)), default=layout.first)
    outer_end = _find_outer_end(source, layout)
    is_cut = end > source.size - layout.header if outer_end < 0 else max(end, outer_end) > source.size
    return "the file ends before the samples begin" if is_cut else ""


def _find_outer_end(source: ByteSource, layout: _Layout) -> int:
    """Return where the file ends according to its first size; -1 if it does not say."""
    if layout.outer is None:
        return -1
    size = struct.calcsize(layout.size)
    (stated,) = struct.unpack(layout.size, source.read_at(layout.outer, size))
    if _is_unknown(stated):
        return -1
    return int(stated) if layout.counts_header else int(stated) + layout.outer + size


def _apply_ds64(source: ByteSource, chunk: _Chunk, outer_end: int) -> tuple[_Chunk, int]:
    """Return the sound chunk and the end of an RF64 file with their 64-bit sizes."""
    sizes = next((each for each in _walk(source, _WAV, _WAV.first) if each.name == b"ds64"), None)
    content = source.read_at(sizes.start, 16) if sizes else b""
    if sizes is None or len(content) < 16 or chunk.size != _FOUR_GIB - 1:
        return chunk, outer_end
    riff, data = struct.unpack("<QQ", content)
    return _Chunk(name=chunk.name, size_offset=sizes.start + 8, start=chunk.start, size=data), riff + 8


def _find_true_size(source: ByteSource, layout: _Layout, chunk: _Chunk, outer_end: int) -> int | None:
    """Return the size of the sound chunk that is there; None if the file was cut."""
    there = source.size - chunk.start
    if _is_unknown(chunk.size) and chunk.size > there:
        return there
    if chunk.size > there:
        is_whole = outer_end == source.size or chunk.size - there <= TOLERANCE_BYTES
        return there if is_whole else None
    is_sound = _is_tail_sound(source, layout, chunk, outer_end == source.size)
    return there if is_sound else chunk.size


def _is_unknown(size: int) -> bool:
    """Return whether a stated size is one that streams state because they do not know the true one."""
    near_limit = 0 < _FOUR_GIB - size <= _TAIL_BYTES or abs(size - _FOUR_GIB // 2) <= _TAIL_BYTES
    return size < 0 or size >= 1 << 62 or near_limit


def _is_tail_sound(source: ByteSource, layout: _Layout, chunk: _Chunk, outer_is_right: bool) -> bool:
    """Return whether what follows the stated end of the samples is more of them, not chunks, tags or padding."""
    end = chunk.start + chunk.size
    rest = source.size - end
    if rest < max(layout.alignment, 2):
        return False
    if any(_are_chunks(source, layout, position) for position in {end, end + -end % layout.alignment}):
        return False
    tail = source.read_at(end, _TAIL_BYTES)
    is_filler = not tail.strip(b"\0") or all(byte in _TEXT for byte in tail)
    if tail.lstrip(b"\0").startswith(_TAGS) or (is_filler and rest < _FOUR_GIB // 2):
        return False
    return rest > TOLERANCE_BYTES or outer_is_right or chunk.size <= layout.overhead


def _are_chunks(source: ByteSource, layout: _Layout, position: int) -> bool:
    """Return whether chunks fill the file from a position to its end."""
    end = position
    for chunk in _walk(source, layout, position):
        if chunk.name in _TAIL_CHUNKS:
            return True
        end = chunk.start + chunk.size
        if chunk.size < 0 or end > source.size:
            return False
    return end > position and source.size - end <= layout.header


def _make_repair(source: ByteSource, layout: _Layout, chunk: _Chunk, size: int) -> Repair:
    header = bytearray(source.read_at(0, chunk.start))
    stated = size + layout.header if layout.counts_header else size
    if layout is _WAV and header[:4] == b"RIFF" and stated >= _FOUR_GIB - _TAIL_BYTES:
        # Only RF64 can state this length.
        sizes = struct.pack("<4sIQQQI", b"ds64", 28, len(header) + 36 + size, size, 0, 0)
        header = bytearray(b"RF64\xff\xff\xff\xffWAVE" + sizes + header[12:-4] + b"\xff\xff\xff\xff")
    elif struct.calcsize(layout.size) == 4 and chunk.size_offset == chunk.start - 4:
        struct.pack_into(layout.size, header, chunk.size_offset, min(stated, _FOUR_GIB - 1))
    else:
        # The size in ds64 has 64 bits although the other sizes of the file have 32.
        struct.pack_into("<Q" if layout is _WAV else layout.size, header, chunk.size_offset, stated)
    return Repair(header=bytes(header), start=chunk.start, end=chunk.start + size)


def _check_au(source: ByteSource, start: bytes) -> LengthCheck:
    order = ">" if start[:4] == b".snd" else "<"
    offset, size = struct.unpack_from(order + "II", start, 4) if len(start) >= 12 else (0, 0)
    there = source.size - offset
    if offset < 24 or there <= 0 or size == there:
        return LengthCheck()
    if size > there + TOLERANCE_BYTES and not _is_unknown(size):
        return LengthCheck(missing=_describe_missing(there, size))
    header = bytearray(source.read_at(0, offset))
    struct.pack_into(order + "I", header, 8, min(there, _FOUR_GIB - 1))
    return LengthCheck(repair=Repair(header=bytes(header), start=offset, end=source.size))


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= character < 127 for character in name)


def _describe_missing(there: int, stated: int) -> str:
    return f"{max(there, 0)} of {stated} bytes of sound"
