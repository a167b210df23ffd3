"""benchmarks/gpu.py: deadlines, signals and second runs; what is counted, and which GPU is watched."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpu
import pytest
import torch
from gpu_parts.build import have_equal_tokens
from gpu_parts.clock import Clock, CommandResult, grace_of
from gpu_parts.encode import EncoderBench
from gpu_parts.machine import GpuWatch, count_flops
from gpu_parts.options import PARTS, WORK_MARK, Options, claim_work, refuse_inside
from gpu_parts.results import Results
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from rmod_pipeline.codec.settings import EncoderSettings
from rmod_pipeline.errors import UsageError
from tests.benchmarks.conftest import BENCHMARKS

STOPPED = f"""
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests under nohup ignore it
sys.path.append({str(BENCHMARKS)!r})
from gpu_parts.clock import raise_on_signals, run_limited
raise_on_signals()
child = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
run_limited([sys.executable, "-c", child], 600, own_group=True, show=True)
"""


def make_options(folder: Path, *parts: str) -> Options:
    return Options(
        parts=parts, minutes=10.0, out=folder / "out", work=folder / "work", device="cpu", library="builtin",
        codecs=("full", "mini"), workers=1, miniature=True,
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_script_that_is_told_to_end_ends_its_part(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True) as script:
        assert script.stdout is not None
        part = int(script.stdout.readline())
        script.send_signal(number)
        assert script.wait() == 128 + number
    with pytest.raises(ProcessLookupError):
        os.kill(part, 0)


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_time_before_a_clock_was_made_counts(limit: float, before: float) -> None:
    clock = Clock(limit, lambda: before, start=0.0)
    assert clock.spent == before
    assert clock.left == max(limit - before, 0)


@given(st.floats(0, 1e6))
def test_a_part_ends_by_itself_before_it_is_interrupted_and_then_killed(seconds: float) -> None:
    assert 0 <= seconds - 2 * grace_of(seconds) <= seconds - grace_of(seconds) <= seconds


def test_parts_end_before_the_minutes_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options, ends, started = make_options(tmp_path, *PARTS), list[float](), time.monotonic() - 300
    over, asked = started + 60 * options.minutes, [time.monotonic()]

    def note(command: Sequence[str], seconds: float, **_: object) -> CommandResult:
        ends.append(float(command[-1]))
        assert seconds <= over - asked[-1], "it was asked for later than the one before"
        asked.append(time.monotonic())
        return CommandResult(code=1, seconds=0, stopped=False, output="")

    monkeypatch.setattr(gpu, "STARTED", started)
    monkeypatch.setattr(gpu, "run_limited", note)
    assert gpu.run_all(options) == 1
    assert len(ends) == len(PARTS)
    assert all(started + 300 < end < over for end in ends)


@pytest.mark.parametrize("stop", [SystemExit(143), KeyboardInterrupt()], ids=["SIGTERM", "Ctrl-C"])
def test_a_part_of_a_run_that_was_stopped_does_not_seem_to_run(
    stop: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> CommandResult:
        raise stop

    monkeypatch.setattr(gpu, "run_limited", fail)
    with pytest.raises(type(stop)):
        gpu.run_all(make_options(tmp_path, "encode"))
    assert Results(tmp_path / "out", "encode").own["status"] == "it was ended: the run was stopped"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_finds_nothing_of_an_earlier_run_but_rendered_sounds(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, module = make_options(tmp_path, part), importlib.import_module(f"gpu_parts.{part}")
    (options.work / "material" / "train").mkdir(parents=True)
    (options.work / "evaluation-2").mkdir()
    measured = module.list_measured(options)
    for name in measured:
        path = options.work / name
        if path.suffix:
            path.write_text("old")
        else:
            (path / "deep").mkdir(parents=True, exist_ok=True)
    seen = list[Path]()
    monkeypatch.setattr(module, gpu.RUNNERS[part], lambda *_: seen.extend(options.work.iterdir()))
    Results(options.out, part).begin(60)
    assert gpu.run_alone(options, part, time.monotonic() + 60) == 0
    assert measured
    assert {path.name for path in seen} == {"material"} | ({"evaluation-2"} if part != "dose" else set())


def test_only_a_folder_of_the_script_is_worked_in(tmp_path: Path) -> None:
    work = tmp_path / "work"
    claim_work(work)
    (work / "codec").mkdir()
    claim_work(work)
    (work / WORK_MARK).unlink()
    with pytest.raises(UsageError, match="not a working folder"):
        claim_work(work)
    with pytest.raises(UsageError, match="another --work"):
        refuse_inside("--data", work / "data-mini", work)
    refuse_inside("--data", tmp_path / "data", work)
    refuse_inside("--data", None, work)


def test_no_tokens_are_not_equal_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not have_equal_tokens(tmp_path, tmp_path)
    found = {tmp_path / "a": {"tokens": "1"}, tmp_path / "b": {"tokens": "1"}, tmp_path / "c": {"tokens": "2"}}
    monkeypatch.setattr("gpu_parts.build.read_checksums", found.__getitem__)
    a, b, c = found
    assert have_equal_tokens(a, b)
    assert not have_equal_tokens(a, c)


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 16))
def test_attention_counts_on_every_device(heads: int, length: int, width: int) -> None:
    """Two products of [length, width] matrices per head, each of which takes two operations per element."""
    given = torch.zeros(1, heads, length, width)
    counted = count_flops(lambda: functional.scaled_dot_product_attention(given, given, given))
    assert counted == 2 * 2 * heads * length * length * width


@pytest.mark.parametrize("unlike", [0.0, 0.5])
def test_a_setting_that_changes_tokens_does_not_become_the_default(unlike: float, tmp_path: Path) -> None:
    bench = EncoderBench.__new__(EncoderBench)
    bench.results, bench.options = Results(tmp_path, "encode"), make_options(tmp_path)
    row = {"audio s/s": 5.0, "share of matrix products": 0.5, "tokens unlike fp32": unlike}
    bench.rows = [(EncoderSettings(precision="bf16", batch=4), row)]
    bench.name_best()
    figures = bench.results.own["figures"]
    assert ("none" in figures["best with at most 1% of tokens unlike fp32"]) == bool(unlike)
    assert any("make it the default" in name for name in figures) != bool(unlike)


def test_the_gpu_of_torch_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\ncase "$*" in *--id=GPU-12ab) echo 37;; *) echo 99;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("gpu_parts.machine.WATCH_SECONDS", 0.01)

    def properties(_: int) -> Any:
        return SimpleNamespace(uuid="12ab")

    monkeypatch.setattr(torch.cuda, "get_device_properties", properties)
    with GpuWatch("cuda") as watch:
        while not watch.busy:
            time.sleep(0.01)
    assert watch.mean == 37
    with GpuWatch("cpu") as watch:
        assert watch.why_not() == "there is no GPU"
