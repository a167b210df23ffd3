"""Decoding of every format and of damaged files, the onset rule, and the bounded read-only audio store."""

from __future__ import annotations

import os
import pickle
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import AssetError, LibraryError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import (
    AudioStore,
    _SeekableBytes,
    check_complete,
    decode_sound,
    find_onset,
    read_bytes,
    read_sound,
    repair_hint,
    resample,
    trim_leading_silence,
)
from rmod_pipeline.storage import StorePath
from tests.library.library_sounds import RATE, asset, encode, hit, write_sound

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
def test_every_format_is_decoded(file_format: str, subtype: str, error: float, channels: int) -> None:
    audio = hit(1, channels=channels)
    decoded = decode_sound(encode(audio, RATE, file_format, subtype=subtype), "x")
    assert decoded.audio.dtype == np.float32 and decoded.audio.flags.c_contiguous
    assert decoded.sample_rate == RATE and decoded.channels == channels == decoded.audio.shape[0]
    frames = min(audio.shape[1], decoded.audio.shape[1])
    assert frames >= 0.9 * audio.shape[1]
    assert np.abs(audio[:, :frames] - decoded.audio[:, :frames]).max() <= error


@pytest.mark.parametrize("rate", [8_000, 22_050, 96_000, 192_000])
def test_any_rate_can_be_resampled(rate: int) -> None:
    audio = hit(1, rate=rate)
    decoded = decode_sound(encode(audio, rate), "x")
    assert decoded.sample_rate == rate
    converted = resample(decoded.audio, rate, RATE)
    assert converted.shape[1] == pytest.approx(audio.shape[1] * RATE / rate, abs=2)


def test_equal_channels_become_one() -> None:
    audio = hit(1)
    assert decode_sound(encode(np.repeat(audio, 2, axis=0), subtype="FLOAT"), "x").audio.shape[0] == 1


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 12])
def test_many_channels_become_two_without_clipping(channels: int) -> None:
    decoded = decode_sound(encode(np.ones((channels, 100), np.float32), subtype="FLOAT"), "x")
    assert decoded.channels == channels and decoded.audio.shape[0] <= 2
    assert 0.3 < decoded.audio.max() <= 1.000001


def test_surround_downmix_keeps_left_and_right_apart() -> None:
    audio = np.zeros((6, 100), np.float32)
    audio[0], audio[4] = 0.5, 0.5
    left, right = decode_sound(encode(audio, subtype="FLOAT"), "x").audio
    assert left.max() > 0.3 and right.max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinite_samples_are_refused(value: float) -> None:
    audio = hit(1)
    audio[0, 50] = value
    with pytest.raises(AssetError, match="NaN or infinite"):
        decode_sound(encode(audio, subtype="FLOAT"), "x")


def test_files_without_audio_are_refused(tmp_path: Path) -> None:
    write_sound(tmp_path / "none.wav", np.zeros((1, 0), np.float32))
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is text\n" * 100)
    for name, found in (("none.wav", "0 frames"), ("empty.wav", "empty"), ("text.wav", "not readable as audio")):
        with pytest.raises(AssetError, match=found) as caught:
            read_sound(tmp_path / name)
        assert name in caught.value.about and caught.value.hint
        assert "object at" not in caught.value.found


def test_anything_but_a_regular_file_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for name in ("pipe.wav", "folder.wav", "loop.wav", "missing.wav"):
        with pytest.raises(AssetError):
            read_sound(tmp_path / name)


def test_a_single_sample_is_decoded() -> None:
    assert decode_sound(encode(np.full((1, 1), 0.5, np.float32)), "x").audio.shape == (1, 1)


