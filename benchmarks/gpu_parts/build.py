"""Part build: pairs per second of `rmod build` with tokens, who waits for whom, and whether the tokens are equal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gpu_parts.clock import RMOD, Clock, CommandResult, run_limited
from gpu_parts.encode import write_full_size
from gpu_parts.machine import GpuWatch
from gpu_parts.options import FULL_SIZE, Options
from gpu_parts.results import Results
from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.event_log import BEGIN, END, SHARD, read_events
from rmod_pipeline.shards.families import family_folders
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import read_receipt

TRIAL_SHARDS = 2
"""Shards per worker of the trial that measures the rate, and fills the cache of sounds."""

SAFETY = 0.6
"""Share of the pairs that the trial's rate promises which are asked for: a data set must be whole to be trained on."""

CHECK_SHARE = 0.3
"""Share of the part's time that is kept for the checks of equality."""

BUILDS = "Builds"


TESTS = ("test", "test-again", "test-audio")
"""Folders of the test pairs: as they are built, a second time, and their audio, to be encoded alone."""


def list_measured(options: Options) -> list[str]:
    """Return the names in the working folder under which this part makes what it measures."""
    folders = (folder(options, codec).name for codec in options.codecs for folder in (_built_folder, _trial_folder))
    return [*folders, *TESTS, options.weights.name]


def run_build_part(options: Options, results: Results, clock: Clock) -> None:
    """Build with each codec, then the test pairs, twice and from their audio."""
    builder = Builder(options, results)
    for number, codec in enumerate(options.codecs):
        rest = len(options.codecs) - number
        builder.measure(codec, clock.share((1 - CHECK_SHARE) / rest if rest > 1 else 1 - CHECK_SHARE))
    builder.check_equal(clock)


def data_folder(options: Options) -> Path:
    """Return the folder of the pairs to train DOSE on."""
    return options.data or _built_folder(options, options.codecs[-1])


def _built_folder(options: Options, codec: str) -> Path:
    return options.work / f"data-{Path(codec).stem}"


def _trial_folder(options: Options, codec: str) -> Path:
    return options.work / f"trial-{Path(codec).stem}"


def evaluation_folder(options: Options) -> Path:
    """Return the folder of the pairs to evaluate on, of kits that no training has."""
    return options.test or options.work / TESTS[0]


class Builder:
    """Runs `rmod build` and `rmod encode`."""

    def __init__(self, options: Options, results: Results) -> None:
        self.options, self.results, self.sizes = options, results, options.sizes

    def measure(self, codec: str, clock: Clock) -> None:
        """Build as many pairs of tokens as the time allows, and record the rate."""
        out, count = _built_folder(self.options, codec), self.sizes.train_pairs
        if count is None:
            trial = _trial_folder(self.options, codec)
            shards = TRIAL_SHARDS * self.options.workers
            ran = self.build(trial, f"train={shards * self.sizes.shard_size}", codec, clock, "--no-audio")
            rate = summarize(trial, self.options.workers).get("pairs/s")
            if ran.stopped or not rate:
                self.results.skip(f"build with {codec}", f"the trial of {shards} shards took all of its time")
                return
            count = max(round(SAFETY * clock.left * rate / self.sizes.shard_size), shards) * self.sizes.shard_size
        pairs = f"valid={self.sizes.valid_pairs},train={count}"
        with GpuWatch(self.options.device) as watch:
            ran = self.build(out, pairs, codec, clock, "--no-audio")
        row: dict[str, Any] = {"codec": codec, "workers": self.options.workers, **summarize(out, self.options.workers)}
        if self.options.device == "cuda":
            row["GPU busy"] = f"{watch.mean:.0f} %" if watch.mean is not None else watch.why_not() or "no answer"
        if "pairs/s" in row:
            row["hours for a million pairs"] = 1e6 / row["pairs/s"] / 3600
        self.results.row(BUILDS, row)
        if ran.stopped:
            self.results.skip(f"the rest of the build with {codec}", f"its time was over after {row['pairs']} pairs")

    def check_equal(self, clock: Clock) -> None:
        """Build the test pairs with audio and tokens, a second time, and encode the audio of the first alone."""
        codec = self.options.codecs[-1]
        pairs = f"test={self.sizes.test_pairs},train={self.sizes.reference_pairs}"
        first, second, third = (self.options.work / name for name in TESTS)
        for out in (first, second):
            ran = self.build(out, pairs, codec, clock, "--format", "flac")
            if ran.stopped:
                self.results.skip(f"the test pairs in {out.name}", "no time left")
                return
        self.results.figure("tokens equal to those of a second build", have_equal_tokens(first, second))
        shutil.copytree(first, third, ignore=shutil.ignore_patterns("tokens", "log"), dirs_exist_ok=True)
        ran = self.run(["encode", third, *self.encoder_options(codec), "--workers", self.options.workers], clock)
        if ran.stopped:
            self.results.skip("tokens equal to those of `rmod encode`", "no time left")
            return
        self.results.figure("tokens equal to those of `rmod encode`", have_equal_tokens(first, third))

    def build(self, out: Path, pairs: str, codec: str, clock: Clock, *more: object) -> CommandResult:
        """Run `rmod build`."""
        command = [
            "build", self.sizes.recipe, "--library", self.options.library, "--out", out, "--pairs", pairs,
            "--shard-size", self.sizes.shard_size, "--workers", self.options.workers, "--engine", "fused",
            *self.encoder_options(codec), *more,
        ]  # fmt: skip
        return self.run(command, clock)

    def encoder_options(self, codec: str) -> tuple[object, ...]:
        """Return the options that say how to encode."""
        weights = write_full_size(self.options.weights, self.sizes.dac) if codec == FULL_SIZE else codec
        return ("--codec", weights, "--device", self.options.device)

    def run(self, arguments: list[Any], clock: Clock) -> CommandResult:
        """Run `rmod` for at most the time left. Raises BuildError, with what it printed, if it fails."""
        ran = run_limited([*RMOD, *arguments], clock.left)
        if ran.code and not ran.stopped:
            words = " ".join(str(word) for word in arguments[:2])
            raise BuildError(f"rmod {words}", f"ended with {ran.code}: {ran.output[-800:]}", "mend this first")
        return ran


