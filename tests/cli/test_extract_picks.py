"""`rmod extract` without a model: known sounds that the ear picks."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from rmod_pipeline.ear.checkpoint import EarCheckpoint, encode_ear_checkpoint
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.extraction import extract
from tests.tiny_dose import RATE, World, four_windows
from tests.tiny_ear import INSTRUMENTS, SIZE, make_ear

Rmod = Callable[..., Any]


@pytest.fixture(scope="module")
def ear_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the small ear."""
    ear = make_ear()
    recipe = EarRecipe.model_validate(
        {"name": "small", "instruments": INSTRUMENTS, "model": SIZE.model_dump(), "schedule": {"steps": 1}}
    )
    checkpoint = EarCheckpoint(recipe=recipe, features=ear.features, state=ear.model.state_dict())
    path = tmp_path_factory.mktemp("ear") / "ear.pth"
    path.write_bytes(encode_ear_checkpoint(checkpoint))
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("song") / "song.wav"
    soundfile.write(path, four_windows(), RATE)
    return path


@pytest.fixture
def asked(song: Path, ear_file: Path, tiny_manifest: Path, tmp_path: Path) -> list[Any]:
    """A command that picks kicks and snares from the tiny library."""
    base = ["extract", song, "--out", tmp_path / "drums", "--ear", ear_file, "--library", tiny_manifest]
    return [*base, "--instrument", "kick", "--instrument", "snare", "--picks", 2, "--windows", 1]


def test_a_song_becomes_drums_without_a_checkpoint(asked: list[Any], tmp_path: Path, rmod: Rmod) -> None:
    done = rmod(*asked, "--instrument", "kick")
    assert done.code == 0, done.err
    assert "hihat" not in done.err  # the library has none, but nobody asked for it
    out = tmp_path / "drums"
    assert sorted(path.name for path in out.rglob("*.wav")) == ["kick-02.wav", "kick.wav", "snare-02.wav", "snare.wav"]
    description = json.loads((out / "extraction.json").read_text())
    assert description["asked"]["answer"] == "picked"
    assert description["library"]["sounds"] == 21
    assert [sound["sound"]["kit"] != "" for sound in description["sounds"]] == [True] * 4
    assert "picked: kick/" in done.out
    assert (out / "listen.html").is_file()


def test_more_picks_than_sounds_pick_them_all(asked: list[Any], tmp_path: Path, rmod: Rmod) -> None:
    asked[asked.index("--picks") + 1] = 60
    done = rmod(*asked)
    assert done.code == 0, done.err
    sounds = json.loads((tmp_path / "drums" / "extraction.json").read_text())["sounds"]
    kicks = [sound["sound"]["id"] for sound in sounds if sound["instrument"] == "kick"]
    assert len(kicks) == len(set(kicks)) == 7


def test_a_drum_that_the_library_lacks_is_left_out(asked: list[Any], tmp_path: Path, rmod: Rmod) -> None:
    done = rmod(*[word for word in asked if word not in ("--instrument", "kick", "snare")])
    assert done.code == 0, done.err
    assert "No known sound is picked for hihat, which the library does not have." in " ".join(done.err.split())
    assert not (tmp_path / "drums" / "hihat.wav").exists()


def test_a_stop_keeps_nothing_and_leaves_an_earlier_extraction(
    asked: list[Any], tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rmod(*asked, "--instrument", "kick").code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}

    def stop(*_arguments: Any, **_options: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(extract, "choose_windows", stop)
    done = rmod("-v", *asked)
    assert done.code == 130
    assert done.err == "\nStopped. Nothing of this extraction is kept; the same command begins anew.\n"
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--instrument", "tom"], "hears kick, snare, hihat, not tom"),
        (["--instrument", "hihat"], "no hihat to pick; there are bass, kick, snare"),
        (["--answer", "generated"], "--checkpoint: is missing"),
        (["--answer", "picks"], "no answer is called picks"),
        (["--codec", "mini"], "--codec: is of no use without --checkpoint"),
        (["--picks", "0"], "--picks: 0 is out of range"),
    ],
)
def test_a_mistake_is_named_before_anything_is_written(
    asked: list[Any], tmp_path: Path, rmod: Rmod, options: list[str], message: str
) -> None:
    done = rmod(*asked, *options)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "drums").exists()


def test_a_model_has_no_use_for_picked_alone(asked: list[Any], by_heart: World, rmod: Rmod) -> None:
    done = rmod(*asked, "--answer", "picked", "--checkpoint", by_heart.folder)
    assert done.code == 2
    assert "is of no use to --answer picked" in " ".join(done.err.split())
    done = rmod(*asked, "--answer", "generated", "--checkpoint", by_heart.folder)
    assert done.code == 2
    assert "--library: is of no use to --answer generated" in " ".join(done.err.split())


def test_a_file_that_is_no_ear_is_named(asked: list[Any], tmp_path: Path, rmod: Rmod) -> None:
    other = tmp_path / "other.pth"
    asked[asked.index("--ear") + 1] = other
    for content, found in ((b"no ear", "text"), (b"", "an empty file"), (bytes(99), "a file of another kind")):
        other.write_bytes(content)
        done = rmod(*asked)
        assert done.code == 2
        assert f"{other}: {found}, not a checkpoint" in done.err
        assert "-> give an ear that a training of rmod wrote, such as ear.pth, or leave --ear out" in done.err
