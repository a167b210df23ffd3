"""Reading: every format, any damage, one rule for silence, a store that is bounded and cannot be written to."""

from __future__ import annotations

import os
import pickle
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import AssetError, LibraryError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import AudioStore, decode_sound, onset, read_sound, resample, trim_leading_silence
from tests.library.library_sounds import RATE, asset, encoded, hit, put

FORMATS = [
    ("WAV", "PCM_U8", 2**-7),
    ("WAV", "PCM_16", 2**-15),
    ("WAV", "PCM_24", 2**-23),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 1e-7),
    ("AIFF", "PCM_16", 2**-15),
    ("FLAC", "PCM_16", 2**-15),
    ("FLAC", "PCM_24", 2**-23),
    ("OGG", "VORBIS", 0.6),
    ("MP3", "MPEG_LAYER_III", 0.9),
]


@pytest.mark.parametrize(("file_format", "subtype", "error"), FORMATS)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_the_sound(file_format: str, subtype: str, error: float, channels: int) -> None:
    audio = hit(1, channels=channels)
    decoded = decode_sound(encoded(audio, RATE, file_format, subtype=subtype), "x")
    assert decoded.audio.dtype == np.float32 and decoded.audio.flags.c_contiguous
    assert decoded.sample_rate == RATE and decoded.channels == channels == decoded.audio.shape[0]
    frames = min(audio.shape[1], decoded.audio.shape[1])
    assert frames >= 0.9 * audio.shape[1]
    assert np.abs(audio[:, :frames] - decoded.audio[:, :frames]).max() <= error


@pytest.mark.parametrize("rate", [8_000, 22_050, 96_000, 192_000])
def test_any_rate_is_brought_to_one(rate: int) -> None:
    audio, found = hit(1, rate=rate), decode_sound(encoded(hit(1, rate=rate), rate), "x")
    assert found.sample_rate == rate
    converted = resample(found.audio, rate, RATE)
    assert converted.shape[1] == pytest.approx(audio.shape[1] * RATE / rate, abs=2)


def test_equal_channels_become_one() -> None:
    audio = hit(1)
    assert decode_sound(encoded(np.repeat(audio, 2, axis=0), subtype="FLOAT"), "x").audio.shape[0] == 1


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 12])
def test_many_channels_become_two_without_clipping(channels: int) -> None:
    decoded = decode_sound(encoded(np.ones((channels, 100), np.float32), subtype="FLOAT"), "x")
    assert decoded.channels == channels and decoded.audio.shape[0] <= 2
    assert 0.3 < decoded.audio.max() <= 1.000001


def test_surround_keeps_left_left() -> None:
    audio = np.zeros((6, 100), np.float32)
    audio[0], audio[4] = 0.5, 0.5
    left, right = decode_sound(encoded(audio, subtype="FLOAT"), "x").audio
    assert left.max() > 0.3 and right.max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(value: float) -> None:
    audio = hit(1)
    audio[0, 50] = value
    with pytest.raises(AssetError, match="NaN or infinite"):
        decode_sound(encoded(audio, subtype="FLOAT"), "x")


def test_what_holds_nothing_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "none.wav", np.zeros((1, 0), np.float32))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound\n" * 100)
    for name, found in (("none.wav", "0 frames"), ("empty.wav", "empty"), ("text.wav", "not readable as audio")):
        with pytest.raises(AssetError, match=found) as caught:
            read_sound(tmp_path / name)
        assert name in caught.value.about and caught.value.hint
        assert "object at" not in caught.value.found


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for name in ("pipe.wav", "folder.wav", "loop.wav", "missing.wav"):
        with pytest.raises(AssetError):
            read_sound(tmp_path / name)


def test_a_single_sample_is_a_sound() -> None:
    assert decode_sound(encoded(np.full((1, 1), 0.5, np.float32)), "x").audio.shape == (1, 1)


