"""Laws of a harvest as a whole: its files depend on the songs and the settings, and on nothing else."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.curation.harvest import harvest as story
from rmod_pipeline.curation.harvest import output, own_files
from rmod_pipeline.curation.harvest.analyse import analyse_song
from rmod_pipeline.curation.harvest.harvest import harvest_songs, require_sounds
from rmod_pipeline.curation.harvest.output import write_sounds
from rmod_pipeline.curation.harvest.own_files import MANIFEST, MARKER, SONGS, SOUNDS, TABLES, write_own_file
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig
from rmod_pipeline.curation.harvest.songs import SongSources
from rmod_pipeline.curation.harvest.store import WORK_FOLDER, AnalysisStore, analysis_from_dict, analysis_to_dict
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.splits import parse_shares
from rmod_pipeline.storage.publish import publish_bytes
from tests.curation.harvest.drum_songs import KINDS, RATE, FakeChoice, make_hit, make_loop, place, write_song

SONG_COUNT = 3


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three loops at two rates, one of them in a subfolder and stereo."""
    folder = tmp_path_factory.mktemp("songs")
    write_song(folder / "a loop.wav", make_loop(1))
    write_song(folder / "b.wav", make_loop(2, rate=48_000), 48_000, "PCM_24")
    stereo = make_loop(3)
    write_song(folder / "more" / "c.wav", np.concatenate([stereo, stereo * np.float32(0.5)]))
    return folder


@pytest.fixture(scope="module")
def done(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Harvest]:
    """A finished harvest of the three loops."""
    out = tmp_path_factory.mktemp("done") / "hits"
    return out, run(songs, out)


def run(songs: Path | list[Path], out: Path, **settings: Any) -> Harvest:
    # All hits, so that nothing depends on the weights of the network that tells one drum from several.
    chosen = {"min_isolation": 0.0} | {name: settings.pop(name) for name in list(settings) if name in FIELDS}
    config = HarvestConfig(**chosen)
    paths = songs if isinstance(songs, list) else [songs]
    return harvest_songs(paths, out, config, classifier=FakeChoice(), **settings)


FIELDS = {"max_seconds", "min_isolation", "per_cluster", "peak_db"}


