"""A build that plays grooves: equal bytes with any number of workers, a true index, onsets where the MIDI has them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import miditoolkit
import numpy as np
import pytest
import soundfile

import rmod_pipeline as rmod
from rmod_pipeline.api import ComputeConfig
from rmod_pipeline.errors import BuildError, UsageError
from rmod_pipeline.inspection.report.make import make_report
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import write_manifest
from rmod_pipeline.patterns.manifest import load_grooves
from rmod_pipeline.reading.pairs import list_keys, read_pair
from rmod_pipeline.releases.folder.rebuild import rebuild_commands
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.index import read_index
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.training.ear import data as ear_data
from tests.tiny_build import reproducible_files
from tests.tiny_grooves import write_grooves

RATE = 22_050
KEYS = {"kick": 36, "snare": 38, "hihat": 42, "open_hihat": 46}

RECIPE: dict[str, Any] = {
    "name": "clicks",
    "sample_rate": RATE,
    "seconds": 2.0,
    "grid": 2 * RATE,
    "patterns": {"source": "grooves"},
    "one_shots": {"max_seconds": 0.1, "layering": {"none": 1}},
    "reject": {"buried_db": 60},
    "drums": {
        **{kind: {} for kind in ("kick", "snare", "hihat")},
        **{kind: {"target": False, "optional": True} for kind in ("open_hihat", "tom")},
    },
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A library of clicks and a manifest of grooves."""
    folder = tmp_path_factory.mktemp("sources")
    assets = []
    for kind in KEYS:
        for number, split in enumerate(("train", "valid", "test")):
            path = f"{kind}-{split}.wav"
            soundfile.write(folder / path, np.r_[0.9, np.full(20 + number, 1e-4)], RATE, subtype="PCM_16")
            checksum = hashlib.sha256((folder / path).read_bytes()).hexdigest()
            texts = {"id": path[:-4], "path": path, "kind": kind, "kit": "", "group": path, "split": split}
            levels = {"sample_rate": RATE, "channels": 1, "frames": 21 + number, "peak_dbfs": -0.9, "rms_dbfs": -14.0}
            assets.append(Asset(**texts, licence="CC0-1.0", source="", sha256=checksum, **levels))  # type: ignore[arg-type]
    write_manifest(folder / "lib.csv", assets)
    return folder / "lib.csv", write_grooves(folder / "grooves")


def build(sources: tuple[Path, Path], out: Path, workers: int = 1, **changes: Any) -> None:
    library, grooves = sources
    options: dict[str, Any] = {"pairs": {"train": 5, "test": 3}, "shard_size": 2, "stems": True, **changes}
    compute = ComputeConfig(workers=workers)
    rmod.build(RECIPE, **{"library": library, "grooves": grooves, **options}, out=out, compute=compute, progress=False)


