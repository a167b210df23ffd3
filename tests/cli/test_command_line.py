"""The command line: help at once, progress for people and for logs, and an end that says how it went."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rmod_pipeline import __version__, api, progress
from rmod_pipeline.cli import app
from rmod_pipeline.progress import pace
from tests.tiny_build import PATIENCE_SECONDS, RECIPE, start_rmod

Rmod = Callable[..., Any]

COMMANDS = [
    [],
    *([name] for name in ("build", "status", "verify", "report", "show", "render", "encode", "features", "decode")),
    *([name] for name in ("preview", "train", "evaluate", "extract", "import-pairs")),
    *([name] for name in ("library", "classify", "patterns", "recipe", "codec", "dose", "kit", "release")),
    *([group, name] for group in ("library", "patterns") for name in ("scan", "check")),
    *(["library", name] for name in ("near", "map", "organise", "harvest")),
    *(["classify", name] for name in ("list", "train", "compare")),
    *(["kit", name] for name in ("make", "play")),
    *(["recipe", name] for name in ("show", "check", "schema")),
    *(["codec", name] for name in ("list", "fetch", "show", "train")),
    *(["dose", name] for name in ("import",)),
    *(["release", name] for name in ("make", "verify")),
]

GROUPS = [[], ["library"], ["classify"], ["patterns"], ["recipe"], ["codec"], ["dose"], ["kit"], ["release"]]

# Pydantic is not among them: the command line's own library loads it where it is installed.
HEAVY = ("torch", "lightning", "ray", "librosa", "scipy", "pyarrow", "numba", "pedalboard", "soundfile", "numpy")


def test_every_command_is_listed_here() -> None:
    """So that the tests of help are about all of them."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    commands = [[command.name] for command in app.registered_commands]
    for name, group in groups.items():
        assert group is not None
        commands.append([name])
        for command in group.registered_commands:
            assert command.callback is not None
            commands.append([name, command.name or command.callback.__name__])
    assert sorted(commands) == sorted(COMMANDS[1:])


