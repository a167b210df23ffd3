"""Scanning again: previous splits and ids, the cache, and worker processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.library.scanning import near_duplicates
from rmod_pipeline.library.scanning import scan as scan_module
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.measure import MeasureTask, measure_batch
from rmod_pipeline.library.scanning.previous import PreviousManifest
from rmod_pipeline.library.scanning.scan import ScanConfig
from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
from tests.library.library_sounds import hit, make_kits, write_sound
from tests.library.scan_helpers import SHARES, drop_reasons, scan


def test_a_second_scan_keeps_splits_and_ids(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, per_kind=1)
    first = scan(tmp_path)
    write_manifest(tmp_path / "m.csv", first.assets)
    before = {row.path: row for row in first.assets}
    test_row = next(row for row in first.assets if row.split == "test" and row.kind == "kick")
    audio, rate = soundfile.read(tmp_path / test_row.path, dtype="float32")
    write_sound(tmp_path / "new" / "kick" / "copy.wav", 0.5 * audio[None], rate)
    for number in range(15):
        write_sound(tmp_path / f"new {number}" / "kick" / "a.wav", hit(500 + number, 0.1))
    after = {row.path: row for row in scan(tmp_path, previous=PreviousManifest.read(tmp_path / "m.csv")).assets}
    assert len(after) == len(before) + 16
    assert all((after[path].split, after[path].id) == (row.split, row.id) for path, row in before.items())
    assert after["new/kick/copy.wav"].split == "test"
    assert after["new/kick/copy.wav"].group == after[test_row.path].group


def test_a_moved_file_keeps_its_split(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, per_kind=1)
    first = scan(tmp_path)
    write_manifest(tmp_path / "m.csv", first.assets)
    row = next(row for row in first.assets if row.split == "valid")
    (tmp_path / "moved" / row.kind).mkdir(parents=True)
    (tmp_path / row.path).rename(tmp_path / "moved" / row.kind / "m.wav")
    after = {row.path: row for row in scan(tmp_path, previous=PreviousManifest.read(tmp_path / "m.csv")).assets}
    assert after[f"moved/{row.kind}/m.wav"].split == "valid"


def test_a_group_that_a_previous_manifest_divides_stays_divided(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, per_kind=1)
    rows = scan(tmp_path).assets
    kit = [row.path for row in rows if row.kit == "kit 3"]
    edited = [replace(row, split="test" if row.path == kit[0] else "train") if row.path in kit else row for row in rows]
    write_manifest(tmp_path / "m.csv", edited)
    result = scan(tmp_path, previous=PreviousManifest.read(tmp_path / "m.csv"))
    after = {row.path: row.split for row in result.assets}
    assert after == {row.path: row.split for row in edited}
    assert any("two splits" in warning for warning in result.warnings)
    write_manifest(tmp_path / "m.csv", result.assets)
    assert not list(find_problems(load_library(tmp_path / "m.csv")))


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path / "s")
    (tmp_path / "s" / "kick.wav").write_text("text")
    measured_paths: list[Path] = []

    def record_and_measure(tasks: list[MeasureTask]) -> object:
        measured_paths.extend(task.path for task in tasks)
        return measure_batch(tasks)

    monkeypatch.setattr(scan_module, "measure_batch", record_and_measure)
    results = []
    for _ in range(2):
        cache = ScanCache(tmp_path / "cache" / "scan.sqlite")
        results.append(scan(tmp_path / "s", cache=cache))
        cache.close()
    assert results[0] == results[1] and len(measured_paths) == 25
    write_sound(tmp_path / "s" / "kit 0" / "kick" / "0.wav", hit(1234, 0.2))
    cache = ScanCache(tmp_path / "cache" / "scan.sqlite")
    changed = scan(tmp_path / "s", cache=cache)
    assert len(measured_paths) == 26 and changed.assets != results[0].assets


def test_an_interrupted_scan_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path / "s", kits=10)
    batch_sizes: list[int] = []

    def measure_and_interrupt(tasks: list[MeasureTask]) -> object:
        batch_sizes.append(len(tasks))
        if len(batch_sizes) == 2:
            raise KeyboardInterrupt
        return measure_batch(tasks)

    monkeypatch.setattr(scan_module, "measure_batch", measure_and_interrupt)
    cache = ScanCache(tmp_path / "scan.sqlite")
    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path / "s", cache=cache)
    cache.close()
    result = scan(tmp_path / "s", cache=ScanCache(tmp_path / "scan.sqlite"))
    # The first scan finished 16 files and lost the second batch of 16; the second scan measures all but the first 16.
    assert batch_sizes == [16, 16, 16, 8] and len(result.assets) == 40


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_a_scan_survives_a_broken_cache(tmp_path: Path, content: bytes) -> None:
    make_kits(tmp_path / "s", kits=2)
    (tmp_path / "scan.sqlite").write_bytes(content)
    cache = ScanCache(tmp_path / "scan.sqlite")
    assert len(scan(tmp_path / "s", cache=cache).assets) == 8
    cache.close()
    assert len(scan(tmp_path / "s", cache=ScanCache(tmp_path / "scan.sqlite" / "no")).assets) == 8


def test_the_result_does_not_depend_on_workers(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=17)
    assert scan(tmp_path) == scan(tmp_path, ScanConfig(shares=SHARES, workers=2))


def crash_at_77(tasks: list[int]) -> list[int | None]:
    if 77 in tasks:
        os._exit(1)
    return [2 * task for task in tasks]


def test_a_task_that_crashes_its_worker_loses_no_other_task() -> None:
    results = dict(map_batches(crash_at_77, range(100), 2, 100))
    assert results == {task: None if task == 77 else 2 * task for task in range(100)}


def _rewrite(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content)


def _replace(path: Path, content: bytes, spare: Path) -> None:
    spare.write_bytes(content)
    spare.replace(path)


def _remove_and_copy(path: Path, content: bytes, spare: Path) -> None:
    spare.write_bytes(content)
    path.unlink()
    shutil.copy2(spare, path)


CHANGES = [_rewrite, _replace, _remove_and_copy]
"""Ways of changing a file that leave its size; the tests set its time back, as rsync and unzip do."""


@pytest.mark.parametrize("change", CHANGES)
@given(seeds=st.lists(st.integers(10, 99), min_size=1, max_size=3), ago_ns=st.integers(0, 10**18))
@settings(max_examples=5, deadline=None)
def test_a_scan_measures_a_file_again_whose_bytes_alone_changed(
    change: Callable[[Path, bytes, Path], None], seeds: list[int], ago_ns: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    sound = folder / "s" / "kick" / "0.wav"
    for number in range(3):
        write_sound(sound.with_name(f"{number}.wav"), hit(number, 0.2))
    old = time.time_ns() - ago_ns
    os.utime(sound, ns=(old, old))
    for seed in [0, *seeds]:
        before = sound.stat()
        write_sound(folder / "other.wav", hit(seed, 0.2))
        change(sound, (folder / "other.wav").read_bytes(), folder / "spare.wav")
        os.utime(sound, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (sound.stat().st_size, sound.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
        cache = ScanCache(folder / "scan.sqlite")
        write_manifest(folder / "s" / "m.csv", scan(folder / "s", cache=cache).assets)
        cache.close()
        assert not list(find_problems(load_library(folder / "s" / "m.csv")))


def _without_change_time(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    return str(path), status.st_size, status.st_mtime_ns, 0


@pytest.mark.parametrize("remedy", ["check", "fresh"])
def test_a_file_system_without_change_times_has_a_remedy_too(
    remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `library check` has found the change, or a scan with --fresh, the next scan has the new bytes."""
    monkeypatch.setattr("rmod_pipeline.library.scanning.cache._file_key", _without_change_time)
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    sound, manifest = tmp_path / "s" / "kick" / "0.wav", tmp_path / "s" / "m.csv"
    write_sound(sound, hit(0, 0.2))
    scan_to_manifest(tmp_path / "s", manifest)
    before = sound.stat()
    write_sound(sound, hit(1, 0.2))
    os.utime(sound, ns=(before.st_atime_ns, before.st_mtime_ns))
    scan_to_manifest(tmp_path / "s", manifest)
    stale = load_library(manifest).assets[0].sha256
    assert stale != sha256(sound.read_bytes()).hexdigest(), "this file system shows nothing of the change"
    if remedy == "fresh":
        scan_to_manifest(tmp_path / "s", manifest, fresh=True)
    else:
        assert "changed since" in " ".join(find_problems(load_library(manifest)))
    scan_to_manifest(tmp_path / "s", manifest, previous=manifest)
    assert not list(find_problems(load_library(manifest)))


