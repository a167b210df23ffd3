"""benchmarks/gpu.py: time bounds are kept, results are written as it goes, and what is skipped is named with why."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gpu_parts.clock import Clock, OutOfTimeError, run_limited, share_out
from gpu_parts.encode import count_encoder_flops
from gpu_parts.files import BUNDLE, read_bundle, split_file
from gpu_parts.options import PARTS, check_minutes, choose_parts
from gpu_parts.results import DONE, Results, read_results
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import BuildError, UsageError
from tests.benchmarks.conftest import BENCHMARKS

SCRIPT = BENCHMARKS / "gpu.py"


def run_script(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@given(st.floats(1, 1e5), st.lists(st.sampled_from(list(PARTS)), min_size=1, unique=True), st.data())
def test_parts_share_the_time_that_is_left(seconds: float, names: list[str], data: st.DataObject) -> None:
    weights = {part: PARTS[part] for part in choose_parts(names)}
    left = seconds
    for part in weights:
        given_seconds = share_out(left, weights, part)
        assert 0 < given_seconds <= left * (1 + 1e-9)
        # A part that ends early leaves its time to the others.
        left -= given_seconds * data.draw(st.floats(0, 1))
    assert share_out(left, weights, list(weights)[-1]) == pytest.approx(left)


def test_a_clock_ends_and_never_goes_below_zero() -> None:
    now = 0.0
    clock = Clock(10, lambda: now)
    half = clock.share(0.5)
    clock.check()
    now = 6.0
    assert clock.left == 4
    with pytest.raises(OutOfTimeError, match="5 s are over"):
        half.check()
    now = 99.0
    assert clock.left == 0


@pytest.mark.parametrize(
    "code",
    ["import time; time.sleep(600)", "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(600)"],
    ids=["one that ends when it is asked to", "one that does not"],
)
def test_a_command_that_runs_over_is_ended(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpu_parts.clock.END_SECONDS", 0.5)
    ran = run_limited([sys.executable, "-c", code], 1.0, own_group=True)
    assert ran.stopped
    assert ran.code != 0
    assert ran.seconds < 300


def test_a_command_within_its_time_is_left_alone() -> None:
    ran = run_limited([sys.executable, "-c", "print('here'); raise SystemExit(3)"], 600)
    assert (ran.code, ran.stopped, ran.output) == (3, False, "here")


def test_results_are_on_disk_after_every_figure(tmp_path: Path) -> None:
    results = Results(tmp_path, "encode")
    results.begin(60)
    results.figure("speed", 12.5)
    assert read_results(tmp_path)["parts"]["encode"]["figures"] == {"speed": 12.5}
    results.row("Table", {"batch": 4, "equal": True})
    Results(tmp_path, "build").begin(30)
    results = Results(tmp_path, "encode")
    results.absent("graphs", "no GPU")
    results.end(DONE, 3)
    assert results.is_complete
    results.skip("a | bar", "no time")
    assert not results.is_complete
    page = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    for text in ("| speed | 12.5 |", "| 4 | yes |", "- graphs: no GPU", "- a | bar: no time", "## build"):
        assert text in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.json", "gpu.md"]


@pytest.mark.parametrize("text", ["", "[]", '{"run": {}}'])
def test_another_gpu_json_is_not_overwritten(tmp_path: Path, text: str) -> None:
    (tmp_path / "gpu.json").write_text(text)
    with pytest.raises(BuildError, match="not the results of this script"):
        Results(tmp_path, "encode")
    assert (tmp_path / "gpu.json").read_text() == text


@given(size=st.integers(0, 5000), most=st.integers(500, 3000))
def test_parts_of_a_file_join_to_the_file(size: int, most: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("parts")
    content = np.random.default_rng(size).bytes(size)
    (folder / "whole").write_bytes(content)
    packed = split_file(folder / "whole", folder / "out", "model.pth", most)
    assert all(part.stat().st_size <= most for part in packed.parts)
    assert packed.sha256 == hashlib.sha256(content).hexdigest()
    assert b"".join(part.read_bytes() for part in sorted((folder / "out").iterdir())) == content


def test_the_stated_command_joins_and_checks(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"0123456789" * 1000)
    packed = split_file(tmp_path / "whole", tmp_path, "model.pth", 3000)
    joined = subprocess.run(packed.command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert joined.stdout.strip() == "model.pth: OK"
    packed.parts[1].write_bytes(b"x")
    assert subprocess.run(packed.command, shell=True, cwd=tmp_path, capture_output=True, check=False).returncode


def test_a_bundle_with_a_file_missing_or_cut_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"abc")
    (tmp_path / BUNDLE).write_text(json.dumps({"files": {"a.whl": 3}}))
    assert read_bundle(tmp_path)["files"] == {"a.whl": 3}
    (tmp_path / "a.whl").write_bytes(b"ab")
    with pytest.raises(UsageError, match=r"a\.whl has 2 bytes, 3 expected"):
        read_bundle(tmp_path)
    (tmp_path / "a.whl").unlink()
    with pytest.raises(UsageError, match=r"a\.whl is missing"):
        read_bundle(tmp_path)
    with pytest.raises(UsageError, match="no bundle"):
        read_bundle(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--part", "encod"], "--part encod: there is no such part (did you mean 'encode'?)"),
        (["--minutes", "0.01"], "--minutes: 0.01 is too small for encode, build, codec, dose\n  -> give at least"),
        (["--minutes", "nan"], "--minutes: nan is too small"),
        (["--device", "cuda"], "finds no GPU"),
        (["--device", "tpu"], "--device: unknown 'tpu'"),
        (["--library", "nowhere.csv"], "nowhere.csv"),
        (["--bundle", "nowhere"], "--bundle nowhere: no bundle"),
        (["--data", "nowhere"], "--data nowhere: there is no build.json in it"),
        (["--against", "nowhere.pth"], "--against nowhere.pth: there is no such file"),
        (["--workers", "0"], "--workers: 0 is too small"),
    ],
)
def test_what_cannot_be_measured_is_named(
    arguments: Sequence[str],
    found: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import gpu

    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "out"), *arguments])
    assert gpu.main() == 2
    assert found in capsys.readouterr().err
    assert not (tmp_path / "out" / "gpu.json").exists()


def test_minutes_are_enough_where_every_part_gets_its_least() -> None:
    check_minutes(0.1, ("build",))
    check_minutes(0.75, tuple(PARTS))
    with pytest.raises(UsageError, match=r"give at least 0\.74,"):
        check_minutes(0.73, tuple(PARTS))
    with pytest.raises(UsageError):
        check_minutes(0.09, ("build",))


def test_the_encoder_of_dac_takes_the_operations_that_are_known() -> None:
    """A kernel's channels times its width, twice, at each rate: 61 GFLOP per second of audio at full size."""
    assert count_encoder_flops({}) / 1e9 == pytest.approx(61, abs=1)


