"""Laws of reading files for a classifier: equal sounds are prepared alike, and every bad file has a reason."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.curation.one_shot_files import (
    LISTEN_SECONDS,
    LONGEST_SECONDS,
    SAMPLE_RATE,
    PreparedFile,
    RefusedFile,
    SoundFile,
    prepare_file,
    prepare_question,
)
from rmod_pipeline.errors import AssetError, RmodError, UsageError
from tests.library.library_sounds import RATE, hit, write_sound


def prepare(path: Path, digest: str = "") -> PreparedFile:
    prepared = prepare_file(SoundFile(path=path, sha256=digest))
    assert isinstance(prepared, PreparedFile), prepared
    return prepared


def reason(path: Path, digest: str = "") -> str:
    refused = prepare_file(SoundFile(path=path, sha256=digest))
    assert isinstance(refused, RefusedFile)
    return refused.reason


def test_a_sound_is_heard_from_its_onset_on(tmp_path: Path) -> None:
    sound = hit(1)
    late = np.pad(sound, ((0, 0), (5000, 0)))
    one = prepare(write_sound(tmp_path / "a.wav", sound, subtype="FLOAT"))
    other = prepare(write_sound(tmp_path / "b.wav", late, subtype="FLOAT"))
    assert np.array_equal(one.audio, other.audio)
    assert other.seconds == pytest.approx(one.seconds + 5000 / RATE)
    assert one.sha256 == sha256((tmp_path / "a.wav").read_bytes()).hexdigest()


def test_at_most_three_seconds_are_heard(tmp_path: Path) -> None:
    long = np.concatenate([hit(1, 3.0), hit(2, 5.0)], axis=1)
    one = prepare(write_sound(tmp_path / "a.wav", hit(1, 3.0), subtype="FLOAT"))
    other = prepare(write_sound(tmp_path / "b.wav", long, subtype="FLOAT"))
    assert one.audio.size == other.audio.size == round(LISTEN_SECONDS * SAMPLE_RATE)
    assert np.array_equal(one.audio, other.audio)
    assert other.seconds == pytest.approx(8.0)


@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (48_000, 2), (96_000, 1)])
def test_rate_and_channels_do_not_matter(tmp_path: Path, rate: int, channels: int) -> None:
    prepared = prepare(write_sound(tmp_path / "a.wav", hit(1, 0.5, rate=rate, channels=channels), rate))
    assert prepared.audio.ndim == 1 and prepared.audio.dtype == np.float32
    assert prepared.audio.size == pytest.approx(0.5 * SAMPLE_RATE, abs=200)


def test_every_bad_file_has_a_reason(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.wav")
    locked = write_sound(tmp_path / "changed.wav", hit(3))
    samples = np.full((1, 100), np.nan, np.float32)
    expected = {
        text: "not readable as audio",
        tmp_path / "empty.wav": "empty file",
        tmp_path / "pipe.wav": "not a regular file",
        tmp_path / "missing.wav": "no such file",
        tmp_path: "Is a directory",
        write_sound(tmp_path / "nan.wav", samples, subtype="FLOAT"): "NaN",
        write_sound(tmp_path / "silent.wav", np.zeros((1, RATE), np.float32)): "silent",
        write_sound(tmp_path / "faint.wav", 1e-4 * hit(1), subtype="FLOAT"): "silent: peak -8",
        write_sound(tmp_path / "five.wav", hit(1)[:, :5]): "too short: 5 frames, 0.1 ms",
        write_sound(tmp_path / "minute.wav", np.tile(hit(1), 240)): "too long: 60.0 s, at most 30 s",
    }
    for path, words in expected.items():
        assert words in reason(path), path
    assert "changed since the scan" in reason(locked, "0" * 64)


def test_a_large_file_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "song.wav", np.zeros((2, 600 * 8000), np.float32), 8000)
    monkeypatch.setattr("rmod_pipeline.curation.one_shot_files._MOST_BYTES_UNSEEN", 1000)
    monkeypatch.setattr("rmod_pipeline.curation.one_shot_files.read_bytes", lambda _: pytest.fail("it was read"))
    assert "too long: 600.0 s" in reason(path)


def test_a_question_is_prepared_as_a_file_of_a_library(tmp_path: Path) -> None:
    for name, sound in (("short", hit(1)), ("long", hit(2, 7.0)), ("stereo", hit(3, channels=2))):
        path = write_sound(tmp_path / f"{name}.wav", sound)
        question, file = prepare_question(path), prepare(path)
        assert np.array_equal(question.audio, file.audio)
        assert question.sha256 == file.sha256 and question.seconds == pytest.approx(file.seconds)


def test_a_question_may_be_as_long_as_a_song(tmp_path: Path) -> None:
    song = np.concatenate([hit(1, 3.0), np.zeros((1, round(1.2 * LONGEST_SECONDS * RATE)), np.float32)], axis=1)
    question = prepare_question(write_sound(tmp_path / "song.wav", song, subtype="FLOAT"))
    short = prepare(write_sound(tmp_path / "hit.wav", hit(1, 3.0), subtype="FLOAT"))
    assert np.array_equal(question.audio, short.audio)
    assert question.seconds == pytest.approx(3.0 + 1.2 * LONGEST_SECONDS)


def test_a_question_that_cannot_be_heard_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    silent = write_sound(tmp_path / "silent.wav", np.zeros((1, RATE), np.float32))
    late = np.zeros((1, round(1.2 * LONGEST_SECONDS * RATE)), np.float32)
    late[:, -100:] = 0.5
    for path, kind, words in (
        (tmp_path / "missing.wav", UsageError, "no such file"),
        (tmp_path, UsageError, "folder"),
        (tmp_path / "text.wav", AssetError, "not readable"),
        (silent, AssetError, "silent"),
        (write_sound(tmp_path / "late.wav", late), AssetError, "silent: peak -120.0 dBFS in its first 30 s"),
    ):
        with pytest.raises(kind, match=words) as raised:
            prepare_question(path)
        assert isinstance(raised.value, RmodError) and raised.value.hint
