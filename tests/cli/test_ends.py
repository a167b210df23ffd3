"""How a command ends: its exit code, and what it says of a fault, of a stop and of a list that is too long."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from rmod_pipeline import api, cli
from rmod_pipeline.api import datasets
from rmod_pipeline.api.reports import _page_beside
from rmod_pipeline.cli.extract import _print_extraction
from rmod_pipeline.cli.shared.output import MOST_SHOWN, print_failures, print_summary
from rmod_pipeline.cli.show import _print_checked
from rmod_pipeline.cli.status import _print_failures
from rmod_pipeline.cli.verify import MOST_FINDINGS, _print_report, _print_rerendered
from rmod_pipeline.errors import RmodError, ShardError
from rmod_pipeline.inspection.findings import Finding, VerifyReport
from rmod_pipeline.pipeline.results import ShardFailure, WaitTimes
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.storage import StorePath

Rmod = Callable[..., Any]


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    """Run `rmod` with a command that does what the test says; return its exit code, and what it prints as an error."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(act: Callable[[], object]) -> tuple[object, str]:
        monkeypatch.setattr(cli, "app", lambda **_: act())
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, capsys.readouterr().err

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


def throw(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_a_fault_of_the_system_is_told_in_a_line(end: Callable[..., Any]) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert end(throw(full)) == (2, "Error: a file or the output: No space left on device\n"
                                   "  -> free space, or check the path and its permissions\n")  # fmt: skip
    code, said = end(throw(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "out/a.tar")))
    assert code == 2 and said.startswith("Error: out/a.tar: No space left on device")


def test_a_fault_of_the_code_keeps_its_traceback(end: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        end(throw(ZeroDivisionError()))


def test_a_stop_that_surfaces_as_another_error_is_a_stop(end: Callable[..., Any]) -> None:
    def act() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("half of a module") from None

    code, said = end(act)
    assert code == 130 and said.startswith("\nStopped. What is finished is kept")


@pytest.mark.parametrize("by_typer", [True, False])
def test_a_reader_that_has_gone_is_no_error(by_typer: bool, end: Callable[..., Any]) -> None:
    """Typer ends a command with 1 whose output breaks off."""

    def act() -> None:
        try:
            throw(BrokenPipeError(errno.EPIPE, "Broken pipe"))()
        except BrokenPipeError:
            if by_typer:
                sys.exit(1)
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "dup2", lambda *_: None)
        patch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)
        assert end(act) == (0, "")


def test_another_locale_is_left_for_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    monkeypatch.setattr(os, "execve", lambda *arguments: started.append(arguments))
    monkeypatch.delenv("PYTHONUTF8", raising=False)
    cli._use_utf8()
    ((program, arguments, environment),) = started
    assert (program, arguments) == (sys.executable, [sys.executable, *sys.orig_argv[1:]])
    assert environment["PYTHONUTF8"] == "1" and environment["PYTHONIOENCODING"].endswith(":replace")
    monkeypatch.setenv("PYTHONUTF8", "1")
    cli._use_utf8()
    assert len(started) == 1, "once"


def test_lists_end_with_the_number_of_what_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failures = [ShardFailure(shard=f"train-{number:06d}", cause="a fault") for number in range(MOST_SHOWN + 3)]
    print_failures(SimpleNamespace(failures=failures), tmp_path)  # type: ignore[arg-type]
    assert "  and 3 more: rmod status" in capsys.readouterr().err
    findings = [Finding(about=str(number), found="a fault") for number in range(MOST_FINDINGS + 2)]
    _print_report(tmp_path, VerifyReport(findings=findings))
    assert "  and 2 more\n" in capsys.readouterr().out
    failed = [SimpleNamespace(family="", key="", shard="a", time="", cause="")] * (MOST_SHOWN + 1)
    _print_failures(SimpleNamespace(failed=failed))  # type: ignore[arg-type]
    assert "  and 1 more: --json lists all" in capsys.readouterr().out


def test_a_summary_names_what_was_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summary: Any = SimpleNamespace(
        pairs={"train": 9}, bytes=1, made=9, seconds=1.0, failures=(), rejects=Counter(silent=3), absent=1,
        waits=WaitTimes(), bytes_by_family={},
    )  # fmt: skip
    print_summary(summary, tmp_path, "Made")
    said = capsys.readouterr().out
    assert "Rejected and drawn again: silent 3." in said and "1 keys stay absent" in said


def test_a_summary_names_the_size_of_each_of_several_families(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for sizes, words in (
        ({"audio": 2_000_000, "tokens/mini": 300_000, "features/mel": 400_000},
         ": audio 2.0 MB, tokens/mini 0.3 MB, features/mel 0.4 MB"),
        ({"features/mel": 2_700_000}, ""),
    ):  # fmt: skip
        summary: Any = SimpleNamespace(
            pairs={"train": 9}, bytes=2_700_000, made=0, seconds=1.0, failures=(), rejects={}, absent=0,
            waits=WaitTimes(), bytes_by_family=sizes,
        )  # fmt: skip
        print_summary(summary, tmp_path, "Made")
        assert capsys.readouterr().out.splitlines()[0] == f"{tmp_path}: 9 train; 2.7 MB{words}."


def test_a_check_says_if_the_specs_were_not_composed_again(capsys: pytest.CaptureFixture[str]) -> None:
    for recomposed in (True, False):
        result: Any = SimpleNamespace(differing={}, exact=True, rerendered=3, recomposed=recomposed)
        _print_rerendered(result)
        assert ("could not be composed again" in capsys.readouterr().out) != recomposed


def test_a_silent_extraction_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    best = SimpleNamespace(silent=True)
    extraction: Any = SimpleNamespace(
        notes=(), instruments=[SimpleNamespace(instrument="kick", best=best, candidates=[best] * 4)]
    )
    _print_extraction(extraction, {"kick": Path("kick.wav")})
    assert capsys.readouterr().err == "kick.wav: silent, as all 4 candidates are\n"


def test_a_pair_that_cannot_be_told_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys.modules["rmod_pipeline.cli.show"], "_print_pair", lambda pair: pair.members["json"])
    with pytest.raises(ShardError, match=r"train-00000000\.json: not the description of a pair"):
        _print_checked(StoredPair(key="train-00000000", members={}), tmp_path)


def test_a_page_is_opened_on_request(
    tiny_built: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(typer, "launch", opened.append)
    page = tmp_path / "page.html"
    for options in ((), ("--open",)):
        assert rmod("preview", tiny_built, "--pairs", 1, "--page", page, *options).code == 0
    assert opened == [page.as_uri()]


def test_a_recipe_goes_before_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert datasets._existing_folder("quick") is None and not caplog.text
    (tmp_path / "quick").mkdir()
    assert datasets._existing_folder("quick") is None
    assert "write ./quick for the folder" in caplog.text


def test_the_report_of_a_store_is_written_here() -> None:
    assert _page_beside(StorePath("memory://bucket/data")) == Path("data-report.html")


def test_what_a_training_needs_and_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rmod_pipeline.training.loop.trainer", None)
    with pytest.raises(RmodError, match=r"training: needs .* which is not installed"):
        api.train("tiny", data=tmp_path, out=tmp_path / "out")
