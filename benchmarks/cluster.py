"""Measure what Ray costs beside the local executor, what a second worker gains, and the memory of the driver.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --recipe rmod --pairs 120 --shard-size 10 --turns 3

The figures of docs/lab/scaling.md. Empty shards show what an executor costs per shard; real shards take turns
over the same pairs. The start-up time of Ray is reported separately.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # a token would stay in the home folder

import ray

from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.encoding import EncodeBatch
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.executors.ray import RayExecutor
from rmod_pipeline.pipeline.jobs.base import Job, ShardMaker
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.run import open_folder, run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import Location

PAGE = os.sysconf("SC_PAGE_SIZE")


class EmptyShardMaker(ShardMaker):
    """Makes shards without contents, in no time."""

    waited = 0.0

    def is_done(self, plan: ShardPlan) -> bool:  # noqa: ARG002
        """Return False, so that every shard is made."""
        return False

    def make(self, plan: ShardPlan, on_pair: Callable[[], None]) -> Receipt:
        """Return the receipt of an empty shard."""
        for _ in plan.indices:
            on_pair()
        return Receipt(
            shard=plan.name, family="audio", fingerprint="", split=plan.split, first=plan.first, count=plan.count,
            pairs=plan.count, absent=(), rejects={}, files=(),
        )  # fmt: skip

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class EmptyJob(Job):
    """A job of empty shards, whose run time is that of the executor alone."""

    out: Path
    encoding: None = None
    window_families: tuple[()] = ()
    digest: str = ""

    @property
    def layout(self) -> Layout:
        """The layout of the folder."""
        return Layout(self.out)

    @property
    def families(self) -> dict[str, str]:
        """Audio only."""
        return {"audio": ""}

    def open(self, encode: EncodeBatch | None) -> ShardMaker:  # noqa: ARG002
        """Return a maker of empty shards."""
        return EmptyShardMaker()

    def required_files(self) -> list[Location]:
        """Return no files."""
        return []

    def missing_shards(self, plans: Sequence[ShardPlan]) -> list[ShardPlan]:
        """Return all shards."""
        return list(plans)


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        ray.init(address="local", num_cpus=2, log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        print(f"Ray starts in {time.monotonic() - start:.1f} s; load of the machine {os.getloadavg()[0]:.1f}\n")
        if not options.pairs_only:
            of_nothing(Path(folder), options)
            memory(Path(folder), options.memory_shards)
        of_pairs(Path(folder), options)
        ray.shutdown()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="rmod")
    parser.add_argument("--library", default="builtin")
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--shard-size", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shards", type=int, default=400, help="shards of nothing")
    parser.add_argument("--memory-shards", type=int, default=1000)
    parser.add_argument("--pairs-only", action="store_true")
    return parser.parse_args()


def executors() -> Iterator[tuple[str, int, Executor]]:
    for workers in (1, 2):
        yield "local", workers, local_executor(workers)
        yield "ray", workers, RayExecutor(workers=workers)


def of_nothing(folder: Path, options: argparse.Namespace) -> None:
    """Print the milliseconds per empty shard, after the first ones."""
    print("| executor | workers | ms per empty shard | most shards/s |")
    print("|---|---|---|---|")
    plans = [ShardPlan(split="train", number=i, first=i, count=1) for i in range(options.shards)]
    for name, workers, executor in executors():
        took = [steady(executor, plans, EmptyJob(folder / f"{name}{workers}{turn}")) for turn in range(options.turns)]
        ms = 1000 * statistics.median(took)
        print(
            f"| {name} | {workers} | {ms:.2f} ({1000 * min(took):.2f} .. {1000 * max(took):.2f}) | {1000 / ms:.0f} |",
            flush=True,
        )
    print()


def steady(executor: Executor, plans: Sequence[ShardPlan], job: EmptyJob) -> float:
    """Return the seconds per shard from the tenth to the last: without the start of workers."""
    times = [time.monotonic() for result in executor.run(plans, job, lambda _: None) if isinstance(result, Receipt)]
    return (times[-1] - times[9]) / (len(times) - 10)


def memory(folder: Path, shards: int) -> None:
    """Print the resident memory of the driver while it receives receipts."""
    plans = [ShardPlan(split="train", number=i, first=i, count=1) for i in range(shards)]
    samples = []
    results = RayExecutor(workers=2).run(plans, EmptyJob(folder / "memory"), lambda _: None)
    for count, _ in enumerate(results):
        if count % (shards // 5) == 10:
            samples.append(f"{count} shards {resident():.1f}")
    print(f"Driver, MB resident: {', '.join(samples)}, at the end {resident():.1f}\n", flush=True)


def resident() -> float:
    with contextlib.suppress(OSError):
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * PAGE / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def of_pairs(folder: Path, options: argparse.Namespace) -> None:
    """Print the pairs per second of real builds, from the first finished shard to the last."""
    job = BuildJob(
        recipe=load_recipe(find_recipe(options.recipe)), library=load_library(options.library), seed=0,
        counts={"train": options.pairs}, shard_size=options.shard_size, engine="pedalboard", audio_format="wav",
        stems=False, out=folder / "warm", cache=prepared_folder(), cache_bytes=4 * 2**30,
    )  # fmt: skip
    run_build(job, local_executor(2), BuildProgress())  # so that no shift in pitch is computed twice
    size = sum(path.stat().st_size for path in (folder / "warm").rglob("*") if path.is_file())
    plans = plan_shards(job.counts, job.shard_size)
    took: dict[tuple[str, int], list[float]] = {}
    for turn in range(options.turns):
        for name, workers, executor in executors():
            here = replace(job, out=folder / f"{name}-{workers}-{turn}")
            open_folder(here)
            took.setdefault((name, workers), []).append(pace(executor, plans, here, workers))
    of = f"{options.pairs} pairs in shards of {options.shard_size}, {size / options.pairs / 1e6:.2f} MB per pair"
    print(f"Recipe {options.recipe}, {of}; load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| executor | workers | pairs/s | times one local worker |")
    print("|---|---|---|---|")
    one = statistics.median(took["local", 1])
    for (name, workers), paces in took.items():
        middle = statistics.median(paces)
        print(f"| {name} | {workers} | {middle:.2f} ({min(paces):.2f} .. {max(paces):.2f}) | {middle / one:.2f} |")


def pace(executor: Executor, plans: Sequence[ShardPlan], job: BuildJob, workers: int) -> float:
    """Return the pairs per second between each worker's first shard and the last shard of all."""
    done = [
        (time.monotonic(), result.count)
        for result in executor.run(plans, job, lambda _: None)
        if isinstance(result, Receipt)
    ]
    start, counted = done[workers][0], done[workers + 1 :]
    return sum(count for _, count in counted) / (done[-1][0] - start)


if __name__ == "__main__":
    main()