def test_a_damaged_record_of_the_cache_is_measured_again(tmp_path: Path) -> None:
    make_kits(tmp_path / "s", kits=2)
    results = []
    for _ in range(2):
        cache = ScanCache(tmp_path / "scan.sqlite")
        results.append(scan(tmp_path / "s", cache=cache).assets)
        cache.close()
        with closing(sqlite3.connect(tmp_path / "scan.sqlite")) as database:
            database.execute("UPDATE measurements SET record = '{'")
            database.commit()
    assert results[0] == results[1]


def test_a_scan_goes_on_without_a_cache_that_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_kits(tmp_path / "s", kits=2)
    cache = ScanCache(tmp_path / "scan.sqlite")
    with closing(sqlite3.connect(tmp_path / "scan.sqlite")) as database:
        database.execute("DROP TABLE measurements")
    assert len(scan(tmp_path / "s", cache=cache).assets) == 8
    assert [record.getMessage() for record in caplog.records if "continues without its cache" in record.getMessage()]


def test_a_scan_goes_on_without_a_cache_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path / "s", kits=2)
    (tmp_path / "damaged").write_bytes(b"this is no database" * 100)
    monkeypatch.setattr("rmod_pipeline.storage.cache_database.remove_quietly", lambda _: None)
    for path in (tmp_path / "s", tmp_path / "damaged"):
        assert len(scan(tmp_path / "s", cache=ScanCache(path)).assets) == 8