@pytest.mark.parametrize("file_format", ["FLAC", "WAV", "AIFF"])
def test_a_truncated_file_is_named(file_format: str) -> None:
    data = encoded(hit(1, 2.0), file_format=file_format)
    with pytest.raises(AssetError, match=r"ends early|not readable"):
        decode_sound(data[: len(data) // 2], "x")


def test_too_long_is_seen_without_decoding_it_all() -> None:
    with pytest.raises(AssetError, match=r"too long: 2\.0 s, at most 1 s"):
        decode_sound(encoded(hit(1, 2.0)), "x", max_seconds=1)


@settings(max_examples=150)
@given(file_format=st.sampled_from(["WAV", "AIFF", "FLAC", "OGG", "MP3"]), data=st.data())
def test_damaged_audio_never_gives_a_traceback(file_format: str, data: st.DataObject) -> None:
    whole = bytearray(_SMALL[file_format])
    for _ in range(data.draw(st.integers(1, 4))):
        # Headers decide what is read: most of the damage goes there.
        at = data.draw(st.integers(0, 80) | st.integers(0, len(whole)))
        whole[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    if data.draw(st.booleans()):
        del whole[data.draw(st.integers(0, len(whole))) :]
    try:
        decoded = decode_sound(bytes(whole), "x")
    except AssetError as error:
        assert error.found
    else:
        assert np.isfinite(decoded.audio).all() and decoded.audio.shape[0] in (1, 2) and decoded.audio.shape[1] > 0


_SMALL = {name: encoded(hit(1, 0.05, channels=2), file_format=name) for name in ("WAV", "AIFF", "FLAC", "OGG", "MP3")}


@given(silence=st.integers(0, 9000), level=st.floats(1e-3, 1), floor=st.floats(0, 0.9))
def test_a_sound_begins_where_it_is_60_db_below_its_peak(silence: int, level: float, floor: float) -> None:
    audio = np.full((2, silence + 100), floor * level * 1e-3, np.float32)
    audio[1, silence:] = level
    assert onset(audio) == silence
    assert trim_leading_silence(audio).shape[1] == 100


def test_silence_is_left_alone() -> None:
    assert onset(np.zeros((1, 10), np.float32)) == 0


def make_library(folder: Path, count: int = 3) -> Library:
    rows = []
    for number in range(count):
        audio = np.pad(hit(number, channels=1 + number % 2), ((0, 0), (1000, 0)))
        path = put(folder / f"{number}.wav", audio, subtype="FLOAT")
        rows.append(asset(str(number), path=path.name, sha256=sha256(path.read_bytes()).hexdigest()))
    return Library(assets=tuple(rows), root=folder, manifest=folder / "m.csv", digest="")


def test_a_store_gives_the_sound_read_only_at_its_rate(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    store = AudioStore(library, sample_rate=22_050)
    audio = store.read("1")
    assert audio.dtype == np.float32 and audio.shape[0] == 2
    assert audio.shape[1] == pytest.approx(0.25 * 22_050, abs=3)
    assert store.read("1", trim=False).shape[1] == pytest.approx(audio.shape[1] + 500, abs=3)
    with pytest.raises(ValueError, match="read-only"):
        audio[0, 0] = 1
    with pytest.raises(ValueError):
        audio.flags.writeable = True
    assert store.read("1") is audio


def test_a_store_without_resampling_gives_the_very_samples(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    assert np.array_equal(AudioStore(library).read("0", trim=False)[:, 1000:], hit(0))


def test_a_store_keeps_no_more_than_it_may(tmp_path: Path) -> None:
    library = make_library(tmp_path, 8)
    size = AudioStore(library).read("0").nbytes
    store = AudioStore(library, cache_bytes=3 * size)
    for name in "01234567":
        store.read(name)
        assert sum(kept.nbytes for kept in store._kept.values()) == store._kept_bytes <= 3 * size
    tiny = AudioStore(library, cache_bytes=10)
    assert np.array_equal(tiny.read("0"), store.read("0"))


def test_a_store_travels_empty(tmp_path: Path) -> None:
    store = AudioStore(make_library(tmp_path))
    store.read("0")
    copy = pickle.loads(pickle.dumps(store))
    assert not copy._kept and np.array_equal(copy.read("0"), store.read("0"))


def test_a_store_notices_changed_and_vanished_files(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    put(tmp_path / "0.wav", hit(9))
    (tmp_path / "1.wav").unlink()
    store = AudioStore(library)
    with pytest.raises(AssetError, match="changed since the scan") as caught:
        store.read("0")
    assert "0.wav" in caught.value.about and "rmod library scan" in caught.value.hint
    with pytest.raises(AssetError, match="no such file"):
        store.read("1")
    with pytest.raises(LibraryError, match="no sound 'nine'"):
        store.read("nine")
