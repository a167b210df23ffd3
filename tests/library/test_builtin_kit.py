"""The built-in kit on disk: the shipped manifest, and the cache folder with its locks and repairs."""

from __future__ import annotations

import csv
import hashlib
import logging
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import soundfile

from rmod_pipeline.library import builtin_kit
from rmod_pipeline.library.builtin_kit import ensure_builtin
from rmod_pipeline.library.manifest import MANIFEST_COLUMNS
from rmod_pipeline.synthesis import SynthesizedSound, list_sounds
from rmod_pipeline.synthesis.catalogue import LOOP_KINDS
from tests.tiny_build import PATIENCE_SECONDS

MANIFEST = Path(__file__).parents[2] / "manifests" / "builtin.csv"


@pytest.fixture(scope="session")
def builtin(cache: Path) -> Path:
    """Return the manifest of the whole built-in kit, made once per test run."""
    return ensure_builtin(cache)


def read_rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_the_code_makes_the_sounds_of_the_shipped_manifest(builtin: Path) -> None:
    made, shipped = read_rows(builtin), read_rows(MANIFEST)
    assert [{**row, "sha256": ""} for row in made] == [{**row, "sha256": ""} for row in shipped]
    different = [new["id"] for new, old in zip(made, shipped, strict=True) if new["sha256"] != old["sha256"]]
    # On all tested processors there is none. One of the 63 million samples can be so close to half a step that another
    # processor rounds it differently. A change of a model would alter all sounds of a kit.
    assert len(different) <= 2, different


def test_the_manifest_describes_every_file_correctly(builtin: Path) -> None:
    for row in read_rows(builtin):
        content = (builtin.parent / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        info = soundfile.info(builtin.parent / row["path"])
        assert (info.samplerate, info.channels, info.frames) == (
            int(row["sample_rate"]),
            int(row["channels"]),
            int(row["frames"]),
        )


def test_a_kit_that_is_there_is_found_without_what_would_make_it(builtin: Path) -> None:
    code = """if True:
        import pathlib, sys
        from rmod_pipeline.library.builtin_kit import ensure_builtin
        print(ensure_builtin(pathlib.Path(sys.argv[1])), "scipy.signal" in sys.modules)
    """
    command = [sys.executable, "-c", code, str(builtin.parents[1])]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(builtin), "False"], "it takes half a second to import"


def test_columns_are_those_of_a_manifest_and_rows_are_sorted() -> None:
    table = read_rows(MANIFEST)
    assert list(table[0]) == list(MANIFEST_COLUMNS)
    assert [row["id"] for row in table] == sorted({row["id"] for row in table})
    assert [row["id"] for row in table] == [sound.id for sound in list_sounds()]


def test_every_split_has_enough_sounds_of_every_kind() -> None:
    table = read_rows(MANIFEST)
    kinds = Counter(row["kind"] for row in table)
    assert all(kinds[kind] >= 60 for kind in ("kick", "snare", "hihat"))
    assert all(kinds[kind] >= 24 for kind in ("openhat", "tom", "cymbal", *LOOP_KINDS))
    counts = Counter((row["kind"], row["split"]) for row in table)
    assert all(counts[kind, split] >= 2 for kind in kinds for split in ("train", "valid", "test"))


def test_a_kit_is_in_one_split() -> None:
    splits = {(row["group"], row["split"]) for row in read_rows(MANIFEST)}
    assert len(splits) == len({group for group, _ in splits})


def test_paths_are_posix_and_ids_are_paths() -> None:
    for sound in list_sounds():
        assert sound.path == f"{sound.id}.wav"
        assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+", sound.id)


@pytest.fixture
def few_sounds(monkeypatch: pytest.MonkeyPatch) -> tuple[SynthesizedSound, ...]:
    """Reduce the library to three short sounds, so that tests are fast."""
    sounds = tuple(sound for sound in list_sounds() if sound.kit == "606" and sound.kind == "hihat")[:3]
    monkeypatch.setattr(builtin_kit, "list_sounds", lambda: sounds)
    return sounds


