"""Kernels are compiled once per machine, again where a file is damaged, and give the same bits on every processor."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import llvmlite.binding as llvm
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.effects.engines.fused import code_files, compiling, loading
from rmod_pipeline.effects.engines.fused.loading import load_kernels
from rmod_pipeline.effects.engines.fused.machine_code import Kernel
from rmod_pipeline.effects.engines.fused.table import KERNELS
from rmod_pipeline.errors import UsageError

OLDER_PROCESSORS = [
    name
    for name, feature in {"x86-64-v2": "sse4.2", "x86-64-v3": "avx2"}.items()
    if llvm.get_host_cpu_features().get(feature)
]
"""Those whose instructions this one has."""

CALL = """
import hashlib, logging, sys
logging.basicConfig(level=logging.WARNING)
import numpy as np
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.effects.engines.fused.engine import Chains, PairChains, mix_chains
from rmod_pipeline.effects.engines.fused.code_files import kernels_folder
audio = np.linspace(-1, 1, 20_000, dtype=np.float32).reshape(2, -1)
effects = [
    Equalizer(bands=(Band(shape="low_shelf", hz=90.0, gain_db=-4.0, q=0.7),)),
    Filter(passes="low", hz=4000.0),
    Compressor(threshold_db=-20.0, ratio=4.0, attack_ms=5.0, release_ms=80.0),
    Reverb(room=0.5, damping=0.5, width=0.7),
    Limiter(threshold_db=-6.0, release_ms=100.0),
]
# More channels than two vectors have lanes, each another sound.
tracks = [Chains((audio * np.float32(1 - number / 40)), effects, [(0.5, effects[2:4])]) for number in range(20)]
(mixed,) = mix_chains([PairChains(tracks, effects)], 44100, keep_tracks=True)
digest = hashlib.sha256(mixed.mix.tobytes() + b"".join(track.audio.tobytes() for track in mixed.tracks))
print(digest.hexdigest(), kernels_folder(), "numba" in sys.modules)
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
    return list(folder.rglob("*.o"))


@pytest.mark.long
def test_kernels_are_compiled_again_where_a_file_is_damaged_or_none_can_be_written(tmp_path: Path) -> None:
    first = call_with_cache(tmp_path / "cache")
    assert first.returncode == 0, first.stderr
    files = {path: path.read_bytes() for path in list_code(tmp_path)}
    assert len(files) == len(KERNELS)
    damaged = [b"", b"damaged", *files.values()]
    for path, content in zip(files, damaged, strict=False):
        path.write_bytes(content)
    (tmp_path / "file").write_text("no folder")
    for cache in (tmp_path / "cache", tmp_path / "file"):
        again = call_with_cache(cache)
        assert again.returncode == 0, again.stderr
        assert again.stdout.split()[0] == first.stdout.split()[0]
    assert {path: path.read_bytes() for path in list_code(tmp_path)} == files


@pytest.mark.long
def test_processes_that_start_at_once_or_after_one_was_killed_compile_each_kernel_once(tmp_path: Path) -> None:
    killed = start_with_cache(tmp_path)
    while killed.poll() is None and not list_code(tmp_path):
        time.sleep(0.05)
    killed.kill()
    killed.communicate()
    kept = {path: path.stat().st_mtime_ns for path in list_code(tmp_path)}
    assert 0 < len(kept) < len(KERNELS)
    outputs = [process.communicate() for process in [start_with_cache(tmp_path) for _ in range(2)]]
    assert len({out.split()[0] for out, _ in outputs}) == 1, outputs
    assert sorted(out.split()[-1] for out, _ in outputs) == ["False", "True"], "both have compiled"
    assert not any("Traceback" in error for _, error in outputs), outputs
    assert {path.stem for path in list_code(tmp_path)} == {kernel.name for kernel in KERNELS}
    assert all(path.stat().st_mtime_ns == written for path, written in kept.items())
    assert "compiling" not in call_with_cache(tmp_path).stderr


