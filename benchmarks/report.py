"""Measure the time and the memory of a report: 20,000 pairs of index, 500 pairs of sound.

    python benchmarks/report.py

The figures of docs/lab/report.md. The specs of all pairs are composed, and rows with drawn levels and checksums go to
the index through the writer of a build. Only the pairs of the sample are rendered: no report reads the others. Each
report runs in a process of its own, also those over a quarter of the pairs and a fifth of the sample. Takes
some minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rmod_pipeline.api import open_library
from rmod_pipeline.compose import SplitAssets, compose_pair
from rmod_pipeline.inspection.report import make_report
from rmod_pipeline.inspection.report.sampling import choose_sample
from rmod_pipeline.inspection.sounds import make_sounds
from rmod_pipeline.pipeline.configure import configure_build
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import Pair, PairLevels, render_pair
from rmod_pipeline.render.measure import MixLevels, TargetLevels, TrackLevels
from rmod_pipeline.shards.fingerprint import claim_folder
from rmod_pipeline.shards.index import make_pair_row, write_index
from rmod_pipeline.shards.layout import ShardPlan, plan_shards
from rmod_pipeline.shards.members import encode_members
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.tar import TarWriter
from rmod_pipeline.spec import PairId, PairSpec
from rmod_pipeline.storage.process_identity import available_cores

SPLITS = {"train": 0.9, "valid": 0.05, "test": 0.05}


def make_job(out: Path, recipe: str, pairs: int) -> BuildJob:
    counts = {split: round(pairs * share) for split, share in SPLITS.items()}
    return configure_build(
        load_recipe(find_recipe(recipe)), open_library("builtin"), out, pairs=counts, shard_size=1000
    )


def receipt_of(job: BuildJob, plan: ShardPlan) -> Receipt:
    return Receipt(
        shard=plan.name, family="audio", fingerprint=job.digest, split=plan.split, first=plan.first, count=plan.count,
        pairs=plan.count, absent=(), rejects={}, files=(),
    )  # fmt: skip


def invent_levels(spec: PairSpec, rng: np.random.Generator) -> PairLevels:
    """Return levels as a mixture may have, for a pair that is not rendered."""
    loudness, peak, side = rng.normal(-10, 2), -abs(rng.normal(0, 0.3)), rng.normal(-9, 3)
    mix = MixLevels(
        peak_dbfs=peak, rms_dbfs=loudness - 2, lufs=loudness, side_mid_db=side,
        full_scale_share=abs(rng.normal(0, 1e-3)), mono_peak_dbfs=peak,
    )  # fmt: skip
    target = TargetLevels(peak_dbfs=peak, rms_dbfs=-15.0, seconds=rng.uniform(0.1, 1), mono_peak_dbfs=peak)
    track = TrackLevels(peak_dbfs=peak, rms_dbfs=-15.0, inserts_db=[], audible_db=rng.normal(-3, 2))
    targets = {drum.kind: target for drum in spec.targets}
    return PairLevels(mix=mix, targets=targets, tracks={each.kind: track for each in spec.tracks})


def make_data_set(job: BuildJob, sample: int) -> None:
    """Write the index of all pairs, and the tars of those that a report of this sample reads."""
    layout, rng = job.layout, np.random.default_rng(0)
    claim_folder(job.fingerprint, layout.build, layout.drafts)
    plans = plan_shards(job.counts, job.shard_size)
    receipts = [receipt_of(job, plan) for plan in plans]
    chosen = choose_sample(receipts, sample, job.digest)
    context, sounds = job.open(), make_sounds(job.library, job.recipe.sample_rate)
    names = [*(f"{kind}.wav" for kind in ("mix", *job.recipe.targets)), "mid", "json"]
    for plan, receipt in zip(plans, receipts, strict=True):
        assets, rows = SplitAssets.of(job.recipe, job.library, plan.split), []
        tar_path, index_path = Path(str(layout.tar(plan.name))), Path(str(layout.index(plan.name)))
        for path in (tar_path, index_path):
            path.parent.mkdir(parents=True, exist_ok=True)
        keys = frozenset(chosen.get(plan.name, ()))
        with TarWriter(tar_path) as tar:
            for index in plan.indices:
                pair_id = PairId(seed=job.seed, split=plan.split, index=index)
                spec = compose_pair(job.recipe, assets, context.settings, pair_id)
                if spec.key in keys:
                    pair = render_pair(spec, sounds)
                    members: Mapping[str, bytes] = encode_members(pair, job.library, job.storage)
                    tar.add(spec.key, members)
                else:
                    pair = Pair(spec=spec, mix=np.zeros((2, 0), np.int16), targets={}, tracks={},
                                measured=invent_levels(spec, rng))  # fmt: skip
                    members = {name: f"{spec.key} {name}".encode() for name in names}
                rows.append(make_pair_row(pair, members, job.library))
        write_index(rows, index_path)
        path = Path(str(layout.receipt(plan.name)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(receipt.to_json())
        print(f"{plan.name}: {plan.count} pairs, {len(keys)} of them rendered", file=sys.stderr)


def read_peak_kb() -> int:
    """Return the largest resident memory of this process so far; ``ru_maxrss`` would include its parent's."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found, "this benchmark needs Linux"
    return int(found[1])


def measure(out: Path, sample: int) -> None:
    """Print the time and the peak memory of one report, as JSON."""
    start = read_peak_kb()
    began = time.perf_counter()
    report = make_report(out, sample=sample)
    seconds = time.perf_counter() - began
    peak = read_peak_kb()
    size = len(json.dumps(report.to_dict()))
    content = {
        "pairs": sum(report.pairs.values()), "sample": sum(report.sample.pairs.values()), "seconds": seconds,
        "imports_mb": start / 1024, "peak_mb": peak / 1024, "draws": len(report.draws), "json_kb": size / 1024,
        "findings": [str(finding) for finding in report.findings],
    }  # fmt: skip
    print(json.dumps(content))


def run_measured(out: Path, sample: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--measure", str(out), "--sample", str(sample)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(result.stdout))


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    print(f"\n{available_cores()} cores in the machine, one used\n")
    print("| pairs of index | pairs of sound | time | peak memory | of it after the imports |")
    print("|---:|---:|---:|---:|---:|")
    for row in rows:
        peak, imports = float(str(row["peak_mb"])), float(str(row["imports_mb"]))
        seconds = float(str(row["seconds"]))
        print(f"| {row['pairs']:,} | {row['sample']:,} | {seconds:.1f} s | {peak:.0f} MB | {peak - imports:.0f} MB |")
    for row in rows:
        print(f"\n{row['pairs']:,} pairs: {row['draws']} draws, {row['json_kb']:.0f} kB of JSON, {row['findings']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="rmod")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=500)
    parser.add_argument("--measure", type=Path, help="measure a report on this data set alone")
    options = parser.parse_args()
    if options.measure:
        measure(options.measure, options.sample)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole, part = Path(folder) / "whole", Path(folder) / "part"
        make_data_set(make_job(part, options.recipe, options.pairs // 4), options.sample // 5)
        make_data_set(make_job(whole, options.recipe, options.pairs), options.sample)
        for out, sample in ((part, 0), (whole, 0), (part, options.sample // 5), (whole, options.sample)):
            rows.append(run_measured(out, sample))
    print_rows(rows)


if __name__ == "__main__":
    main()
