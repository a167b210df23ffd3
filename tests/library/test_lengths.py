"""A wrong length in a header does not decide what is read, and a file that was cut is named as cut."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.lengths import ByteSource, check_length
from rmod_pipeline.library.lengths.ogg import _checksum
from rmod_pipeline.library.long_files import open_long_file
from rmod_pipeline.library.read import decode_sound
from tests.library.library_sounds import RATE, encode, hit

FRAMES = 13_230
PCM = ["WAV", "WAVEX", "RF64", "W64", "AIFF", "CAF", "AU"]
TOLERANCE = 256
"""Bytes that may be missing: many writers state a length that is wrong by a byte or by a header."""


@cache
def sound(file_format: str, channels: int = 1, subtype: str | None = None) -> bytes:
    """Return a file of ``FRAMES`` frames of noise, which never looks like a chunk, a tag or padding."""
    audio = np.random.default_rng(channels).uniform(-0.5, 0.5, (channels, FRAMES)).astype(np.float32)
    return encode(audio, file_format=file_format, subtype=subtype or ("VORBIS" if file_format == "OGG" else None))


def sound_field(data: bytes, file_format: str) -> tuple[int, str, int]:
    """Return the offset and the struct format of the length of the samples, and the length that it states."""
    name = b"SSND" if file_format == "AIFF" else b"data"
    offset, form = {
        "RF64": (data.find(b"ds64") + 16, "<Q"),
        "W64": (data.find(b"data") + 16, "<Q"),
        "AIFF": (data.find(name) + 4, ">I"),
        "CAF": (data.find(b"\0data") + 5, ">q"),
        "AU": (8, ">I"),
    }.get(file_format, (data.find(name) + 4, "<I"))
    return offset, form, struct.unpack_from(form, data, offset)[0]


def outer_field(file_format: str) -> tuple[int, str]:
    """Return the offset and the struct format of the length of the whole file."""
    return {"RF64": (20, "<Q"), "W64": (16, "<Q"), "AIFF": (4, ">I")}.get(file_format, (4, "<I"))


def patched(data: bytes, offset: int, form: str, value: int) -> bytes:
    """Return a file with another number in its header, wrapped to the size of the field."""
    content, bits = bytearray(data), 8 * struct.calcsize(form)
    value %= 1 << bits
    if form[-1] == "q" and value >> 63:
        value -= 1 << 64
    struct.pack_into(form, content, offset, value)
    return bytes(content)


def flac_of(samples: int, channels: int = 1, *, checksum: bool = True) -> bytes:
    """Return a FLAC file that states another number of samples; 0 means unknown."""
    content = bytearray(sound("FLAC", channels))
    content[21] = content[21] & 0xF0 | samples >> 32
    content[22:26] = (samples & 0xFFFF_FFFF).to_bytes(4)
    if not checksum:
        content[26:42] = bytes(16)
    return bytes(content)


def assert_whole(data: bytes, original: bytes) -> None:
    """Assert that nothing is lost, in memory and in a long file."""
    expected, found = decode_sound(original, "x").audio, decode_sound(data, "x").audio
    assert np.array_equal(found, expected)


WRONG: dict[str, Callable[[int], int]] = {
    "zero": lambda true: 0,
    "unknown": lambda true: -1,
    "unknown to sox": lambda true: 0x7FFF_F000,
    "unknown to arecord": lambda true: 0x8000_0000,
    "unknown without the header": lambda true: 0xFFFF_FFFF - 36,
    "half": lambda true: true // 2,
    "odd": lambda true: true // 2 | 1,
    "one frame": lambda true: 2,
    "16 bits of it": lambda true: true % 0x1_0000 if true >= 0x1_0000 else true,
    "wrong by a header": lambda true: true + 44,
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("file_format", PCM)
def test_the_samples_that_are_there_decide(file_format: str, wrong: str, channels: int) -> None:
    data = sound(file_format, channels)
    offset, form, true = sound_field(data, file_format)
    assert_whole(patched(data, offset, form, WRONG[wrong](true)), data)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("file_format", ["WAV", "WAVEX", "RF64", "W64", "AIFF"])
def test_the_length_of_the_whole_file_may_be_wrong(file_format: str, wrong: str) -> None:
    data = sound(file_format)
    offset, form = outer_field(file_format)
    assert_whole(patched(data, offset, form, WRONG[wrong](len(data) - 8)), data)


@settings(max_examples=150, deadline=None)
@given(
    file_format=st.sampled_from(PCM),
    value=st.integers(-1, 2**33) | st.integers(0, 2 * 2 * FRAMES),
    channels=st.integers(1, 2),
)
def test_no_length_makes_a_sound_shorter_in_silence(file_format: str, value: int, channels: int) -> None:
    data = sound(file_format, channels)
    offset, form, true = sound_field(data, file_format)
    content = patched(data, offset, form, value)
    try:
        frames = decode_sound(content, "x").audio.shape[1]
    except AssetError as error:
        assert "ends early" in error.found and value > true
    else:
        assert abs(frames - FRAMES) * 2 * channels <= TOLERANCE


@settings(max_examples=300, deadline=None)
@given(file_format=st.sampled_from([*PCM, "FLAC", "OGG"]), data=st.data())
def test_a_cut_file_is_named_as_cut(file_format: str, data: st.DataObject) -> None:
    content = sound(file_format)
    kept = data.draw(st.integers(48, 200) | st.integers(48, len(content) - 1 - TOLERANCE))
    with pytest.raises(AssetError, match="ends early"):
        decode_sound(content[:kept], "x")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_cut_mp3_is_named_as_cut(share: float) -> None:
    content = sound("MP3")
    with pytest.raises(AssetError, match=r"ends early: .* frames of MP3"):
        decode_sound(content[: int(share * len(content))], "x")


@settings(max_examples=40, deadline=None)
@given(
    samples=st.sampled_from([0, 1, 4095, 4096, FRAMES - 1, FRAMES + 1, 2 * FRAMES, 2**36 - 1]) | st.integers(0, 2**20)
)
@pytest.mark.parametrize("checksum", [True, False])
def test_the_frames_of_a_flac_decide(samples: int, checksum: bool) -> None:
    assert_whole(flac_of(samples, checksum=checksum), sound("FLAC"))


@settings(max_examples=40, deadline=None)
@given(frames=st.sampled_from([0, 1, 5, 100, 2**32 - 1]) | st.integers(0, 1000))
def test_the_frames_of_an_mp3_decide(frames: int) -> None:
    content = sound("MP3")
    position = max(content.find(b"Xing"), content.find(b"Info"))
    decoded = decode_sound(patched(content, position + 8, ">I", frames), "x")
    assert abs(decoded.audio.shape[1] - FRAMES) <= 1152


@pytest.mark.parametrize("with_frame", [True, False])
def test_an_mp3_of_variable_bit_rate_needs_no_stated_length(with_frame: bool) -> None:
    time = np.arange(2 * RATE) / RATE
    audio = np.stack([np.where(time < 1, 0.3 * np.sin(2 * np.pi * 300 * time), noise_of(2 * RATE))]).astype(np.float32)
    content = bytearray(encode(audio, file_format="MP3", bitrate_mode="VARIABLE"))
    position = max(content.find(b"Xing"), content.find(b"Info"))
    content[position + 7] = 0
    if not with_frame:
        size = next(at for at in range(200, 2000) if content[at : at + 2] == content[:2])
        content = content[size:]
    frames = decode_sound(bytes(content), "x").audio.shape[1]
    assert 2 * RATE <= frames <= 2 * RATE + 3 * 1152


def noise_of(samples: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-0.5, 0.5, samples)


@pytest.mark.parametrize("granule", [0, -1, 1, 0.3, 0.7, 1.5, 1 << 40, 1 << 62])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("samples", [9_000, 40_000])
def test_the_packets_of_an_ogg_decide(samples: int, subtype: str, granule: float) -> None:
    rate = 48_000 if subtype == "OPUS" else RATE
    audio = np.random.default_rng(1).uniform(-0.5, 0.5, (1, samples)).astype(np.float32)
    content = bytearray(encode(audio, rate, file_format="OGG", subtype=subtype))
    page = content.rfind(b"OggS")
    stated = round(granule * samples) if isinstance(granule, float) else granule
    struct.pack_into("<q", content, page + 6, stated)
    struct.pack_into("<I", content, page + 22, 0)
    struct.pack_into("<I", content, page + 22, _checksum(bytes(content[page:])))
    frames = decode_sound(bytes(content), "x").audio.shape[1]
    assert samples <= frames <= samples + 2048


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, b"TAG" + b"x" * 125, b"LIST\x04\0\0\0INFO", b"ID3\x04" + b"y" * 600, b"text\n" * 99]
)
def test_padding_tags_and_chunks_after_the_samples_are_no_sound(tail: bytes) -> None:
    data = sound("WAV")
    assert_whole(data + tail, data)


@pytest.mark.parametrize("size", [0, 3, 5, 7, 1000, 0xFFFF_FFFF])
@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_the_length_of_a_chunk_before_the_samples_may_be_wrong(size: int, padding: bytes) -> None:
    data = sound("WAV")
    extra = b"note" + struct.pack("<I", size) + b"hello" + padding
    assert_whole(data[:36] + extra + data[36:], data)


@pytest.mark.parametrize("size", [0, 1, 17, 18, 400, 0xFFFF_FFFF])
@pytest.mark.parametrize("file_format", ["WAV", "WAVEX"])
def test_the_length_of_the_format_may_be_wrong(file_format: str, size: int) -> None:
    data = sound(file_format)
    assert_whole(patched(data, 16, "<I", size), data)


@settings(max_examples=300, deadline=None)
@given(file_format=st.sampled_from([*PCM, "FLAC", "OGG", "MP3"]), data=st.data())
def test_a_damaged_header_gives_a_sound_or_an_error_of_ours(file_format: str, data: st.DataObject) -> None:
    content = bytearray(sound(file_format))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 120) | st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    del content[data.draw(st.integers(0, 200) | st.just(len(content))) :]
    try:
        assert decode_sound(bytes(content), "x").audio.shape[1] > 0
    except AssetError as error:
        assert error.found


def test_a_right_header_is_left_alone() -> None:
    for file_format in (*PCM, "FLAC", "OGG", "MP3"):
        result = check_length(ByteSource.of_bytes(sound(file_format)))
        assert result.repair is None and not result.missing


@pytest.mark.parametrize("channels", [1, 2])
def test_a_wave_of_more_than_4_gib_is_read_to_its_end(tmp_path: Path, channels: int) -> None:
    path, extra = tmp_path / "long.wav", 1_000_000
    data = sound("WAV", channels)
    size = (1 << 32) + len(data) - 44 + extra
    offset, form, _ = sound_field(data, "WAV")
    with path.open("wb") as file:
        file.write(patched(data, offset, form, size))
        file.truncate(44 + size)  # sparse: the rest takes no room on the disk
    assert open_long_file(path).seconds == pytest.approx(size / 2 / channels / RATE)


def test_a_long_file_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "song.flac"
    path.write_bytes(flac_of(0, 2, checksum=False))
    file = open_long_file(path)
    assert file.seconds == pytest.approx(FRAMES / RATE)
    assert sum(len(block) for block in file.blocks()) == FRAMES


def test_a_long_file_that_was_cut_is_refused_at_once(tmp_path: Path) -> None:
    for file_format in (*PCM, "FLAC", "OGG", "MP3"):
        path = tmp_path / f"song.{file_format.lower()}"
        path.write_bytes(sound(file_format)[:-2000])
        with pytest.raises(AssetError, match="ends early") as caught:
            sum(len(block) for block in open_long_file(path).blocks())
        assert path.name in caught.value.about


def test_what_the_decoder_writes_comes_with_the_name_of_the_file(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    audio = hit(1, 1.0)
    content = bytearray(encode(audio, file_format="MP3"))
    content[2000:2400] = b"\x55" * 400
    path = tmp_path / "damaged.mp3"
    path.write_bytes(content)
    with caplog.at_level(logging.INFO):
        decode_sound(bytes(content), "kick 7.mp3")
        sum(len(block) for block in open_long_file(path).blocks())
    assert capfd.readouterr().err == ""
    messages = [record.getMessage() for record in caplog.records if "decoder says" in record.getMessage()]
    assert messages and all(message.startswith(("kick 7.mp3: ", str(path))) for message in messages)


def test_a_decoder_that_fails_in_the_middle_of_a_song_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(sound("WAV"))
    file = open_long_file(path)

    def fail(*_: object, **__: object) -> None:
        raise soundfile.SoundFileRuntimeError("lost sync")

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.raises(AssetError, match=r"song\.wav"):
        list(file.blocks())


def test_a_long_file_that_cannot_be_opened_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "song.wav").write_bytes(sound("WAV"))
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(AssetError, match=r"song\.wav: cannot be read: Permission denied"):
        open_long_file(tmp_path / "song.wav")