def test_the_table_names_every_kernel() -> None:
    """A kernel is a public function that numba does not compile by itself."""
    written = []
    for name in {kernel.module for kernel in KERNELS}:
        module = importlib.import_module(f"rmod_pipeline.effects.engines.fused.kernels.{name}")
        functions = inspect.getmembers(module, inspect.isfunction)
        written += [each for key, each in functions if not key.startswith("_") and each.__module__ == module.__name__]
    found = {
        (function.__module__.split(".")[-1], function.__name__): inspect.signature(function) for function in written
    }
    assert {(kernel.module, kernel.name) for kernel in KERNELS} == set(found)
    for kernel in KERNELS:
        assert len(found[kernel.module, kernel.name].parameters) == len(kernel.arguments)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> tuple[Kernel, ...]:
    """Kernels that are compiled, and not loaded into this process yet."""
    load_kernels()
    fresh = tuple(Kernel(kernel.module, kernel.name, kernel.arguments) for kernel in KERNELS)
    monkeypatch.setattr(loading, "KERNELS", fresh)
    return fresh


@pytest.fixture
def empty_cache(kernels: tuple[Kernel, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which no kernel was kept yet; those that are compiled come from where they were kept before."""
    compiled = {kernel.name: code_files.read_code(kernel.name) for kernel in kernels}
    folder = tmp_path / "kernels" / "mine"
    monkeypatch.setattr(code_files, "kernels_folder", lambda: folder)
    monkeypatch.setattr(loading, "can_keep_code", code_files.can_keep_code.__wrapped__)
    monkeypatch.setattr(loading, "available_cores", lambda: 1)
    monkeypatch.setattr(compiling, "compile_kernel", lambda kernel: compiled[kernel.name])
    return folder


def test_code_is_loaded_once_however_many_threads_need_it(
    kernels: tuple[Kernel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    load, begin = Kernel.load, threading.Barrier(8)

    def count(kernel: Kernel, code: bytes) -> None:
        asked.append(kernel.name)
        load(kernel, code)
        load(kernel, b"code that would end the process if it were loaded")

    def need(_: int) -> None:
        begin.wait()
        load_kernels()
        assert all(kernel.is_loaded for kernel in kernels)

    monkeypatch.setattr(Kernel, "load", count)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(need, range(8)))
    assert sorted(asked) == sorted(kernel.name for kernel in kernels)


def test_kernels_that_are_there_are_read_even_where_nothing_can_be_written(
    kernels: tuple[Kernel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = code_files.kernels_folder()
    os.utime(folder, (0, 0))
    monkeypatch.setattr(loading, "can_keep_code", lambda: pytest.fail("nothing has to be written"))
    load_kernels()
    assert all(kernel.is_loaded for kernel in kernels)
    assert folder.stat().st_mtime > 0, "a folder in use would be removed as old"


def test_a_disk_that_fills_up_is_named_once_and_keeps_nobody_waiting(
    kernels: tuple[Kernel, ...], empty_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compile_kernel, free = compiling.compile_kernel, []

    @contextmanager
    def fail(path: Path) -> Iterator[Path]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield path

    def compile_and_look(kernel: Kernel) -> bytes:
        try:
            with FileLock(empty_cache.parent / "lock", timeout=0):
                free.append(True)
        except Timeout:
            free.append(False)
        return compile_kernel(kernel)

    monkeypatch.setattr(compiling, "compile_kernel", compile_and_look)
    monkeypatch.setattr(code_files, "temporary_file", fail)
    load_kernels()
    assert all(kernel.is_loaded for kernel in kernels)
    assert free == [False, *[True] * (len(kernels) - 1)]
    assert [record.message.count("No space left") for record in caplog.records] == [0, 1]


def test_a_full_disk_is_seen_before_anything_is_compiled(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_full(**_: Path) -> Iterator[BinaryIO]:
        with Path("/dev/full").open("wb") as file:
            yield file

    can_keep = code_files.can_keep_code.__wrapped__
    assert can_keep()
    monkeypatch.setattr("tempfile.TemporaryFile", open_full)
    assert not can_keep()


def test_code_without_its_function_is_compiled_again(
    kernels: tuple[Kernel, ...], empty_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = kernels[:2]
    empty_cache.mkdir(parents=True)
    code_files.write_code(one.name, compiling.compile_kernel(other))
    load_kernels()
    assert one.is_loaded
    assert code_files.read_code(one.name) == compiling.compile_kernel(one)
    assert f"no function {one.name} in its code, so it is compiled again" in caplog.text


def test_what_cannot_be_compiled_is_an_error_that_names_another_engine(
    kernels: tuple[Kernel, ...], empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(kernel: Kernel) -> bytes:
        raise AttributeError("no attribute 'magic_tuple'")

    monkeypatch.setattr(compiling, "compile_kernel", fail)
    with pytest.raises(UsageError, match="magic_tuple") as caught:
        load_kernels()
    assert "--engine pedalboard" in caught.value.hint
    with FileLock(empty_cache.parent / "lock", timeout=0):
        pass


def test_what_changes_the_code_changes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    find = code_files.kernels_folder.__wrapped__
    folders = [find()]
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_ENABLE_AVX", "NUMBA_OPT", "NUMBA_BOUNDSCHECK"):
        monkeypatch.setenv(name, "0")
        folders.append(find())
    for text in ("opt: 0", "opt: 1"):
        (tmp_path / ".numba_config.yaml").write_text(text)
        folders.append(find())
    assert len(set(folders)) == len(folders)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    assert find() == folders[-1]


def test_a_process_that_finds_kernels_compiled_does_not_import_numba() -> None:
    load_kernels()
    result = call_with_cache(Path(os.environ["RMOD_CACHE"]))
    assert result.stdout.split()[-1] == "False", result.stderr


def test_a_damaged_file_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_files, "kernels_folder", lambda: tmp_path)
    assert code_files.read_code("kernel") is None
    code_files.write_code("kernel", b"code of a kernel")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    assert code_files.read_code("kernel") == b"code of a kernel"
    path.with_name("other.o").write_bytes(whole)
    assert code_files.read_code("other") is None
    path.with_name("other.o").unlink()
    for content in (b"", whole[:-1], whole[1:], whole + b"1", whole[:-1] + b"!"):
        path.write_bytes(content)
        assert code_files.read_code("kernel") is None
    path.unlink()
    path.mkdir()
    assert code_files.read_code("kernel") is None
    with pytest.raises(code_files.NotKeptError):
        code_files.write_code("kernel", b"code of a kernel")
    assert list(tmp_path.iterdir()) == [path]


def test_another_process_may_compile_after_one_that_failed_or_on_a_disk_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_files, "kernels_folder", lambda: tmp_path / "mine")
    monkeypatch.setattr(code_files, "WAIT_SECONDS", 0.0)
    with pytest.raises(OSError, match="full"), code_files.lock_kernels():
        raise OSError("the disk is full")
    with code_files.lock_kernels(), code_files.lock_kernels():  # the second one has waited long enough
        pass
    monkeypatch.setattr(code_files, "kernels_folder", lambda: tmp_path / "no" / "folder")
    (tmp_path / "no").write_text("a file")
    with code_files.lock_kernels():
        pass


@given(st.lists(st.sampled_from(KERNELS), unique=True), st.integers(1, 5))
def test_shares_hold_every_kernel_once_and_those_of_a_module_together(kernels: list[Kernel], count: int) -> None:
    kernels.sort(key=KERNELS.index)
    shares = loading._divide(kernels, count)
    assert sorted(kernel.name for share in shares for kernel in share) == sorted(kernel.name for kernel in kernels)
    assert len(shares) <= count
    for module in {kernel.module for kernel in kernels}:
        assert sum(any(kernel.module == module for kernel in share) for share in shares) == 1


@pytest.mark.long
@pytest.mark.parametrize("processor", OLDER_PROCESSORS)
def test_kernels_for_an_older_processor_give_the_same_bits(processor: str, tmp_path: Path) -> None:
    """numba compiles for the processor that it runs on, which may have AVX-512, unless a variable names another."""
    older = call_with_cache(tmp_path, NUMBA_CPU_NAME=processor, NUMBA_CPU_FEATURES="")
    assert older.returncode == 0, older.stderr
    here = call_with_cache(Path(os.environ["RMOD_CACHE"]))
    assert older.stdout.split()[0] == here.stdout.split()[0]


def test_only_kernels_that_nobody_has_used_for_long_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_files, "kernels_folder", lambda: tmp_path / "mine")
    for name, days in (("mine", 0), ("young", 29), ("old", 31)):
        (tmp_path / name / "sub").mkdir(parents=True)
        used = (tmp_path / name).stat().st_mtime - days * 24 * 3600
        os.utime(tmp_path / name, (used, used))
    code_files.remove_old()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "young"]