def test_help_of_every_command_loads_nothing_heavy() -> None:
    code = f"""
import sys
from rmod_pipeline.cli import app
for command in {COMMANDS!r}:
    try:
        app([*command, "--help"], prog_name="rmod")
    except SystemExit as end:
        assert end.code == 0, command
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr.strip() == "LOADED []"
    assert run.stdout.count("Usage: rmod") == len(COMMANDS)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in GROUPS])
@pytest.mark.parametrize("columns", [80, 160])
def test_help_fits_the_terminal_and_gives_an_example(command: list[str], columns: int, rmod: Rmod) -> None:
    said = rmod(*command, "--help", columns=columns)
    assert (
        f"rmod {' '.join(command)} " in said.out.partition("Options")[0].partition("Examples")[2]
        or "Example:" in said.out
    )
    assert max(map(len, said.out.splitlines())) <= columns
    assert not re.search("<bool>|<int", said.out), "a flag takes no value; a number has a name"


def recipe(folder: Path) -> Path:
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder / "tiny.yaml"


def test_a_log_gets_a_line_now_and_then(
    tiny_manifest: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody looks on there is no bar; the lines tell pairs, pace and time left."""
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    arguments = ["build", recipe(tmp_path), "--library", tiny_manifest, "--out", tmp_path / "out", "--pairs", "train=3"]
    said = rmod(*arguments)
    lines = said.err.splitlines()
    assert [line.split(" pairs,")[0] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"]
    assert all("pairs/s, " in line and line.endswith(" left") for line in lines)
    assert "\x1b" not in said.err
    assert "Built 3 pairs" in said.out


def test_a_log_is_not_flooded(tiny_manifest: Path, tmp_path: Path, rmod: Rmod) -> None:
    arguments = ["build", recipe(tmp_path), "--library", tiny_manifest, "--out", tmp_path / "out", "--pairs", "train=9"]
    assert rmod(*arguments).err == ""


@pytest.mark.parametrize(
    ("made", "missing", "seconds", "words"),
    [
        (0, 10, 5.0, ""),
        (10, 25, 5.0, "2.0 pairs/s, 0 min 12 s left"),
        (100, 20_000, 50.0, "2.0 pairs/s, 2 h 46 min left"),
        (10, 0, 5.0, "2.0 pairs/s, 0 min 00 s left"),
        (-1, 5, 1.0, ""),
    ],
)
def test_pace_is_told_once_there_is_one(made: int, missing: int, seconds: float, words: str) -> None:
    assert pace(made, missing, seconds) == words


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_gets_a_bar_that_fits(tiny_manifest: Path, tmp_path: Path, columns: int) -> None:
    arguments = [
        "build",
        recipe(tmp_path),
        "--library",
        tiny_manifest,
        "--out",
        tmp_path / "out",
        "--pairs",
        "train=100",
    ]
    shown = in_terminal([*arguments, "--workers", 2], columns)
    frames = [line for line in shown.replace("\r", "\n").split("\n") if "pairs/s" in line and "Built" not in line]
    assert frames, shown
    assert "100/100" in frames[-1]
    assert "left" in frames[-1]
    assert "Built 100 pairs" in shown


def in_terminal(arguments: list[object], columns: int) -> str:
    """Run `rmod` in a terminal of that width and return what it showed, without colours."""
    driver, terminal = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    run = subprocess.Popen(
        [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", *map(str, arguments)],
        stdout=terminal,
        stderr=terminal,
        env=environment,
    )
    os.close(terminal)
    shown = b""
    while select.select([driver], [], [], 60)[0]:
        try:
            part = os.read(driver, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert run.wait(timeout=PATIENCE_SECONDS) == 0
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


def test_show_sums_up_a_data_set(tiny_built: Path, rmod: Rmod) -> None:
    said = rmod("show", tiny_built)
    assert said.code == 0
    assert "recipe tiny, seed 0, engine fused, wav" in said.out
    assert "10 of 10" in said.out
    assert "2 of 2" in said.out
    assert "CC0-1.0" in said.out
    assert "(unknown)" in said.out
    assert "first pair: rmod show" in said.out
    assert "train-00000000" in said.out


def test_show_lists_keys_one_a_line(tiny_built: Path, rmod: Rmod) -> None:
    listed = rmod("show", tiny_built, "--keys").out.splitlines()
    assert listed == [f"train-{index:08d}" for index in range(10)] + ["valid-00000000", "valid-00000001"]


@pytest.mark.parametrize("columns", [80, 200])
def test_show_tells_a_pair_in_any_width(columns: int, tiny_built: Path, rmod: Rmod) -> None:
    said = rmod("show", tiny_built, "train-00000000", columns=columns)
    assert said.code == 0
    assert max(map(len, said.out.splitlines())) <= columns
    assert "kick" in said.out
    assert "master:" in said.out
    assert "…" not in said.out, "what is told is not cut"


def test_a_reader_that_leaves_early_is_no_error_to_talk_of(tiny_built: Path) -> None:
    run = start_rmod(["show", tiny_built, "train-00000000", "--json"])
    assert run.stdout is not None
    run.stdout.close()
    assert run.stderr is not None
    assert run.stderr.read() == ""
    assert run.wait(timeout=PATIENCE_SECONDS) == 0


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "file" / "cache"))
    said = rmod("build", "quick", "--library", "builtin", "--out", tmp_path / "out", "--pairs", "train=1")
    assert said.code == 2
    assert "file/cache" in said.err
    assert "RMOD_CACHE" in said.err
    assert not (tmp_path / "out").exists()


def test_the_first_use_of_the_built_in_kit_says_what_takes_so_long(
    tiny_manifest: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ensure(on_sound: Callable[[int, int], None], workers: int) -> Path:
        assert workers >= 1
        for done in (1, 2, 3):
            on_sound(done, 3)
        return tiny_manifest

    monkeypatch.setattr("rmod_pipeline.library.builtin_kit.ensure_builtin", ensure)
    monkeypatch.setattr("rmod_pipeline.library.scanning.resolve.load_library", lambda _name: None)
    api.open_library("builtin")
    assert capfd.readouterr().err == "Making the built-in kit, 3 sounds, once.\n"
    monkeypatch.setattr(
        "rmod_pipeline.library.builtin_kit.ensure_builtin",
        lambda on_sound, workers: on_sound and workers and tiny_manifest,
    )
    for on_terminal in (False, True):
        if on_terminal:
            monkeypatch.setenv("FORCE_COLOR", "1")
        api.open_library("builtin")
        found = capfd.readouterr().err
        assert "kit" not in found if on_terminal else not found, "nothing is made, so there is no bar either"


def test_a_log_gets_a_line_of_a_long_count(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    for shown in (True, False):
        with progress.rate_progress("Reading", shown=shown) as show:
            show(3, 10)
        assert capsys.readouterr().err.startswith("Reading: 3 of 10, ") == shown


def test_a_log_gets_a_line_of_a_long_extraction(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter(range(0, 999, 10))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    for shown in (True, False):
        with progress.extraction_progress(shown) as on_step:
            for done in (20, 40, 60, 80, 100):
                on_step("finding drums", done, 240)
            on_step("extracting", 5, 20)
        lines = capsys.readouterr().err.splitlines()
        assert lines == shown * [
            "finding drums: 60 of 240 s of song, 2.0 s of song/s, 1 min 30 s left",
            "extracting: 5 of 20 candidates, 0.5 candidates/s, 0 min 30 s left",
        ]


def test_the_version_is_one_line(rmod: Rmod) -> None:
    assert rmod("--version").out == f"rmod {__version__}\n"