def test_known_copies_are_joined_without_a_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        write_sound(tmp_path / "s" / "kick" / f"{number}.wav", (0.5 + 0.1 * number) * hit(1), subtype="FLOAT")
    groups = []
    for _ in range(2):
        cache = ScanCache(tmp_path / "scan.sqlite")
        groups.append({row.group for row in scan(tmp_path / "s", cache=cache).assets})
        cache.close()
        monkeypatch.setattr(near_duplicates, "compute_similarity", lambda *_: 0.0)
    assert groups[0] == groups[1] and len(groups[0]) == 1


def test_a_file_that_vanishes_before_its_comparison_is_no_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        write_sound(tmp_path / "kick" / f"{number}.wav", (0.5 + 0.1 * number) * hit(1), subtype="FLOAT")

    def refuse(path: Path) -> None:
        raise AssetError(path, "no such file", "")

    monkeypatch.setattr(near_duplicates, "_load_excerpt", refuse)
    assert len({row.group for row in scan(tmp_path).assets}) == 2


def test_a_sound_that_memory_cannot_hold_is_dropped_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_kits(tmp_path / "s", kits=2)

    def run_out(*_: object, **__: object) -> None:
        raise MemoryError

    cache = ScanCache(tmp_path / "scan.sqlite")
    with monkeypatch.context() as patched:
        patched.setattr("rmod_pipeline.library.scanning.measure.decode_sound", run_out)
        assert set(drop_reasons(scan(tmp_path / "s", cache=cache)).values()) == {"not enough memory to decode it"}
    assert len(scan(tmp_path / "s", cache=cache).assets) == 8
