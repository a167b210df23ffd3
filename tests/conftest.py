"""Options of the test suite, and the fixtures that many tests share."""

from __future__ import annotations

import os
import random
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from rmod_pipeline.storage.process_identity import available_cores

# Examples drawn anew on every run would let a test fail because of somebody else's change.
settings.register_profile("rmod", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("rmod")

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.toml")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rmod")
    group.addoption("--shuffle", type=int, metavar="SEED", help="run modules, and the tests in each, in random order")
    group.addoption(
        "--strict-skips",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help=f"fail if a test is skipped that {ALLOWED_SKIPS.name} does not list; the default where CI is set",
    )
    group.addoption(
        "--long",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="run the tests marked long too; the default where CI is set",
    )


def pytest_configure(config: pytest.Config) -> None:
    is_xdist_worker = hasattr(config, "workerinput")
    if config.getoption("strict_skips") and not is_xdist_worker:
        config.pluginmanager.register(SkipCheck(ALLOWED_SKIPS), "rmod-skip-check")
    if not is_xdist_worker:
        config.pluginmanager.register(LitterCheck(config.rootpath), "rmod-litter-check")


def pytest_xdist_auto_num_workers() -> int:
    """Return one more process than there are cores, because many tests wait for processes of their own."""
    return available_cores() + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests unless they are asked for, and shuffle the others if that is."""
    long = [item for item in items if item.get_closest_marker("long") and not config.getoption("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    seed = config.getoption("shuffle")
    if seed is not None:
        _shuffle(items, seed)


def _shuffle(items: list[pytest.Item], seed: int) -> None:
    """Shuffle the tests. The tests of a module stay together, because they share fixtures that take long to make."""
    # By name first, so that the order depends on the seed alone.
    generator = random.Random(seed)
    modules = sorted({item.path for item in items})
    generator.shuffle(modules)
    rank = {path: number for number, path in enumerate(modules)}
    items.sort(key=lambda item: item.nodeid)
    generator.shuffle(items)
    items.sort(key=lambda item: rank[item.path])


class SkipCheck:
    """Fail the run if a test is skipped that the list of allowed skips does not name."""

    def __init__(self, allowed_skips: Path) -> None:
        with allowed_skips.open("rb") as file:
            self.allowed = tomllib.load(file)["allowed"]
        self.unexpected: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._check(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._check(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.unexpected:
            terminalreporter.section(f"skips that {ALLOWED_SKIPS.name} does not allow", red=True)
        for test, message in self.unexpected.items():
            terminalreporter.line(f"{test}: {message}", red=True)

    def _check(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        message = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        message = message.removeprefix("Skipped: ")
        if not any(fnmatchcase(report.nodeid, a["test"]) and message.startswith(a["message"]) for a in self.allowed):
            self.unexpected[report.nodeid] = message


class LitterCheck:
    """Fail the run if it leaves a file or folder in the root of the repository. Hidden ones may stay: caches."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.before = self._names()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._names() - self.before:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name in sorted(self._names() - self.before):
            terminalreporter.line(f"a test has left {self.root / name}", red=True)

    def _names(self) -> set[str]:
        return {path.name for path in self.root.iterdir() if not path.name.startswith(".")}


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this run: no test sees a user's, and all of its processes share the built-in kit."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "cache"
    before = os.environ.get("RMOD_CACHE")
    os.environ["RMOD_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["RMOD_CACHE"]
    else:
        os.environ["RMOD_CACHE"] = before


@pytest.fixture(scope="session")
def real_library_folder() -> Path:
    """A folder of real recordings: ``library.csv`` with columns path, kind, kit, and the files that it names."""
    name = os.environ.get("RMOD_REAL_LIBRARY")
    if not name:
        pytest.skip("RMOD_REAL_LIBRARY is not set")
    folder = Path(name)
    # A name that is wrong must not pass for none.
    assert (folder / "library.csv").is_file(), f"RMOD_REAL_LIBRARY is {name}, but there is no library.csv in it"
    return folder


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a library of 21 short sounds. Not to be changed: a test that must, makes its own."""
    from tests.tiny_build import make_library

    return make_library(tmp_path_factory.mktemp("tiny-library"))


@pytest.fixture(scope="session")
def tiny_built(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """A finished data set of 12 pairs. Not to be changed: a test that must, copies it."""
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from tests.tiny_build import make_job

    out = tmp_path_factory.mktemp("tiny-built") / "out"
    run_build(make_job(tiny_manifest, out), local_executor(1), BuildProgress())
    return out


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random codec at the rate of the small data set."""
    from tests.tiny_build import RATE
    from tests.tiny_codec import save_tiny

    return save_tiny(tmp_path_factory.mktemp("weights") / "tiny.pth", sample_rate=RATE)


@pytest.fixture(scope="session")
def tiny_tokens(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path, tiny_weights: Path) -> Path:
    """The data set of 12 pairs with tokens that were made while it was rendered. Not to be changed."""
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from tests.tiny_build import make_job
    from tests.tiny_codec import with_tokens

    out = tmp_path_factory.mktemp("tiny-tokens") / "out"
    run_build(with_tokens(make_job(tiny_manifest, out), tiny_weights), local_executor(1), BuildProgress())
    return out


@pytest.fixture(scope="session")
def tiny_features(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """The data set of 12 pairs with features that were made while it was rendered. Not to be changed."""
    from rmod_pipeline.pipeline.configure import add_features
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from tests.tiny_build import make_job

    out = tmp_path_factory.mktemp("tiny-features") / "out"
    run_build(add_features(make_job(tiny_manifest, out)), local_executor(1), BuildProgress())
    return out


@pytest.fixture(scope="session")
def by_heart(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A song, and models that know by heart what to extract from it: a `tiny_dose.World`. Not to be changed."""
    from tests.tiny_dose import make_world

    return make_world(tmp_path_factory.mktemp("by-heart"))


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def rmod(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    """Run `rmod` with arguments in this process."""
    from rmod_pipeline.cli import main

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: object, columns: int = 200) -> Said:
        monkeypatch.setattr(sys, "argv", ["rmod", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", str(columns))
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capfd.readouterr()
        return Said(code=int(end.value.code or 0), out=said.out, err=said.err)

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """A real S3 server on this machine."""
    from tests.local_store import Server

    server = Server()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty bucket; this process and those it starts find its server and its credentials in the environment."""
    from s3fs import S3FileSystem

    from rmod_pipeline.storage import requests
    from tests.local_store import CREDENTIALS, Bucket

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": s3_server.endpoint}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(requests, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(requests, "LONGEST_PAUSE_SECONDS", 0.01)
    S3FileSystem.clear_instance_cache()  # each keeps the environment that it was made in
    yield Bucket(s3_server)
    s3_server.fault = lambda _method, _path: None
    s3_server.cut = lambda _method, _path: False
    S3FileSystem.clear_instance_cache()
