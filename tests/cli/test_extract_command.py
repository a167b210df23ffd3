"""`rmod extract`: what it leaves behind, its page, and what it says to bad input."""

from __future__ import annotations

import json
import os
import pickle
import re
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.codec.codec import open_codec
from rmod_pipeline.pages.extraction import format_time
from tests.tiny_dose import RATE, World, make_song, write_model

GENERATED = ("--answer", "generated")
"""Tests of picked sounds are in test_extract_picks.py."""

Rmod = Callable[..., Any]
Act = Callable[[World, Path], list[Any]]


@pytest.fixture(scope="module")
def world(by_heart: World) -> World:
    soundfile.write(by_heart.folder.parent / "song.wav", np.stack([by_heart.song] * 2).T, RATE)
    return by_heart


def song_of(world: World) -> Path:
    return world.folder.parent / "song.wav"


def asked(world: World, out: Path, *options: object, song: Path | None = None, model: Path | None = None) -> list[Any]:
    base = ["extract", song or song_of(world), "--checkpoint", model or world.folder, "--out", out]
    return [*base, "--codec", world.weights, "--device", "cpu", "--windows", 2, "--tries", 1, *GENERATED, *options]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Page(HTMLParser):
    """The sounds of a page, and every address in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sounds: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "audio":
            self.sounds.append(named["src"])
        self.addresses += [
            named[name] for name in ("src", "href", "srcset", "action", "data", "poster") if name in named
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_song_becomes_a_folder_of_drums(world: World, tmp_path: Path, rmod: Rmod) -> None:
    said = rmod(*asked(world, tmp_path / "out"))
    assert said.code == 0, said.err
    files = content(tmp_path / "out")
    for drum in ("kick", "snare", "hihat"):
        assert f"{tmp_path / 'out' / drum}.wav: " in said.out
        assert f"candidates/{drum}-04.wav" in files
        audio, rate = soundfile.read(BytesIO(files[f"{drum}.wav"]))
        assert rate == RATE
        assert np.abs(audio).max() == pytest.approx(10 ** (-1 / 20), abs=1e-3)
    assert len(files) == 3 * 4 + 2
    assert str(tmp_path) not in files["extraction.json"].decode() + files["listen.html"].decode()
    assert str(world.folder) not in files["extraction.json"].decode()
    again = rmod(*asked(world, tmp_path / "again"))
    assert again.code == 0
    assert content(tmp_path / "again") == files


@pytest.mark.parametrize("name", ["kick.wav", "candidates/snare-04.wav", "listen.html", "extraction.json"])
def test_a_file_of_somebody_elses_is_left_and_said_before_any_work(
    name: str, world: World, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rmod_pipeline.extraction import extract

    def worked(*_arguments: Any, **_named: Any) -> None:
        pytest.fail("it went to work")

    mine = tmp_path / "MyKit" / name
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    monkeypatch.setattr(extract, "extract_song", worked)
    said = rmod(*asked(world, tmp_path / "MyKit"))
    assert said.code == 2
    assert f"{mine}: already exists" in said.err
    assert "choose another --out, or move this file away" in said.err
    assert content(tmp_path / "MyKit") == {name: b"mine"}


def test_an_extraction_of_ours_is_replaced(world: World, tmp_path: Path, rmod: Rmod) -> None:
    first = rmod(*asked(world, tmp_path / "out", "--tries", 2))
    assert first.code == 0, first.err
    (tmp_path / "out" / "clap.wav").write_bytes(b"mine")
    assert rmod(*asked(world, tmp_path / "out")).code == 0
    assert rmod(*asked(world, tmp_path / "fresh")).code == 0
    assert content(tmp_path / "out") == {**content(tmp_path / "fresh"), "clap.wav": b"mine"}


def test_the_page_holds_the_sounds_and_makes_no_request(world: World, tmp_path: Path, rmod: Rmod) -> None:
    song = tmp_path / "<b>song & more.wav"
    song.write_bytes(song_of(world).read_bytes())
    assert rmod(*asked(world, tmp_path / "out", song=song)).code == 0
    html = (tmp_path / "out" / "listen.html").read_text()
    assert "<b>song" not in html
    assert "Content-Security-Policy" in html
    assert not re.search(r"https?://|@import|url\(\s*['\"]?(?!data:)", html)
    page = Page(html)
    assert "<b>song & more.wav" in page.text
    assert all(address.startswith("data:") for address in page.addresses)
    heard = [soundfile.read(BytesIO(b64decode(each.partition(",")[2])), dtype="int16") for each in page.sounds]
    candidates = [audio for audio, _ in heard]
    said = json.loads((tmp_path / "out" / "extraction.json").read_text())
    for sound in said["sounds"]:
        stored, _ = soundfile.read(tmp_path / "out" / sound["file"], dtype="int16")
        assert any(np.array_equal(stored, each) for each in candidates), sound["file"]
    windows = {(sound["instrument"], sound["window_seconds"]) for sound in said["sounds"]}
    assert len(candidates) == len(said["sounds"]) + len(windows)


def test_one_instrument_at_told_places(world: World, tmp_path: Path, rmod: Rmod) -> None:
    options = ["--instrument", "snare", "--at", 1.0, "--at", 2.0, "--tries", 0, "--no-trim", "--no-normalize"]
    said = rmod(*asked(world, tmp_path / "out", *options))
    assert said.code == 0, said.err
    files = json.loads((tmp_path / "out" / "extraction.json").read_text())["sounds"]
    assert {each["file"] for each in files} == {"snare.wav", "candidates/snare-02.wav"}
    assert {each["window_seconds"] for each in files} == {1.0, 2.0}
    assert {each["gain_db"] for each in files} == {0.0}
    which = {1.0: 1, 2.0: 2}
    for each in files:
        heard, _ = soundfile.read(tmp_path / "out" / each["file"], dtype="float32")
        target = world.targets["snare"][[which[each["window_seconds"]]]]
        np.testing.assert_allclose(heard, world.codec.decode(target)[0], atol=1 / 32767)


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_any_rate_and_a_short_song(rate: int, world: World, tmp_path: Path, rmod: Rmod) -> None:
    song = make_song(0.5, {"kick": [0.1]}, rate)
    soundfile.write(tmp_path / "song.flac", np.stack([song] * 3).T, rate)
    said = rmod(*asked(world, tmp_path / "out", song=tmp_path / "song.flac"))
    assert said.code == 0, said.err
    assert "The song has 0.50 s; silence was added" in said.err
    notes = " ".join(json.loads((tmp_path / "out" / "extraction.json").read_text())["notes"])
    assert ("The song has 8000 Hz, so everything above 4000 Hz is missing" in notes) == (rate < RATE)


def test_the_codec_is_known_by_the_checkpoints_name(
    world: World, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `mini` is by `mini-1a2b3c4d`."""
    from rmod_pipeline.codec import catalogue

    plain = world.codec.name[:-9]
    entry = catalogue.KnownCodec(name=plain, about="of a test", file=str(world.weights))
    monkeypatch.setitem(catalogue.KNOWN, plain, entry)
    arguments = [each for each in asked(world, tmp_path / "out") if each not in ("--codec", world.weights)]
    assert rmod(*arguments).code == 0


