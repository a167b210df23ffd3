"""Laws of a harvest as a whole: its files depend on the songs and the settings, and on nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.curation.harvest import harvest as story
from rmod_pipeline.curation.harvest.analyse import analyse_song
from rmod_pipeline.curation.harvest.harvest import require_sounds
from rmod_pipeline.curation.harvest.output import write_sounds
from rmod_pipeline.curation.harvest.own_files import MANIFEST, MARKER, SONGS, SOUNDS
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig
from rmod_pipeline.curation.harvest.songs import SongSources
from rmod_pipeline.curation.harvest.store import AnalysisStore, analysis_from_dict, analysis_to_dict
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.splits import parse_shares
from tests.curation.harvest.drum_songs import KINDS, RATE, FakeChoice, make_hit, make_loop, place, write_song
from tests.curation.harvest.harvest_runs import SONG_COUNT, contents, rows, run


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
