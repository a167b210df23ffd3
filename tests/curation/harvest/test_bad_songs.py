"""Bad songs and annotations: each has its reason, and none stops the others."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from rmod_pipeline import api
from rmod_pipeline.cli import app
from rmod_pipeline.curation.harvest.annotations import read_strikes
from rmod_pipeline.curation.harvest.harvest import harvest_songs, require_sounds
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig
from rmod_pipeline.curation.harvest.songs import SongSources, list_songs
from rmod_pipeline.errors import AssetError, LibraryError, ManifestError, RmodError, UsageError
from tests.curation.harvest.drum_songs import RATE, make_hit, make_loop, place, write_song

ATTACKS = [round(seconds * RATE) for seconds in (0.3, 0.9, 1.5)]


def run(folder: Path, out: Path, onsets: Path | None = None) -> Harvest:
    return harvest_songs([folder], out, HarvestConfig(), sources=SongSources(onsets=onsets))


def findings(harvest: Harvest) -> dict[str, str]:
    return {song.name: song.finding for song in harvest.songs}


def test_each_bad_song_has_its_reason_and_the_good_one_is_cut(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    good = write_song(folder / "good.wav", make_loop(1))
    write_song(folder / "silent.wav", np.zeros((1, RATE), np.float32))
    write_song(folder / "five.wav", np.full((1, 5), 0.5, np.float32))
    write_song(folder / "steady.wav", np.full((1, RATE), 0.25, np.float32))
    write_song(folder / "nan.wav", np.full((1, RATE), np.nan, np.float32), subtype="FLOAT")
    write_song(folder / "none.wav", np.zeros((1, 0), np.float32))
    (folder / "text.wav").write_text("no audio")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut.wav").write_bytes(good.read_bytes()[:60_001])
    (folder / "copy.wav").write_bytes(good.read_bytes())
    harvest = run(folder, tmp_path / "hits")
    reasons = findings(harvest)
    assert {sound.song.name for sound in harvest.sounds} == {"copy.wav"}
    assert reasons.pop("copy.wav") == ""
    expected = {
        "good.wav": "a copy of copy.wav",
        "silent.wav": "silent",
        "five.wav": "too short: 5 frames",
        "steady.wav": "silent",
        "nan.wav": "NaN or infinite",
        "none.wav": "too short: 0 frames",
        "text.wav": "not readable as audio",
        "empty.wav": "an empty file",
        "cut.wav": "ends early",
    }
    assert {name: text in reasons[name] for name, text in expected.items()} == dict.fromkeys(expected, True), reasons
    assert set(reasons) == set(expected)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (22_050, 2), (96_000, 6)])
def test_odd_rates_and_channels_are_cut(tmp_path: Path, rate: int, channels: int) -> None:
    hits = [(round(seconds * rate), make_hit("snare", rate), 1.0) for seconds in (0.2, 0.8)]
    write_song(tmp_path / "songs" / "a.wav", np.repeat(place(hits, 2 * rate), channels, axis=0), rate)
    harvest = harvest_songs([tmp_path / "songs"], tmp_path / "hits", HarvestConfig(min_isolation=0.0))
    assert len(harvest.sounds) == 2
    info = soundfile.info(tmp_path / "hits" / harvest.sounds[0].file)
    assert (info.samplerate, info.channels, info.subtype) == (rate, 1, "PCM_24")


def test_hits_without_a_gap_are_named(tmp_path: Path) -> None:
    hits = [(round(0.05 * RATE) * number, 0.3 * np.ones(RATE // 10, np.float32), 1.0) for number in range(1, 30)]
    noise = place(hits, 2 * RATE, noise_db=-15)
    write_song(tmp_path / "songs" / "roll.wav", noise)
    with pytest.raises(LibraryError, match=r"is alone|isolated enough|no onset") as caught:
        require_sounds(run(tmp_path / "songs", tmp_path / "hits"), tmp_path / "hits")
    assert "--min-isolation" in str(caught.value)


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        list_songs([tmp_path / "missing"], tmp_path / "hits", SongSources())
    (tmp_path / "empty").mkdir()
    with pytest.raises(LibraryError, match="no audio files"):
        list_songs([tmp_path / "empty"], tmp_path / "hits", SongSources())


def test_names_become_keys_that_are_unique(tmp_path: Path) -> None:
    for number, name in enumerate(("A Loop.wav", "a-loop.wav", "ö" * 60 + ".wav", "x/" + "y" * 120 + ".wav")):
        write_song(tmp_path / name, make_loop(number, gap=0.3))
    songs = list_songs([tmp_path], tmp_path / "hits", SongSources()).songs
    keys = [song.key for song in songs]
    assert len(set(keys)) == 4
    assert all(len(key) <= 100 and "/" not in key and " " not in key for key in keys)


def annotated(tmp_path: Path, text: str) -> tuple[Path, Path]:
    folder, onsets = tmp_path / "songs", tmp_path / "onsets"
    onsets.mkdir()
    write_song(folder / "a.wav", place([(attack, make_hit("snare"), 1.0) for attack in ATTACKS], 2 * RATE))
    (onsets / "a.csv").write_text(text)
    return folder, onsets


def test_known_onsets_are_followed_to_the_attack(tmp_path: Path) -> None:
    times = [attack / RATE - 0.004 for attack in ATTACKS]
    text = f"time,class,tag\n{times[0]},hihat,open\n{times[2]},cowbell,\n{times[1]},snare,\n{times[1] + 0.003},kick,\n"
    folder, onsets = annotated(tmp_path, text)
    harvest = run(folder, tmp_path / "hits", onsets=onsets)
    found = {sound.folder: sound for sound in harvest.sounds}
    assert set(found) == {"open_hihat", "cowbell"}  # two strikes at once are not alone
    for kind, attack in (("open_hihat", ATTACKS[0]), ("cowbell", ATTACKS[2])):
        assert abs(found[kind].hit.cut.attack - attack) <= 2
        assert found[kind].hit.confidence == 1.0


def test_an_annotation_without_kinds_leaves_them_to_the_classifier(tmp_path: Path) -> None:
    folder, onsets = annotated(tmp_path, "seconds\n" + "".join(f"{attack / RATE}\n" for attack in ATTACKS))
    harvest = run(folder, tmp_path / "hits", onsets=onsets)
    assert {sound.folder for sound in harvest.sounds} == {"unknown"}
    assert harvest.songs[0].onsets == 3


def test_a_song_without_its_annotation_is_left_out(tmp_path: Path) -> None:
    folder, onsets = annotated(tmp_path, f"time\n{ATTACKS[0] / RATE}\n")
    write_song(folder / "b.wav", make_loop(2))
    reasons = findings(run(folder, tmp_path / "hits", onsets=onsets))
    assert reasons == {"a.wav": "", "b.wav": "no b.csv in the folder of --onsets"}


def test_formats_and_copies_of_one_song_share_its_annotation(tmp_path: Path) -> None:
    folder, onsets = annotated(tmp_path, f"time\n{ATTACKS[0] / RATE}\n")
    hits = [(attack, make_hit("snare"), 0.5) for attack in ATTACKS]
    write_song(folder / "a.flac", place(hits, 2 * RATE), subtype="PCM_16")
    (folder / "more").mkdir()
    (folder / "more" / "a.wav").write_bytes((folder / "a.wav").read_bytes())
    reasons = findings(run(folder, tmp_path / "hits", onsets=onsets))
    assert reasons == {"a.wav": "", "a.flac": "", "more/a.wav": "a copy of a.wav"}


def test_songs_of_one_name_do_not_share_an_annotation(tmp_path: Path) -> None:
    folder, onsets = annotated(tmp_path, f"time\n{ATTACKS[0] / RATE}\n")
    write_song(folder / "more" / "a.wav", make_loop(2))
    with pytest.raises(LibraryError) as caught:
        require_sounds(run(folder, tmp_path / "hits", onsets=tmp_path / "nowhere"), tmp_path / "hits")
    assert "no a.csv in the folder of --onsets, and songs in 2 folders are called a" in str(caught.value)
    reasons = findings(run(folder, tmp_path / "hits", onsets=onsets))
    assert reasons == {
        "a.wav": "",
        "more/a.wav": "no more/a.csv in the folder of --onsets, and songs in 2 folders are called a",
    }
    (tmp_path / "songs" / "copy").mkdir()
    (tmp_path / "songs" / "copy" / "b.wav").write_bytes((folder / "a.wav").read_bytes())
    assert findings(run(folder, tmp_path / "hits", onsets=onsets))["copy/b.wav"] == "a copy of a.wav"
    (tmp_path / "songs" / "copy" / "b.wav").unlink()
    (onsets / "more").mkdir()
    (onsets / "more" / "a.csv").write_text("time\n0.1\n")
    assert findings(run(folder, tmp_path / "hits", onsets=onsets)) == {"a.wav": "", "more/a.wav": ""}


@pytest.mark.parametrize("text", ["when\n1\n", "time\nsoon\n", "time\n-1\n", "time\nnan\n", "time,kind\n1\n"])
def test_a_bad_annotation_is_a_finding(tmp_path: Path, text: str) -> None:
    folder, onsets = annotated(tmp_path, text)
    write_song(folder / "b.wav", make_loop(2))
    (onsets / "b.csv").write_text("time,kind\n0.1,kick\n")
    reasons = findings(run(folder, tmp_path / "hits", onsets=onsets))
    assert reasons["a.wav"]
    assert not reasons["b.wav"]
    with pytest.raises(AssetError):
        read_strikes(onsets / "a.csv")


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"max_seconds": 0.0}, "--max-seconds"),
        ({"min_isolation": 1.5}, "--min-isolation"),
        ({"per_cluster": 0}, "--per-cluster"),
        ({"peak": 3.0}, "--peak"),
        ({"workers": -1}, "--workers"),
        ({"shares": "90/5"}, "--splits"),
        ({"licence": "free!"}, "--licence"),
        ({"classify": False, "model": "x.pth"}, "--model"),
        ({"songs": []}, "SONGS"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, settings: dict[str, object], flag: str) -> None:
    arguments = {"songs": tmp_path / "songs", "out": tmp_path / "hits", "progress": False, **settings}
    write_song(tmp_path / "songs" / "a.wav", make_loop(1))
    with pytest.raises(RmodError) as caught:
        api.harvest(**arguments)  # type: ignore[arg-type]
    assert flag in caught.value.about
    assert not (tmp_path / "hits").exists()


def test_labels_that_name_no_song_are_refused(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "a.wav", make_loop(1))
    (tmp_path / "labels.csv").write_text("path,kind,kit,licence,source\nb.wav,,,,\n")
    with pytest.raises(ManifestError, match="names no sound"):
        api.harvest(tmp_path / "songs", out=tmp_path / "hits", labels=tmp_path / "labels.csv", classify=False)


def test_no_page_shows_sounds_that_are_gone(tmp_path: Path) -> None:
    loop, out = write_song(tmp_path / "songs" / "a.wav", make_loop(1)), tmp_path / "hits"
    harvested = api.harvest(tmp_path / "songs", out=out, classify=False, progress=False)
    name = harvested.harvest.sounds[0].file
    assert name in harvested.page.read_text()
    write_song(loop, np.zeros((1, RATE), np.float32))
    with pytest.raises(LibraryError, match="nothing was cut from 1 songs"):
        api.harvest(tmp_path / "songs", out=out, classify=False, progress=False)
    assert name not in harvested.page.read_text()
    assert "a.wav" in harvested.page.read_text()


def test_the_command_prints_what_was_cut_and_what_was_not(tmp_path: Path) -> None:
    write_song(tmp_path / "songs" / "a.wav", make_loop(1))
    out = tmp_path / "hits"
    words = ["library", "harvest", str(tmp_path / "songs"), "--out", str(out), "--no-classify", "--workers", "1"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "1 songs" in result.output
    with (out / "harvest.csv").open(newline="") as file:
        files = [row["file"] for row in csv.DictReader(file)]
    page = (out / "listen.html").read_text()
    assert files
    assert all(f'src="{name}"' in page for name in files)
    (tmp_path / "songs" / "b.wav").write_text("no audio")
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "nothing from b.wav: not readable as audio" in result.output