@pytest.fixture(scope="module")
def built(sources: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "out"
    build(sources, out)
    return out


def test_two_workers_make_the_bytes_of_one(sources: tuple[Path, Path], built: Path, tmp_path: Path) -> None:
    build(sources, tmp_path / "out", workers=2)
    assert reproducible_files(tmp_path / "out") == reproducible_files(built)


def test_an_onset_in_the_audio_is_within_a_sample_of_that_in_the_midi(sources: tuple[Path, Path], built: Path) -> None:
    grooves, hits = load_grooves(sources[1]), 0
    for key in list_keys(built):
        pair = read_pair(built, key)
        groove = pair.spec().groove
        assert groove
        entry = next(entry for entry in grooves.entries if entry.performance == groove.performance)
        midi = miditoolkit.MidiFile(str(grooves.path_of(entry)))
        times = midi.get_tick_to_time_mapping()
        for kind, note_key in KEYS.items():
            played = np.array([times[note.start] for note in midi.instruments[0].notes if note.pitch == note_key])
            expected = np.sort((played - groove.start_seconds) * RATE)
            expected = expected[(expected >= -0.5) & (expected < 2 * RATE - 0.5)]
            stem = decode_audio(pair.members[f"stem-{kind}.wav"])[0][0]
            onsets = np.flatnonzero(np.abs(stem) > 300)
            assert len(onsets) == len(expected)
            assert np.all(np.abs(onsets - expected) <= 1)
            hits += len(onsets)
    assert hits > 80


def test_the_performance_is_in_the_index_with_its_licence(built: Path) -> None:
    for path in (built / "index").glob("*.parquet"):
        for row in read_index(path):
            (groove,) = [source for source in row["sources"] if source["kind"] == "groove"]
            assert groove["group"] == f"drummer/{groove['kit']}"
            assert (groove["licence"], groove["source"]) == ("CC-BY-4.0", "our studio by Ann")
            assert row["licences"] == ["CC-BY-4.0", "CC0-1.0"]
    # A drummer is a group, so that `verify` proves that none is in two splits.
    assert rmod.verify(built, rerender=4, compare=0, progress=False).ok


def test_the_digest_of_the_grooves_is_in_the_fingerprint_and_their_path_is_not(
    sources: tuple[Path, Path], built: Path, tmp_path: Path
) -> None:
    fingerprint = read_fingerprint(Layout(built).build)
    grooves = load_grooves(sources[1])
    assert fingerprint["grooves"] == {"digest": grooves.digest, "performances": 12}
    assert "manifest" not in fingerprint["recipe"]["patterns"]
    shutil.copytree(sources[1].parent, tmp_path / "moved")
    before = reproducible_files(built)
    build((sources[0], tmp_path / "moved" / "grooves.csv"), built)
    assert reproducible_files(built) == before
    moved = tmp_path / "moved" / "grooves.csv"
    moved.write_text(moved.read_text().replace("CC-BY-4.0", "CC0-1.0"))
    with pytest.raises(BuildError, match=r"grooves\.digest: existing"):
        build((sources[0], moved), built)


def test_without_the_manifest_pairs_are_rendered_but_not_composed(
    sources: tuple[Path, Path], built: Path, tmp_path: Path
) -> None:
    shutil.copytree(built, tmp_path / "out")
    record = tmp_path / "out" / "log" / "library.json"
    record.write_text(record.read_text().replace("grooves.csv", "gone.csv"))
    result = rmod.verify(tmp_path / "out", rerender=2, compare=0, progress=False)
    assert result.ok and not result.recomposed
    assert rmod.verify(tmp_path / "out", rerender=2, grooves=sources[1], compare=0, progress=False).recomposed


def test_a_changed_file_fails_the_shards_that_play_it(sources: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(sources[1].parent, tmp_path / "grooves")
    manifest = tmp_path / "grooves" / "grooves.csv"
    for path in (tmp_path / "grooves" / "midi").rglob("*.mid"):
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(rmod.IncompleteBuildError, match=r"has changed since grooves\.csv"):
        build((sources[0], manifest), tmp_path / "out")
    assert len(rmod.check_grooves(manifest, progress=False)) == 12


def test_grooves_are_for_recipes_that_play_them(sources: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the recipe quick plays random hits"):
        rmod.build("quick", library=sources[0], grooves=sources[1], out=tmp_path / "out", progress=False)
    with pytest.raises(UsageError, match="the recipe clicks plays grooves and names none"):
        rmod.build(RECIPE, library=sources[0], out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_a_pair_is_rendered_again_from_its_json_alone(sources: tuple[Path, Path], built: Path, tmp_path: Path) -> None:
    pair = rmod.open_dataset(built).pair("test-00000001")
    written = rmod.rerender(pair, library=sources[0], out=tmp_path, progress=False)
    stored = read_pair(built, "test-00000001").members
    for path in written:
        assert Path(str(path)).read_bytes() == stored[path.name.partition(".")[2]]


def test_a_report_tests_no_draws_that_a_drummer_made(built: Path) -> None:
    report = make_report(built, sample=8)
    names = {test.name for test in report.draws}
    assert "kick present" in names
    assert not any(name.endswith((" hits", " ticks", " velocity")) or name == "open_hihat present" for name in names)
    assert {use.kind for use in report.use} >= {"kick", "groove"}


def test_an_ear_needs_to_know_of_as_many_hits_as_a_drummer_played(built: Path) -> None:
    hits = [drum for key in list_keys(built) for drum in read_pair(built, key).spec().drums if drum.kind == "hihat"]
    assert ear_data.count_most_hits(built, "hihat") == max(len(drum.notes) for drum in hits)


def test_a_release_says_that_it_is_built_with_grooves(built: Path) -> None:
    (command,) = rebuild_commands(built)
    assert "--library LIBRARY.csv --grooves GROOVES.csv --out OUT" in command