class Bomb:
    """What a pickle with code in it looks like."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch exploded",)


def bomb(world: World, folder: Path) -> list[Any]:
    (folder / "kick.pth").write_bytes(pickle.dumps({"state_dict": Bomb()}, protocol=2))
    return asked(world, folder / "out", model=folder / "kick.pth")


def model_of(world: World, folder: Path, said: dict[str, Any] | None = None, **changes: Any) -> list[Any]:
    identity = world.codec.identity.to_dict()
    path = write_model(folder, ["kick"], identity if said is None else {**identity, **said}, **changes)
    return asked(world, folder / "out", model=path)


def of_another_size(world: World, folder: Path) -> list[Any]:
    wrong = {"codebooks": 2}
    path = write_model(folder, ["kick"], {"name": world.codec.name, "sha256": world.codec.identity.sha256}, **wrong)
    return asked(world, folder / "out", model=path)


def corrupted(world: World, folder: Path) -> list[Any]:
    """A checkpoint whose recipe was changed by hand."""
    import torch

    path = write_model(folder, ["kick"], world.codec.identity.to_dict())
    held = torch.load(path, weights_only=True)
    held["metadata"]["recipe"]["model"]["layers"] = 3
    torch.save(held, path)
    return asked(world, folder / "out", model=path)


def codec_as_model(world: World, folder: Path) -> list[Any]:
    return asked(world, folder / "out", model=world.weights)


def other_codec(world: World, folder: Path) -> list[Any]:
    from tests.tiny_codec import save_tiny

    weights = save_tiny(folder / "other.weights", seed=1, n_codebooks=3, codebook_size=32)
    assert open_codec(str(weights), device="cpu").identity.sha256 != world.codec.identity.sha256
    return [*asked(world, folder / "out"), "--codec", weights]


def without_codec(world: World, folder: Path) -> list[Any]:
    return [each for each in asked(world, folder / "out") if each not in ("--codec", world.weights)]


def written(name: str, make: Callable[[Path], object]) -> Act:
    def act(world: World, folder: Path) -> list[Any]:
        make(folder / name)
        return asked(world, folder / "out", song=folder / name)

    return act


def audio(samples: Any, rate: int = RATE) -> Callable[[Path], object]:
    return lambda path: soundfile.write(path, np.asarray(samples, np.float32), rate, subtype="FLOAT")


def options(*extra: object) -> Act:
    return lambda world, folder: asked(world, folder / "out", *extra)


def out_is_a_file(world: World, folder: Path) -> list[Any]:
    (folder / "out").write_text("mine")
    return asked(world, folder / "out")


def out_below_a_file(world: World, folder: Path) -> list[Any]:
    (folder / "file").write_text("mine")
    return asked(world, folder / "file" / "out")


def empty_folder(world: World, folder: Path) -> list[Any]:
    (folder / "none").mkdir()
    return asked(world, folder / "out", model=folder / "none")


CASES: list[tuple[str, Act, tuple[str, ...]]] = [
    ("no such song", lambda w, f: asked(w, f / "out", song=f / "none.wav"), ("none.wav", "no such file")),
    ("a song that is a folder", lambda w, f: asked(w, f / "out", song=f), ("is a folder",)),
    ("an empty song", written("song.wav", lambda path: path.write_bytes(b"")), ("song.wav", "an empty file")),
    ("text", written("song.mp3", lambda path: path.write_text("la la " * 99)), ("song.mp3", "not readable as audio")),
    ("NaN", written("song.wav", audio(np.full(RATE, np.nan))), ("song.wav", "NaN or infinite samples")),
    ("silence", written("song.wav", audio(np.zeros(RATE))), ("song.wav", "silent: nothing is louder than -80 dB")),
    ("no frames", written("song.wav", audio(np.zeros(0))), ("song.wav", "0.00 s, too short")),
    ("too short", written("song.wav", audio(np.ones(999))), ("song.wav", "too short", "0.25 s at least")),
    ("code in a checkpoint", bomb, ("kick.pth", "loading it would run code, so it is refused")),
    ("no such checkpoint", lambda w, f: asked(w, f / "out", model=f / "none"), ("none", "no such file or folder")),
    ("a folder without checkpoints", empty_folder, ("none", "no DOSE checkpoint among 0 .pth files")),
    ("a codec for a checkpoint", codec_as_model, ("codec.weights", "not a checkpoint of rmod")),
    ("another class", options("--instrument", "kik"), ("not kik (did you mean 'kick'?)",)),
    (
        "another class in one file",
        lambda w, f: [*asked(w, f / "out", model=w.folder / "kick.pth"), "--instrument", "snare"],
        ("kick.pth", "extracts kick, not snare"),
    ),
    ("another size", of_another_size, ("kick.pth", "codebooks 2, but the codec", "has 3")),
    (
        "weights of another size than the recipe's",
        corrupted,
        ("kick.pth", "the weights do not fit the recipe in the file"),
    ),
    ("another codec", other_codec, ("made with sha256", "--codec PATH")),
    ("a codec of another rate", lambda w, f: model_of(w, f, {"sample_rate": 48_000}), ("sample rate 48000",)),
    ("a codec that is not known by name", without_codec, ("--codec", "uses tokens of codec-", "--codec PATH")),
    ("no such codec", options("--codec", "minni"), ("minni", "did you mean 'mini'")),
    ("beyond the end", options("--at", 99), ("--at 99", "beyond the end: the song has 4.00 s")),
    ("before the beginning", options("--at", -1), ("--at", "-1 s is in no song")),
    ("out is a file", out_is_a_file, ("out", "is a file, but a folder is needed")),
    ("out below a file", out_below_a_file, ("file", "is a file, but a folder is needed")),
    ("no batch", options("--batch", 0), ("--batch", "0 is out of range")),
    ("no windows", options("--windows", 0), ("--windows", "0 is out of range")),
    ("tries below none", options("--tries", -1), ("--tries", "-1 is out of range")),
    ("a temperature of none", options("--temperature", 0), ("--temperature", "greedy")),
    ("a nucleus of none", options("--top-p", 0), ("--top-p", "no token to choose from")),
    ("no such device", options("--device", "gpu"), ("--device", "unknown 'gpu'")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_bad_input_is_named_with_a_remedy(
    case: tuple[str, Act, tuple[str, ...]], world: World, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, act, says = case
    monkeypatch.chdir(tmp_path)
    said = rmod(*act(world, tmp_path))
    assert said.code == 2, said
    assert "Traceback" not in said.err
    for words in (*says, "->"):
        assert words in said.err
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "out").is_dir()


def test_places_are_told_as_on_a_clock() -> None:
    assert [format_time(each) for each in (0, 12.5, 59.999, 61.25, 3723.004)] == [
        "0:00.00",
        "0:12.50",
        "1:00.00",
        "1:01.25",
        "1:02:03.00",
    ]