@pytest.mark.parametrize("file_format", ["FLAC", "WAV", "AIFF"])
def test_a_truncated_file_is_refused(file_format: str) -> None:
    data = encode(hit(1, 2.0), file_format=file_format)
    with pytest.raises(AssetError, match=r"ends early|not readable"):
        decode_sound(data[: len(data) // 2], "x")


def test_a_sound_over_the_length_limit_is_refused() -> None:
    with pytest.raises(AssetError, match=r"too long: 2\.0 s, at most 1 s"):
        decode_sound(encode(hit(1, 2.0)), "x", max_seconds=1)


@settings(max_examples=150)
@given(file_format=st.sampled_from(["WAV", "AIFF", "FLAC", "OGG", "MP3"]), data=st.data())
def test_damaged_audio_raises_only_asset_errors(file_format: str, data: st.DataObject) -> None:
    content = bytearray(_SMALL[file_format])
    for _ in range(data.draw(st.integers(1, 4))):
        # Most of the damage goes to headers, because they decide what is read.
        at = data.draw(st.integers(0, 80) | st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    try:
        decoded = decode_sound(bytes(content), "x")
    except AssetError as error:
        assert error.found
    else:
        assert np.isfinite(decoded.audio).all() and decoded.audio.shape[0] in (1, 2) and decoded.audio.shape[1] > 0


_SMALL = {name: encode(hit(1, 0.05, channels=2), file_format=name) for name in ("WAV", "AIFF", "FLAC", "OGG", "MP3")}


@given(silence=st.integers(0, 9000), level=st.floats(1e-3, 1), floor=st.floats(0, 0.9))
def test_the_onset_is_60_db_below_the_peak(silence: int, level: float, floor: float) -> None:
    audio = np.full((2, silence + 100), floor * level * 1e-3, np.float32)
    audio[1, silence:] = level
    assert find_onset(audio) == silence
    assert trim_leading_silence(audio).shape[1] == 100


def test_silence_has_its_onset_at_0() -> None:
    assert find_onset(np.zeros((1, 10), np.float32)) == 0


def make_library(folder: Path, count: int = 3) -> Library:
    rows = []
    for number in range(count):
        audio = np.pad(hit(number, channels=1 + number % 2), ((0, 0), (1000, 0)))
        path = write_sound(folder / f"{number}.wav", audio, subtype="FLOAT")
        rows.append(asset(str(number), path=path.name, sha256=sha256(path.read_bytes()).hexdigest()))
    return Library(assets=tuple(rows), root=folder, manifest=folder / "m.csv", digest="")


def test_the_store_returns_read_only_audio_at_its_rate(tmp_path: Path) -> None:
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


def test_the_store_returns_exact_samples_without_resampling(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    assert np.array_equal(AudioStore(library).read("0", trim=False)[:, 1000:], hit(0))


def test_the_store_keeps_to_its_memory_limit(tmp_path: Path) -> None:
    library = make_library(tmp_path, 8)
    size = AudioStore(library).read("0").nbytes
    store = AudioStore(library, cache_bytes=3 * size)
    for name in "01234567":
        store.read(name)
        assert sum(audio.nbytes for audio in store._cache.values()) == store._cached_bytes <= 3 * size
    tiny = AudioStore(library, cache_bytes=10)
    assert np.array_equal(tiny.read("0"), store.read("0"))


def test_a_pickled_store_has_an_empty_cache(tmp_path: Path) -> None:
    store = AudioStore(make_library(tmp_path))
    store.read("0")
    copy = pickle.loads(pickle.dumps(store))
    assert not copy._cache and np.array_equal(copy.read("0"), store.read("0"))


def test_the_store_refuses_changed_and_missing_files(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    write_sound(tmp_path / "0.wav", hit(9))
    (tmp_path / "1.wav").unlink()
    store = AudioStore(library)
    with pytest.raises(AssetError, match="changed since the scan") as caught:
        store.read("0")
    assert "0.wav" in caught.value.about and "--previous" in caught.value.hint
    with pytest.raises(AssetError, match="no such file"):
        store.read("1")
    with pytest.raises(LibraryError, match="no sound 'nine'"):
        store.read("nine")


def test_a_seek_before_the_beginning_stays_where_it_is() -> None:
    file = _SeekableBytes(b"abcdef")
    file.read(2)
    assert file.seek(-9) == 2
    assert file.read() == b"cdef"


@pytest.mark.parametrize(
    ("audio", "rate", "found"),
    [(np.ones((1, 10)), 100, "a sample rate of 100 Hz"), (np.ones((65, 10)), RATE, "65 channels")],
)
def test_a_sound_that_no_drum_has_is_refused(audio: Audio, rate: int, found: str) -> None:
    with pytest.raises(AssetError, match=found):
        decode_sound(encode(audio, rate), "x")


def test_a_decoder_that_stops_early_is_noticed() -> None:
    """Of MP3 and Ogg it only estimates the length."""
    check_complete(SimpleNamespace(frames=10, format="OGG"), "x", 9)
    check_complete(SimpleNamespace(frames=10, format="WAV"), "x", 10)
    with pytest.raises(AssetError, match="ends early: 9 of 10 frames"):
        check_complete(SimpleNamespace(frames=10, format="WAV"), "x", 9)


def test_a_file_of_more_than_1_gib_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(2**30 + 1)  # sparse
    with pytest.raises(AssetError, match=r"1\.0 GiB, more than 1 GiB"):
        read_bytes(tmp_path / "large.wav")


def test_a_sound_without_a_frame_at_the_rate_is_refused(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "0.wav", np.full((1, 1), 0.5, np.float32), 192_000)
    row = asset("0", path="0.wav", sha256=sha256(path.read_bytes()).hexdigest())
    library = Library(assets=(row,), root=tmp_path, manifest=tmp_path / "m.csv", digest="")
    with pytest.raises(AssetError, match="shorter than one frame at 8000 Hz"):
        AudioStore(library, sample_rate=8_000).read("0")


def test_sounds_of_a_store_are_read_or_named(own_store: StorePath) -> None:
    path = own_store / "a.wav"
    with pytest.raises(AssetError, match="no such object"):
        read_bytes(path)
    path.write_bytes(b"content")
    assert read_bytes(path) == b"content"


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StorePath:
    """An empty address on a store in memory, and a cache of its own."""
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    return StorePath(f"memory://sounds-{uuid4().hex}")


def test_a_damaged_sound_of_the_builtin_kit_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path))
    for folder, hint in ((tmp_path / "builtin-1", "makes it again"), (tmp_path / "mine", "--previous")):
        library = Library(assets=(), root=folder, manifest=folder / "m.csv", digest="")
        assert hint in repair_hint(library, folder / "a.wav", AssetError("a.wav", "changed", ""))
