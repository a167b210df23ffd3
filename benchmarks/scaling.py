"""Simulate how many pairs per second a number of cores and GPUs make, what limits them, and what a million pairs cost.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --render-ms 149 --check 6.71 13.04

A simulation, shard by shard: every core renders, then waits for its tokens and for the disk, and the driver takes the
receipt. Costs are given as options; the defaults are those of docs/lab/scaling.md, which says which were measured. With
--check, the results are compared with the pairs per second of real builds with one and two workers.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

CORES = (1, 2, 4, 16, 64, 256, 1000)
GPUS = (0, 1, 4, 16)
PUTS = 5
"""Requests per shard: lease, tar, index, receipt, release of the lease."""
MILLION = 1_000_000
PAGE = Path(__file__).parents[1] / "docs" / "lab" / "scaling.md"
BEGIN, END = "<!-- written by benchmarks/scaling.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs in seconds, bytes and dollars."""

    render_s: float
    """Time to make a pair on one core."""
    write_s: float
    """Additional time to store a pair in a format."""
    pair_bytes: float
    shard_pairs: int
    shard_s: float
    """Time of the driver per shard."""
    storage_bytes_s: float
    gpu_pairs_s: float
    """Pairs per second that one GPU encodes; 0 for a build of audio."""
    batch_bytes: float
    """Bytes per pair that are sent to the encoder."""
    network_bytes_s: float
    """Bytes per second into a machine with four GPUs."""
    core_hour: float
    gpu_hour: float
    put_s: float = 0.0
    """Time per shard that a core waits for the answers of an object store."""
    storage_cores: int = 0
    """Cores of a machine, which share its connection to storage; 0 if all cores share one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a simulated build."""

    pairs_s: float
    limit: str
    dollars: float
    """Price of a million pairs."""


def main() -> None:
    options = parse()
    base = Costs(
        render_s=options.render_ms / 1000, write_s=0.0, pair_bytes=options.wav_mb * 1e6, shard_pairs=options.shard_size,
        shard_s=options.shard_ms / 1000, storage_bytes_s=options.storage_mb_s * 1e6, gpu_pairs_s=0.0,
        batch_bytes=options.batch_mb * 1e6, network_bytes_s=options.network_mb_s * 1e6,
        core_hour=options.core_hour, gpu_hour=options.gpu_hour,
    )  # fmt: skip
    if options.check:
        check(base, options.check)
        return
    forms = {
        "WAV": base,
        "WAV to an object store": replace(
            base,
            storage_bytes_s=options.network_mb_s * 1e6,
            storage_cores=options.machine_cores,
            put_s=PUTS * options.put_ms / 1000 + options.shard_size * options.wav_mb / options.put_mb_s,
        ),
        "FLAC": replace(base, pair_bytes=options.flac_mb * 1e6, write_s=options.flac_ms / 1000),
        "tokens of `mini`, on the cores": replace(
            base, pair_bytes=options.token_kb * 1e3, write_s=options.mini_ms / 1000
        ),
        "tokens of `dac-44khz`, on GPUs": replace(
            base, pair_bytes=options.token_kb * 1e3, gpu_pairs_s=options.gpu_pairs_s
        ),
    }
    lines = [line for form, costs in forms.items() for line in report(form, costs)]
    lines.append(f"\nThe driver alone would take {base.shard_pairs / base.shard_s:,.0f} pairs/s.")
    print("\n".join(lines))
    if options.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        section = BEGIN + "\n".join(lines) + "\n\n" + END
        PAGE.write_text(before + section + rest.split(END)[1], encoding="utf-8")