def contents(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_hit_of_every_loop_is_cut_at_its_attack(done: tuple[Path, Harvest]) -> None:
    out, harvest = done
    assert [song.name for song in harvest.songs] == ["a loop.wav", "b.wav", "more/c.wav"]
    assert {song.onsets for song in harvest.songs} == {2 * len(KINDS)}
    assert not harvest.findings
    for sound in harvest.sounds:
        step = (sound.time_seconds - 0.1) / 0.5
        assert step == pytest.approx(round(step), abs=0.004)
        assert (out / sound.file).is_file()
    assert {sound.folder for sound in harvest.sounds} == {"kick", "unknown", "open_hihat"}


def test_a_sound_is_a_part_of_its_song(done: tuple[Path, Harvest]) -> None:
    out, harvest = done
    for sound in harvest.sounds:
        cut = sound.hit.cut
        written, rate = read_sound(out / sound.file)
        source, _ = read_sound(sound.song.path)
        inside = slice(cut.fade_in, cut.stop - cut.start - cut.fade_out)
        assert rate == sound.sample_rate
        assert soundfile.info(out / sound.file).subtype == "PCM_24"
        np.testing.assert_array_equal(written[:, inside], source[:, cut.start : cut.stop][:, inside])


def test_the_tables_say_where_every_sound_is_from(done: tuple[Path, Harvest]) -> None:
    out, harvest = done
    table = rows(out / SOUNDS)
    assert [row["file"] for row in table] == [sound.file for sound in harvest.sounds]
    marker = json.loads((out / MARKER).read_text())
    assert marker["files"] == {row["file"]: row["sha256"] for row in table}
    assert {row["song"] for row in table} == {song.name for song in harvest.songs}
    assert [int(row["kept"]) for row in rows(out / SONGS)] == [song.kept for song in harvest.songs]


def test_the_manifest_is_a_library_in_which_no_song_is_divided(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    run(songs, out, shares=parse_shares("34/33/33"))
    library = load_library(out / MANIFEST)
    assert list(find_problems(library, lambda *_: None)) == []
    assert set(library.kinds()) == {"kick", "open_hihat"}
    splits: dict[str, set[str]] = {}
    for asset in library.assets:
        splits.setdefault(asset.path.partition("/")[2].rpartition("-")[0], set()).add(asset.split)
    assert len(splits) == SONG_COUNT
    assert all(len(each) == 1 for each in splits.values())
    assert len(set.union(*splits.values())) == SONG_COUNT


def test_order_and_workers_do_not_count(songs: Path, done: tuple[Path, Harvest], tmp_path: Path) -> None:
    paths = [songs / "more" / "c.wav", songs / "b.wav", songs / "a loop.wav"]
    run(paths, tmp_path / "ordered", workers=2)
    assert contents(tmp_path / "ordered") == contents(done[0])


def test_a_second_run_listens_to_nothing(
    songs: Path, done: tuple[Path, Harvest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hits"
    run(songs, out)
    before = contents(out)
    monkeypatch.setattr(story, "analyse_song", lambda *_: pytest.fail("a song was analysed again"))
    run(songs, out)
    assert contents(out) == before == contents(done[0])
    few = run(songs, out, per_cluster=1)
    assert 0 < len(few.sounds) < len(rows_of(done[0]))
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.wav")} == {sound.file for sound in few.sounds}


def rows_of(out: Path) -> list[dict[str, str]]:
    return rows(out / SOUNDS)


def test_a_stopped_harvest_resumes_to_the_same_bytes(
    songs: Path, done: tuple[Path, Harvest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hits"
    analysed: list[Any] = []

    def count_and_analyse(*arguments: Any) -> Any:
        analysed.append(arguments)
        return analyse_song(*arguments)

    def stop_at_second(*arguments: Any) -> Any:
        if len(analysed) == 1:
            raise KeyboardInterrupt
        return count_and_analyse(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(story, "analyse_song", stop_at_second)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    assert json.loads((out / MARKER).read_text())["unfinished"]
    monkeypatch.setattr(story, "analyse_song", count_and_analyse)
    run(songs, out)
    assert len(analysed) == SONG_COUNT
    assert contents(out) == contents(done[0])


def test_a_harvest_stopped_while_it_writes_resumes_too(
    songs: Path, done: tuple[Path, Harvest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hits"

    def write_two(*arguments: Any) -> Iterator[Any]:
        sounds = write_sounds(*arguments)
        yield next(sounds)
        yield next(sounds)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(story, "write_sounds", write_two)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    assert len(list(out.rglob("*.wav"))) == 2
    run(songs, out)
    assert contents(out) == contents(done[0])


def test_a_folder_of_something_else_is_refused(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt, and no harvest"):
        run(songs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(UsageError, match="a folder is needed"):
        run(songs, tmp_path / "notes.txt")


def test_a_file_that_somebody_changed_or_added_is_not_overwritten(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    first = run(songs, out, per_cluster=1)
    more = run(songs, tmp_path / "more", per_cluster=2)
    new = next(sound.file for sound in more.sounds if not (out / sound.file).exists())
    (out / new).write_bytes(b"mine")
    with pytest.raises(UsageError, match="no harvest wrote it"):
        run(songs, out, per_cluster=2)
    assert (out / new).read_bytes() == b"mine"
    (out / new).unlink()
    changed = out / first.sounds[0].file
    changed.write_bytes(b"changed")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out, per_cluster=2)
    assert changed.read_bytes() == b"changed"


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_somebody_changed_is_not_overwritten(table: str, songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    run(songs, out)
    (out / table).write_text("mine")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out)
    assert (out / table).read_text() == "mine"


@pytest.mark.parametrize("changed", ["", *TABLES])
def test_a_harvest_stopped_among_its_tables_resumes_unless_somebody_changed_one(
    changed: str, songs: Path, done: tuple[Path, Harvest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hits"
    run(songs, out, per_cluster=1)

    def stop(*_: Any, **__: Any) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(story, "write_harvest_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    if changed:
        (out / changed).write_text("mine")
        with pytest.raises(UsageError, match="was changed since"):
            run(songs, out)
        assert (out / changed).read_text() == "mine"
        return
    with (out / WORK_FOLDER / "written.txt").open("a") as notes:
        notes.write("0123 half of a li")
    with monkeypatch.context() as patch:
        patch.setattr(story, "write_harvest_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    run(songs, out)
    assert contents(out) == contents(done[0])


def test_a_manifest_that_no_harvest_wrote_is_neither_removed_nor_overwritten(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    harvest_songs([songs], out, HarvestConfig())
    assert not (out / MANIFEST).exists(), "no kind is known"
    (out / MANIFEST).write_text("mine")
    for classifier in (None, FakeChoice()):
        with pytest.raises(UsageError, match="not known to be written by a harvest"):
            harvest_songs([songs], out, HarvestConfig(), classifier=classifier)
    assert (out / MANIFEST).read_text() == "mine"


def test_notes_of_a_finished_harvest_count_for_nothing(songs: Path, tmp_path: Path) -> None:
    """A process was killed after it had written the marker and before it removed its notes."""
    out = tmp_path / "hits"
    run(songs, out)
    (out / SOUNDS).write_bytes(b"mine")
    (out / WORK_FOLDER / "written.txt").write_text(f"{sha256(b'mine').hexdigest()} {SOUNDS}\n")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_sound_that_was_changed_after_a_stop_is_not_overwritten(
    moment: str, songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes before the sound is written again, when it is noted but not written, or after it is written."""
    out = tmp_path / "hits"
    first = run(songs, out)
    sound = out / first.sounds[0].file
    as_first = sound.read_bytes()

    def stop_there(*arguments: Any) -> Iterator[Any]:
        for written in write_sounds(*arguments):
            if moment == "after" and written.sound.file == first.sounds[0].file:
                raise KeyboardInterrupt
            yield written

    def stop_at_sound(data: bytes, final: Path, drafts: Path) -> None:
        if final == sound and moment == "during":
            raise KeyboardInterrupt
        publish_bytes(data, final, drafts)

    def stop_at_note(out: Path, name: str, data: bytes) -> str:
        if name == first.sounds[0].file and moment == "before":
            raise KeyboardInterrupt
        return write_own_file(out, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(story, "write_sounds", stop_there)
        patch.setattr(own_files, "publish_bytes", stop_at_sound)
        patch.setattr(output, "write_own_file", stop_at_note)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out, peak_db=-6.0)
    assert (sound.read_bytes() == as_first) == (moment != "after")
    stopped_with = sound.read_bytes()
    sound.write_bytes(b"mine")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out, peak_db=-6.0)
    assert sound.read_bytes() == b"mine"
    sound.write_bytes(stopped_with)
    run(songs, out, peak_db=-6.0)
    run(songs, tmp_path / "whole", peak_db=-6.0)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_marker_that_lists_foreign_files_removes_none(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    out.mkdir()
    (tmp_path / "kick").mkdir()
    foreign = tmp_path / "kick" / "x.wav"
    foreign.write_bytes(b"mine")
    (out / "mine.wav").write_bytes(b"mine")
    listed = {"../kick/x.wav": "", "mine.wav": "", str(foreign): ""}
    (out / MARKER).write_text(json.dumps({"rmod_harvest": 1, "files": listed}))
    run(songs, out)
    assert foreign.read_bytes() == b"mine"
    assert (out / "mine.wav").read_bytes() == b"mine"


def test_the_harvest_does_not_harvest_itself(songs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    write_song(folder / "a.wav", make_loop(1))
    first = run(folder, folder / "hits")
    second = run(folder, folder / "hits")
    assert [song.name for song in second.songs] == [song.name for song in first.songs] == ["a.wav"]


def test_every_sound_gets_the_peak_that_is_asked_for(songs: Path, tmp_path: Path) -> None:
    harvest = run(songs, tmp_path / "hits", peak_db=-3.0)
    for sound in harvest.sounds:
        audio, _ = read_sound(tmp_path / "hits" / sound.file)
        assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-3, abs=0.01)


def test_a_float_song_above_full_scale_is_not_clipped(tmp_path: Path) -> None:
    loud = 4 * make_loop(1)
    write_song(tmp_path / "songs" / "loud.wav", loud, subtype="FLOAT")
    harvest = run(tmp_path / "songs", tmp_path / "hits")
    for sound in harvest.sounds:
        audio, _ = read_sound(tmp_path / "hits" / sound.file)
        source = loud[:, sound.hit.cut.start : sound.hit.cut.stop]
        gain = min(1.0, 1 / sound.hit.peak)
        inside = slice(sound.hit.cut.fade_in, -sound.hit.cut.fade_out)
        np.testing.assert_allclose(audio[:, inside], gain * source[:, inside], atol=1e-6)


def test_licences_and_sources_come_from_the_labels(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    write_song(folder / "a.wav", make_loop(1))
    write_song(folder / "b.wav", make_loop(2))
    labels = folder / "labels.csv"
    labels.write_text("path,kind,kit,licence,source\na.wav,performance,room,CC-BY-4.0,Anna\n")
    sources = SongSources(labels=Labels.read(labels), licence="CC0-1.0")
    run(folder, tmp_path / "hits", sources=sources)
    found = {(row["song"], row["kit"], row["licence"], row["source"]) for row in rows(tmp_path / "hits" / SOUNDS)}
    assert found == {("a.wav", "room", "CC-BY-4.0", "Anna"), ("b.wav", "", "CC0-1.0", "")}
    assets = load_library(tmp_path / "hits" / MANIFEST).assets
    assert {(asset.kit, asset.licence) for asset in assets} == {("room", "CC-BY-4.0"), ("b", "CC0-1.0")}


def test_an_analysis_survives_json(songs: Path, done: tuple[Path, Harvest]) -> None:
    out, harvest = done
    store = AnalysisStore.of(out, HarvestConfig(min_isolation=0.0), FakeChoice().open().source["sha256"])
    for song in {sound.song.name: sound.song for sound in harvest.sounds}.values():
        analysis = store.load(song)
        assert analysis is not None
        assert analysis.hits
        content = json.loads(json.dumps(analysis_to_dict(analysis)))
        assert json.loads(json.dumps(analysis_to_dict(analysis_from_dict(content)))) == content


def test_nothing_to_cut_is_an_error_that_names_the_reason(tmp_path: Path) -> None:
    """And what an earlier harvest left, which lists sounds that are gone, goes too."""
    songs, out = tmp_path / "songs", tmp_path / "hits"
    loop = write_song(songs / "loop.wav", place([(RATE // 2, make_hit("kick"), 1.0)], RATE))
    write_song(songs / "silent.wav", np.zeros((1, RATE), np.float32))
    first = run(songs, out)
    require_sounds(first, out)
    assert (out / MANIFEST).is_file()
    loop.unlink()
    harvest = run(songs, out)
    with pytest.raises(LibraryError, match="silent: its peak"):
        require_sounds(harvest, out)
    assert [row["finding"][:6] for row in rows(out / SONGS)] == ["silent"]
    assert not rows(out / SOUNDS)
    assert not (out / MANIFEST).exists()
    assert not list(out.rglob("*.wav"))
