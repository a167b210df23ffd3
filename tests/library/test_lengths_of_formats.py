"""What decides the length of a file in each format: chunks, frames, pages and the tags before them."""

from __future__ import annotations

import struct
from itertools import islice

import numpy as np
import pytest

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.lengths import ByteSource, check_length, chunks, flac, mp3
from rmod_pipeline.library.lengths.ogg import _checksum, _count_packet_samples
from rmod_pipeline.library.read import decode_sound
from tests.library.library_sounds import encode, hit
from tests.library.test_lengths import FRAMES, WRONG, assert_whole, flac_of, noise_of, patched, sound, sound_field


@pytest.mark.parametrize("wrong", ["zero", "unknown", "half"])
def test_the_samples_of_a_big_endian_wave_decide(wrong: str) -> None:
    data = encode(noise_of(FRAMES)[None].astype(np.float32), file_format="WAV", endian="BIG")
    offset = data.find(b"data") + 4
    (true,) = struct.unpack_from(">I", data, offset)
    assert data[:4] == b"RIFX"
    assert_whole(patched(data, offset, ">I", WRONG[wrong](true)), data)


def test_a_chunk_that_is_smaller_than_its_own_header_ends_the_search() -> None:
    data = sound("W64")
    offset, form, _ = sound_field(data, "W64")
    source = ByteSource.of_bytes(patched(data, offset, form, 0))
    assert [chunk.name for chunk in islice(chunks._walk(source, chunks._W64, chunks._W64.first), 10)][-1] == b"data"


def test_the_64_bit_length_counts_only_where_the_32_bits_say_so() -> None:
    data = sound("RF64")
    offset, form, true = sound_field(data, "RF64")
    data = patched(data, data.find(b"data") + 4, "<I", true)
    assert check_length(ByteSource.of_bytes(patched(data, offset, form, true // 2))).repair is None


def test_a_flac_that_was_cut_between_two_frames_is_named_as_cut() -> None:
    data = sound("FLAC")
    with pytest.raises(AssetError, match=f"ends early: 12288 of {FRAMES} frames"):
        decode_sound(data[: data.rfind(data[data.find(b"\xff\xf8") :][:2])], "x")


ID3 = b"ID3\x04\0\0" + bytes([0, 0, 2, 0x7F]) + b"t" * (2 * 128 + 127)
"""A tag whose size is written with 7 bits per byte."""


@pytest.mark.parametrize("samples", [0, FRAMES, 2 * FRAMES])
def test_the_frames_of_a_flac_after_a_tag_decide(samples: int) -> None:
    assert_whole(ID3 + flac_of(samples), ID3 + sound("FLAC"))


def test_the_frames_of_a_long_flac_decide() -> None:
    """From the 128th frame on, the number of a frame takes several bytes."""
    data = bytearray(encode(hit(1, 13.0), file_format="FLAC"))
    whole = bytes(data)
    data[21], data[22:26] = data[21] & 0xF0, bytes(4)
    assert_whole(bytes(data), whole)


@pytest.mark.parametrize(("number", "value"), [(b"\x7f", 127), (b"\xc2\x80", 128), (b"\xe0\xa0\x80", 2048)])
def test_the_number_of_a_flac_frame_is_read_or_refused(number: bytes, value: int) -> None:
    assert flac._parse_number(number, 0) == (value, len(number))
    for wrong in (number[:-1] + b"\xff", b"\x80" + number, number[:-1]):
        assert not wrong or flac._parse_number(wrong, 0)[0] == -1


def test_what_only_looks_like_a_flac_frame_is_none() -> None:
    data = sound("FLAC")
    at = data.find(b"\xff\xf8")
    header = data[at : at + 16]
    assert flac._parse_header(header, header, 4096, at)
    assert flac._parse_header(header[:4] + b"\x01" + header[5:], header, 4096, at) is None, "the checksum differs"


@pytest.mark.parametrize("tag", [ID3, ID3[:5] + b"\x10" + ID3[6:] + b"3DI" + ID3[3:10]], ids=["tag", "with a footer"])
def test_the_frames_of_an_mp3_after_a_tag_decide(tag: bytes) -> None:
    assert mp3._skip_id3(ByteSource.of_bytes(tag + sound("MP3"))) == len(tag)
    content = sound("MP3")
    position = max(content.find(b"Xing"), content.find(b"Info"))
    assert check_length(ByteSource.of_bytes(tag + content)).repair is None
    assert check_length(ByteSource.of_bytes(tag + patched(content, position + 8, ">I", 5))).repair is not None


@pytest.mark.parametrize("header", ["fffbf000", "fffb0000", "fffb9c00", "ffeb9000", "fffd9000", "fffb"])
def test_no_frame_of_an_mp3_has_a_reserved_value(header: str) -> None:
    assert mp3._frame_size(bytes.fromhex("fffb9000")) == 417
    assert mp3._frame_size(bytes.fromhex(header)) == 0


def test_an_ogg_whose_packets_cannot_be_counted_is_left_alone() -> None:
    content = bytearray(encode(noise_of(40_000)[None].astype(np.float32), file_format="OGG", subtype="VORBIS"))
    page = content.rfind(b"OggS", 0, content.rfind(b"OggS"))
    last = content.rfind(b"OggS")
    struct.pack_into("<q", content, page + 6, -1)
    struct.pack_into("<I", content, page + 22, 0)
    struct.pack_into("<I", content, page + 22, _checksum(bytes(content[page:last])))
    struct.pack_into("<q", content, last + 6, 1 << 40)
    struct.pack_into("<I", content, last + 22, 0)
    struct.pack_into("<I", content, last + 22, _checksum(bytes(content[last:])))
    result = check_length(ByteSource.of_bytes(bytes(content)))
    assert result.repair is None and not result.missing


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        ("", 0),
        ("00", 480),
        ("18", 2880),
        ("60", 480),
        ("68", 960),
        ("80", 120),
        ("98", 960),
        ("99", 1920),
        ("9b05", 4800),
    ],
)
def test_an_opus_packet_has_the_length_of_its_first_bytes(packet: str, samples: int) -> None:
    """RFC 6716, section 3.1: the table of configurations, and one, two or up to 63 frames."""
    assert _count_packet_samples(bytes.fromhex(packet)) == samples