def report(form: str, costs: Costs) -> Iterator[str]:
    """Yield the lines of a table of one form of pairs."""
    yield f"\n**{form}**: {costs.pair_bytes / 1e6:.3f} MB per pair\n"
    gpus = GPUS[1:] if costs.gpu_pairs_s else GPUS[:1]
    yield "| cores | " + " | ".join(f"{count} GPU" if count else "pairs/s" for count in gpus) + " |"
    yield "|---|" + "---|" * len(gpus)
    for cores in CORES:
        cells = []
        for count in gpus:
            outcome = simulate(costs, cores, count)
            cells.append(f"{outcome.pairs_s:,.3g} ({outcome.limit}), {outcome.dollars:,.2g} $")
        yield f"| {cores} | " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--render-ms", type=float, default=8.8, help="per pair, on one core")
    parser.add_argument("--wav-mb", type=float, default=0.96)
    parser.add_argument("--flac-mb", type=float, default=0.72)
    parser.add_argument("--flac-ms", type=float, default=6.5, help="more than WAV, per pair")
    parser.add_argument("--token-kb", type=float, default=22.0)
    parser.add_argument("--shard-size", type=int, default=100)
    parser.add_argument("--shard-ms", type=float, default=5.0, help="of the driver, per shard")
    parser.add_argument("--storage-mb-s", type=float, default=1000.0)
    parser.add_argument(
        "--machine-cores", type=int, default=64, help="cores that share a connection to an object store"
    )
    parser.add_argument("--put-ms", type=float, default=50.0, help="latency of an object store")
    parser.add_argument("--put-mb-s", type=float, default=90.0, help="of one upload")
    parser.add_argument("--mini-ms", type=float, default=45.4, help="tokens of a pair by `mini` on one core")
    parser.add_argument("--gpu-pairs-s", type=float, default=735.0)
    parser.add_argument("--batch-mb", type=float, default=1.2)
    parser.add_argument("--network-mb-s", type=float, default=1250.0)
    parser.add_argument("--core-hour", type=float, default=0.04)
    parser.add_argument("--gpu-hour", type=float, default=3.0)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    parser.add_argument("--check", type=float, nargs="*", help="pairs/s measured with 1, 2, ... workers")
    return parser.parse_args()


def simulate(costs: Costs, cores: int, gpus: int = 0) -> Outcome:
    """Simulate twelve shards per core; return the pace between the first and the last quarter of the shards."""
    shards = max(40, 12 * cores)
    servers = {"storage": 0.0, "driver": 0.0, "GPUs": 0.0, "network": 0.0}
    busy = dict.fromkeys(servers, 0.0)
    connections = -(-cores // costs.storage_cores) if costs.storage_cores else 1
    service = {
        "storage": costs.shard_pairs * costs.pair_bytes / (costs.storage_bytes_s * connections),
        "driver": costs.shard_s,
        "GPUs": costs.shard_pairs / (costs.gpu_pairs_s * gpus) if gpus else 0.0,
        "network": costs.shard_pairs * costs.batch_bytes / (costs.network_bytes_s * -(-gpus // 4)) if gpus else 0.0,
    }
    own = costs.shard_pairs * (costs.render_s + costs.write_s) + costs.put_s
    # The times of shards differ: they are spread evenly between 90 and 110 per cent, by number.
    free = [own * core / cores for core in range(cores)]
    heapq.heapify(free)
    done: list[float] = []
    for number in range(shards):
        start = heapq.heappop(free)
        end = rendered = start + own * (0.9 + 0.2 * (number * 7919 % 97) / 96)
        if gpus:
            # A shard is encoded while it is rendered, so it ends no sooner than the shards before it in the queue.
            for name in ("network", "GPUs"):
                servers[name] = max(servers[name], rendered - own) + service[name]
                busy[name] += service[name]
                end = max(end, servers[name])
        for name in ("storage", "driver"):
            servers[name] = max(servers[name], end) + service[name]
            busy[name] += service[name]
            end = servers[name]
            if name == "storage":
                heapq.heappush(free, end)  # no core waits for the driver
        done.append(end)
    done.sort()
    first, last = len(done) // 4, len(done) * 3 // 4
    pace = (last - first) * costs.shard_pairs / (done[last] - done[first])
    share = {name: seconds / done[-1] for name, seconds in busy.items()}
    worst = max(share, key=lambda name: share[name])
    hours = MILLION / pace / 3600
    limit = worst if share[worst] > 0.8 else "cores"
    return Outcome(pairs_s=pace, limit=limit, dollars=hours * (cores * costs.core_hour + gpus * costs.gpu_hour))


def check(costs: Costs, measured: list[float]) -> None:
    """Compare real builds with the simulation."""
    print("| workers | pairs/s measured | simulated | difference |")
    print("|---|---|---|---|")
    for workers, real in enumerate(measured, 1):
        simulated = simulate(costs, workers).pairs_s
        print(f"| {workers} | {real:.2f} | {simulated:.2f} | {simulated / real - 1:+.0%} |")


if __name__ == "__main__":
    main()