def summarize(out: Path, workers: int) -> dict[str, Any]:
    """Return pairs, rates and wait times of the latest run in a data set, from its log.

    The steady rate leaves out the first shard of each worker: it contains the start of processes and encoders.
    """
    events = read_events(Layout(out).log)
    begins = [place for place, event in enumerate(events) if event["event"] == BEGIN]
    events = events[begins[-1] :] if begins else []
    shards = [event for event in events if event["event"] == SHARD]
    pairs = sum(int(event["pairs"]) for event in shards)
    found: dict[str, Any] = {"pairs": pairs}
    if shards:
        whole = _seconds_between(events[0], shards[-1])
        found["pairs/s, start included"] = pairs / whole if whole else 0.0
    steady = shards[workers:]
    seconds = _seconds_between(shards[workers - 1], shards[-1]) if steady else 0.0
    if seconds:
        found["pairs/s"] = sum(int(event["pairs"]) for event in steady) / seconds
    end = next((event for event in events if event["event"] == END), None)
    return {**found, **(describe_waits(end["waits"]) if end else {})}


def describe_waits(waits: Mapping[str, float]) -> dict[str, str]:
    """Return the share of their time that workers waited for encoders, and encoders for workers."""
    shares = {}
    for name, part, whole in (
        ("workers waited for encoders", "for_encoders", "workers"),
        ("encoders waited for workers", "for_workers", "encoders"),
    ):
        shares[name] = f"{waits[part] / waits[whole]:.0%}" if waits[whole] else "none there"
    return shares


def have_equal_tokens(one: Path, other: Path) -> bool:
    """Return whether two data sets have tokens, and the same."""
    checksums = read_checksums(one)
    return bool(checksums) and checksums == read_checksums(other)


def read_checksums(out: Path) -> dict[str, str]:
    """Return the SHA-256 of each tar of tokens in a data set, by path."""
    layout = Layout(out)
    folders = [folder for folder in family_folders(out) if folder.startswith("tokens/")]
    receipts = [read_receipt(path) for folder in folders for path in layout.receipts(folder)]
    return {file.path: file.sha256 for receipt in receipts for file in receipt.files}


def _seconds_between(first: Mapping[str, Any], last: Mapping[str, Any]) -> float:
    begin, end = (datetime.fromisoformat(event["time"]) for event in (first, last))
    return (end - begin).total_seconds()
