"""Kernels are compiled once per machine, again where a file is damaged, and give the same bits on every processor."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmod_pipeline.effects.engines.fused import compiled, warm_up
from rmod_pipeline.effects.engines.fused.warm_up import compile_kernels

CALL = """
import hashlib, logging
logging.basicConfig(level=logging.WARNING)
import numpy as np
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.effects.engines.fused.engine import apply_one
from rmod_pipeline.effects.engines.fused.compiled import kernels_folder
audio = np.linspace(-1, 1, 20_000, dtype=np.float32).reshape(2, -1)
for effect in (
    Equalizer(bands=(Band(shape="low_shelf", hz=90.0, gain_db=-4.0, q=0.7),)),
    Filter(passes="low", hz=4000.0),
    Compressor(threshold_db=-20.0, ratio=4.0, attack_ms=5.0, release_ms=80.0),
    Reverb(room=0.5, damping=0.5, width=0.7),
    Limiter(threshold_db=-6.0, release_ms=100.0),
):
    audio = apply_one(audio, effect, 44100)
print(hashlib.sha256(audio.tobytes()).hexdigest(), kernels_folder())
"""


def start_with_cache(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start another process that applies effects, with a cache folder and environment variables."""
    environment = {**os.environ, "RMOD_CACHE": str(folder), **variables}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", CALL], env=environment, text=True, stdout=pipe, stderr=pipe)


def call_with_cache(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Apply effects in another process, and return what it wrote."""
    process = start_with_cache(folder, **variables)
    return subprocess.CompletedProcess(CALL, process.wait(), *process.communicate())


def list_code(folder: Path) -> list[Path]:
    """Return the files of compiled kernels in a cache folder."""
    return list(folder.rglob("*.nbc"))


@pytest.mark.long
def test_kernels_are_compiled_again_where_a_file_is_damaged_or_none_can_be_written(tmp_path: Path) -> None:
    first = call_with_cache(tmp_path / "cache")
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.split()[1])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(b"damaged")
    (tmp_path / "file").write_text("no folder")
    for cache in (tmp_path / "cache", tmp_path / "file"):
        again = call_with_cache(cache)
        assert again.returncode == 0, again.stderr
        assert again.stdout.split()[0] == first.stdout.split()[0]


def test_every_kernel_is_compiled_before_the_first_pair() -> None:
    """One that is not would be compiled by all workers at once, and end a build if its file is damaged."""
    compile_kernels()
    assert not [kernel.py_func.__qualname__ for kernel in compiled._kernels if not kernel.signatures]


@pytest.mark.long
def test_processes_that_start_at_once_or_after_one_was_killed_compile_each_kernel_once(tmp_path: Path) -> None:
    killed = start_with_cache(tmp_path)
    while killed.poll() is None and not list_code(tmp_path):
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    kept = {path: path.stat().st_mtime_ns for path in list_code(tmp_path)}
    assert 0 < len(kept) < len(compiled._kernels)
    assert not list(tmp_path.rglob("complete"))
    outputs = [process.communicate() for process in [start_with_cache(tmp_path) for _ in range(2)]]
    assert len({out for out, _ in outputs}) == 1, outputs
    assert not any("again" in error or "Traceback" in error for _, error in outputs), outputs
    assert len(list_code(tmp_path)) == len(compiled._kernels)
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert list(tmp_path.rglob("complete"))
    assert "compiling" not in call_with_cache(tmp_path).stderr


def test_kernels_count_as_compiled_when_all_of_them_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "kernels_folder", lambda: tmp_path)
    names = [f"{number}.nbc" for number in range(len(compiled._kernels))]
    for name in names:
        assert not compiled.is_compiled()
        (tmp_path / name).touch()
        compiled.remember_compiled()
    assert compiled.is_compiled()


def test_another_process_may_compile_after_one_that_failed_or_on_a_disk_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "kernels_folder", lambda: tmp_path / "mine")
    monkeypatch.setattr(compiled, "WAIT_SECONDS", 0.0)
    with pytest.raises(OSError, match="full"), compiled.lock_kernels():
        raise OSError("the disk is full")
    with compiled.lock_kernels(), compiled.lock_kernels():  # the second one has waited long enough
        pass
    shutil.rmtree(tmp_path)
    with compiled.lock_kernels():
        pass


@pytest.mark.parametrize("shares", range(1, 5))
def test_shares_hold_every_part_once(shares: int, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    parts = [lambda *_, name=part.__name__: called.append(name) for part in warm_up._PARTS]
    monkeypatch.setattr(warm_up, "_PARTS", parts)
    for number in range(shares):
        warm_up._compile_share(number, shares)
    assert sorted(called) == sorted({"_filter", "_reverberate", "_compress", "_add", "_convert"})


@pytest.mark.long
def test_kernels_for_an_older_processor_give_the_same_bits(tmp_path: Path) -> None:
    """numba compiles for the processor that it runs on, unless a variable names another."""
    older = call_with_cache(tmp_path, NUMBA_CPU_NAME="x86-64-v2", NUMBA_CPU_FEATURES="")
    assert older.returncode == 0, older.stderr
    here = call_with_cache(Path(os.environ["RMOD_CACHE"]))
    assert older.stdout.split()[0] == here.stdout.split()[0]


def test_only_kernels_that_nobody_has_used_for_long_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "kernels_folder", lambda: tmp_path / "mine")
    for name, days in (("mine", 0), ("young", 29), ("old", 31)):
        (tmp_path / name / "sub").mkdir(parents=True)
        used = (tmp_path / name).stat().st_mtime - days * 24 * 3600
        os.utime(tmp_path / name, (used, used))
    compiled.remove_old()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "young"]