@pytest.mark.long
def test_a_part_that_fails_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    """DOSE has no pairs here: the part build did not run before."""
    out = tmp_path / "out"
    ran = run_script(
        "--part", "dose", "--part", "encode", "--minutes", "1.5", "--out", out, "--miniature", "--device", "cpu"
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    parts = read_results(out)["parts"]
    assert list(parts) == ["encode", "dose"]
    assert parts["dose"]["status"].startswith("failed:")
    assert "no data set to train on" in parts["dose"]["status"]
    assert parts["encode"]["tables"]["Matrix products"]


@pytest.mark.long
def test_a_miniature_measures_all_parts(tmp_path: Path) -> None:
    out = tmp_path / "out"
    small = ("--miniature", "--device", "cpu", "--workers", "1", "--codec", "mini")
    ran = run_script("--part", "all", "--minutes", "20", "--out", out, *small)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    parts = read_results(out)["parts"]
    assert {name: part["status"] for name, part in parts.items()} == dict.fromkeys(PARTS, DONE)
    build, dose = parts["build"]["figures"], parts["dose"]["tables"]
    assert build["tokens equal to those of a second build"] is True
    assert build["tokens equal to those of `rmod encode`"] is True
    assert {row["codec"] for row in next(iter(list(parts["codec"]["tables"].values())[1:]))} == {"trained", "mini"}
    assert dose["Training speed"][0]["model FLOP utilisation"] > 0
    distances = dose["Distance to the true one-shots"]
    assert {row["kind"] for row in distances} == {"kick", "snare", "hihat"}
    assert {"trained", "another's trained", "typical"} <= {row["system"] for row in distances}
    assert len(list(out.iterdir())) <= 8