def modification_times(manifest: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in sorted(manifest.parent.rglob("*"))]


def test_a_complete_folder_is_not_changed(tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...]) -> None:
    before = modification_times(ensure_builtin(tmp_path))
    assert modification_times(ensure_builtin(tmp_path, on_sound=lambda *_: pytest.fail("made again"))) == before


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"RIFF")])
def test_only_missing_or_damaged_files_are_made_again(
    tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...], damage: Callable[[Path], object]
) -> None:
    manifest = ensure_builtin(tmp_path)
    path = manifest.parent / few_sounds[1].path
    before, table = path.read_bytes(), manifest.read_bytes()
    damage(path)
    calls: list[tuple[int, int]] = []
    ensure_builtin(tmp_path, on_sound=lambda done, total: calls.append((done, total)))
    assert (path.read_bytes(), manifest.read_bytes(), calls) == (before, table, [(1, 1)])


def test_other_code_uses_another_folder(
    tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = modification_times(ensure_builtin(tmp_path))
    monkeypatch.setattr(builtin_kit, "folder_name", lambda: "builtin-0123456789ab")
    calls: list[int] = []
    other = ensure_builtin(tmp_path, on_sound=lambda _, total: calls.append(total))
    assert calls == [3, 3, 3]
    assert other.parent.name == "builtin-0123456789ab"
    monkeypatch.undo()
    monkeypatch.setattr(builtin_kit, "list_sounds", lambda: few_sounds)
    assert modification_times(ensure_builtin(tmp_path)) == before


def test_concurrent_callers_make_each_sound_once(tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...]) -> None:
    calls: list[int] = []
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(ensure_builtin, tmp_path, lambda done, _: calls.append(done)) for _ in range(2)]
    assert {future.result() for future in futures} == {tmp_path / builtin_kit.folder_name() / "builtin.csv"}
    assert sorted(calls) == [1, 2, 3]


def test_waiting_for_another_process_is_logged(
    tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...], caplog: pytest.LogCaptureFixture
) -> None:
    started, may_continue = threading.Event(), threading.Event()

    def on_sound(done: int, total: int) -> None:
        started.set()
        may_continue.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ensure_builtin, tmp_path, on_sound)
        assert started.wait(PATIENCE_SECONDS)
        second = pool.submit(ensure_builtin, tmp_path)
        while not any("waiting for it" in line for line in caplog.messages) and not second.done():
            time.sleep(0.01)
        may_continue.set()
        assert first.result() == second.result()
    assert caplog.text.count("another process is making the built-in kit") == 1


def test_several_processes_make_the_same_files(builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = tuple(sound for sound in list_sounds() if sound.kind in ("hihat", "snare"))
    monkeypatch.setattr(builtin_kit, "list_sounds", lambda: sounds)
    calls: list[tuple[int, int]] = []
    manifest = ensure_builtin(tmp_path, on_sound=lambda done, total: calls.append((done, total)), workers=2)
    assert calls == [(done, len(sounds)) for done in range(1, len(sounds) + 1)]
    for sound in sounds:
        assert (manifest.parent / sound.path).read_bytes() == (builtin.parent / sound.path).read_bytes()
    assert read_rows(manifest) == [row for row in read_rows(builtin) if row["kind"] in ("hihat", "snare")]


def test_the_environment_sets_the_cache_folder(
    tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "elsewhere"))
    assert ensure_builtin().is_relative_to(tmp_path / "elsewhere")


def test_a_difference_from_the_shipped_manifest_is_logged(
    tmp_path: Path, few_sounds: tuple[SynthesizedSound, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ensure_builtin(tmp_path)  # its three sounds differ from the shipped manifest
    assert "builds cannot be shared" in caplog.text
