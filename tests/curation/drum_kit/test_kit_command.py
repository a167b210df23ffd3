"""`rmod kit` and its Python functions: what is printed, exit codes, options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import rmod_pipeline as rmod
from rmod_pipeline.cli.groups.kit import app
from rmod_pipeline.curation.classify_files import open_once
from rmod_pipeline.curation.drum_kit.listen import LeafClassifierChoice
from rmod_pipeline.errors import RmodError, UsageError
from tests.curation.drum_kit.kit_sounds import DRUMS, hide, kick, write_recordings
from tests.curation.drum_kit.shape_classifier import ShapeClassifier
from tests.library.library_sounds import RATE, write_sound
from tests.tiny_grooves import rock, write_performance

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def shapes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Use the classifier of the tests, and a cache of their own."""
    monkeypatch.setattr(LeafClassifierChoice, "open", lambda _: ShapeClassifier())
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    open_once.cache_clear()
    yield
    open_once.cache_clear()


def test_a_kit_is_made_and_played(tmp_path: Path) -> None:
    write_recordings(tmp_path / "sounds")
    kit = tmp_path / "kit"
    made = run(app, ["make", str(tmp_path / "sounds"), "--out", str(kit), "--licence", "CC0-1.0"])
    assert made.exit_code == 0, made.output
    for text in ("kick.wav", "recording 0.wav at 0.70", "licence: CC0-1.0", "open kit.html"):
        assert text in made.output
    groove = write_performance(tmp_path / "beat.mid", rock(2))
    played = run(app, ["play", str(kit), "--groove", str(groove), "--out", str(tmp_path / "loop.wav")])
    assert played.exit_code == 0, played.output
    assert "kick 4" in played.output and (tmp_path / "loop.wav").stat().st_size > 100_000


def test_a_kit_without_kick_snare_or_hihat_exits_with_1_and_says_what_is_missing(tmp_path: Path) -> None:
    write_sound(tmp_path / "sounds" / "only.wav", kick())
    (tmp_path / "sounds" / "text.wav").write_text("no audio")
    arguments = ["make", str(tmp_path / "sounds"), "--out", str(tmp_path / "kit")]
    result = run(app, arguments)
    assert result.exit_code == 1
    assert "missing: snare" in result.output and "not used: text.wav: " in result.output
    assert (tmp_path / "kit" / "kick.wav").exists() and (tmp_path / "kit" / "kit.html").exists()
    assert run(app, [*arguments, "--kinds", "kick"]).exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kinds", "kik"], "no pad is called"),
        (["--layers", "0"], "out of range"),
        (["--seed", "-1"], "not a seed"),
        (["--licence", "free!"], "SPDX"),
        (["--labels", "none.csv"], "no such file"),
        (["--name", "a\nb"], "cannot be printed"),
        (["--workers", "-1"], "workers"),
    ],
)
def test_mistakes_are_named_before_anything_is_read(options: list[str], message: str, tmp_path: Path) -> None:
    result = run(app, ["make", str(tmp_path / "none"), "--out", str(tmp_path / "kit"), *options])
    assert isinstance(result.exception, RmodError) and message in str(result.exception)
    assert not (tmp_path / "kit").exists()


def test_a_file_in_the_way_is_found_before_the_sounds_are_read(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "kick.wav").write_text("mine")
    result = run(app, ["make", str(tmp_path / "none"), "--out", str(tmp_path / "kit")])
    assert isinstance(result.exception, UsageError) and "no kit wrote it" in str(result.exception)
    assert (tmp_path / "kit" / "kick.wav").read_text() == "mine"


def test_python_functions_return_what_was_made(tmp_path: Path) -> None:
    write_recordings(tmp_path / "sounds")
    made = rmod.make_kit(tmp_path / "sounds", out=tmp_path / "kit", kinds=["kick", "snare", "hihat"], progress=False)
    assert {pad.kind for pad in made.kit.played} == {"kick", "snare", "hihat"}
    assert {asset.kind for asset in made.library.assets} <= {"kick", "snare", "hihat", "open_hihat"}
    groove = write_performance(tmp_path / "beat.mid", rock(1))
    played = rmod.play_kit(made, groove, out=tmp_path / "loop.wav")
    assert played.hits["kick"] == 2 and played.unplayed == {45: 1} and played.seconds > 1
    with pytest.raises(UsageError, match="kinds: no pad"):
        rmod.make_kit(tmp_path / "sounds", out=tmp_path / "kit", kinds="x", progress=False)
    with pytest.raises(UsageError, match="drum_map"):
        rmod.play_kit(made, groove, out=tmp_path / "loop.wav", drum_map="roland")


def test_a_kit_is_a_library_for_a_build(tmp_path: Path) -> None:
    write_recordings(tmp_path / "sounds")
    row = np.concatenate([hide(make(), 0.1, 0.6, seed=n) for n, make in enumerate([*DRUMS.values()] * 4)], axis=1)
    write_sound(tmp_path / "sounds" / "row.wav", row)
    made = rmod.make_kit(tmp_path / "sounds", out=tmp_path / "kit", kinds="kick,snare,hihat", layers=2, progress=False)
    hits: dict[str, object] = {"hits": [1, 2], "inserts": []}
    recipe = {
        "name": "tiny",
        "sample_rate": 22_050,
        "seconds": 1.0,
        "drums": dict.fromkeys(("kick", "snare", "hihat"), hits),
    }
    data = rmod.build(recipe, library=made.files["library.csv"], out=tmp_path / "out", pairs="train=1", progress=False)
    pair = next(iter(data.pairs("train")))
    assert set(pair.one_shots) == {"kick", "snare", "hihat"}
    assert np.abs(pair.mix).max() > 0 and RATE == 44_100
