"""Measure everything about the speed of pairs in one run, and write it to docs/lab/performance.md.

    python benchmarks/performance.py --library lib.csv [--pairs 24] [--repeats 3] [--write]

`make bench` runs it. All ways to make pairs take turns over the same specs. Peers are measured where they are
installed: `pip install audiomentations fluxion-dsp`, and pymixconsole from its repository. scaper is not: one of the
packages that it needs, soxbindings, could not be built.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from render import (
    SAMPLE_RATE,
    STAGE_NAMES,
    Bench,
    Clock,
    check_alike,
    script_pair,
    spread,
)

from rmod_pipeline.audio import Audio, from_pcm
from rmod_pipeline.codec import open_codec
from rmod_pipeline.effects import CONSOLE, EFFECTS, FUSED, PEDALBOARD, Effect
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.delay import Delay
from rmod_pipeline.effects.engines.fused.engine import Chains as DryChains
from rmod_pipeline.effects.engines.fused.engine import PairChains, mix_chains
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.shard import RENDERED_TOGETHER
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import Pair, Sounds, render_pairs
from rmod_pipeline.render.pair import render_loop, render_one_shot
from rmod_pipeline.render.tracks import render_drum_loop
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.spec import PairSpec

PAGE = Path(__file__).parents[1] / "docs" / "lab" / "performance.md"
BEGIN, END = "<!-- written by benchmarks/performance.py -->\n", "<!-- end -->\n"
ROUNDS, START_SECONDS = 20, 30.0
"""How often a worker process renders the pairs, and how long it may take to get ready."""
SCRIPT, MENTIONS = "a straightforward script", "audiomentations"


def try_import(name: str) -> Any:
    """Return a module, or None if it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Ways:
    """The ways to make pairs, which take turns."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench, self.folder = bench, folder
        self.engines = [PEDALBOARD, FUSED, *([CONSOLE] if try_import("pymixconsole") else [])]
        # Each way has its own memory, and all share the cache on disk, as the workers of a machine do.
        self.sounds: dict[str, Sounds] = defaultdict(lambda: bench.sounds(folder / "prepared"))
        self.codec = open_codec("mini", device="cpu")

    def make(self, name: str, indices: Sequence[int]) -> list[Pair]:
        """Make pairs from their addresses to the bytes in the tar. name: engine and format."""
        engine, form = name.split(", ")
        specs = [self.bench.spec(index).with_engine(engine) for index in indices]
        pairs = render_pairs(specs, self.sounds[name], keep_tracks=False)
        for pair in pairs:
            if form == "tokens alone":
                for sound in (pair.mix, *pair.targets.values()):
                    self.codec.encode(from_pcm(sound).mean(axis=0)[None])
            else:
                encode_members(pair, self.bench.library, AudioStorage(audio_format=form))
        return pairs

    def peer_audiomentations(self, specs: Sequence[PairSpec]) -> None:
        """Augment each dry track by an equaliser, a high-pass and a gain, and sum the tracks.

        There is no reverb, delay, compressor or limiter, and nothing is written: it does less.
        """
        peer = importlib.import_module("audiomentations")
        augment = peer.Compose([peer.SevenBandParametricEQ(p=1.0), peer.HighPassFilter(p=1.0), peer.Gain(p=1.0)])
        for spec in specs:
            total = np.zeros((2, spec.settings.frames), np.float32)
            for dry in dry_tracks(spec, self.sounds[MENTIONS]):
                stereo = np.repeat(dry, 2, axis=0) if len(dry) == 1 else dry
                total += augment(samples=np.ascontiguousarray(stereo), sample_rate=SAMPLE_RATE)

    def turns(self, specs: Sequence[PairSpec], repeats: int) -> list[dict[str, float]]:
        """Return the processor time per pair, in ms, of each way and turn."""
        names = [f"{engine}, {form}" for engine in self.engines for form in ("wav", "flac")]
        names.append(f"{FUSED}, tokens alone")
        found = []
        for turn in range(-1, repeats):  # the first is not counted: it fills the caches
            times: dict[str, float] = defaultdict(float)
            for start in range(0, len(specs), RENDERED_TOGETHER):
                group = specs[start : start + RENDERED_TOGETHER]
                reference: list[Pair] = []
                for name in names:
                    begin = time.process_time()
                    made = self.make(name, [spec.address.index for spec in group])
                    times[name] += time.process_time() - begin
                    reference = reference or made
                for spec, pair in zip(group, reference, strict=True):
                    begin = time.process_time()
                    mix = script_pair(spec, self.bench.library, self.folder)
                    times[SCRIPT] += time.process_time() - begin
                    check_alike(pair, mix)
                if try_import("audiomentations"):
                    begin = time.process_time()
                    self.peer_audiomentations(group)
                    times[MENTIONS] += time.process_time() - begin
            if turn >= 0:
                found.append({name: 1000 * seconds / len(specs) for name, seconds in times.items()})
        return found


def dry_tracks(spec: PairSpec, sounds: Sounds) -> list[Audio]:
    """Return the dry tracks of a pair."""
    drums = [
        render_drum_loop(render_one_shot(drum, sounds, spec.settings), drum.notes, spec.settings) for drum in spec.drums
    ]
    return [*drums, *(render_loop(loop, sounds, spec.settings) for loop in spec.loops)]


def report_ways(turns: Sequence[dict[str, float]]) -> Iterator[str]:
    yield "| method | ms per pair | pairs/s on one core | times as fast as the script | as pedalboard, wav |"
    yield "|---|---|---|---|---|"
    for name in sorted(turns[0], key=lambda name: -statistics.median(turn[name] for turn in turns)):
        ms = [turn[name] for turn in turns]
        rate = 1000 / statistics.median(ms)
        script = [turn[SCRIPT] / turn[name] for turn in turns]
        own = [turn[f"{PEDALBOARD}, wav"] / turn[name] for turn in turns]
        yield f"| {name} | {spread(ms, '.1f')} | {rate:.1f} | {spread(script, '.2f')} | {spread(own, '.2f')} |"
    missing = [name for name in (MENTIONS, "pymixconsole") if not try_import(name)]
    if missing:
        yield ""
        yield f"Not installed, so not measured: {', '.join(missing)}."


def report_stages(bench: Bench, sounds: Sounds, specs: Sequence[PairSpec], repeats: int) -> Iterator[str]:
    """Yield the time of each stage of both engines, with everything cached."""
    times: dict[str, list[dict[str, float]]] = {PEDALBOARD: [], FUSED: []}
    indices = [spec.address.index for spec in specs]
    for _ in range(repeats):
        for engine, found in times.items():
            clock = Clock()
            with clock.inside_render():
                for start in range(0, len(indices), RENDERED_TOGETHER):
                    bench.pipeline(indices[start : start + RENDERED_TOGETHER], sounds, clock, "all", engine)
            found.append({stage: 1000 * seconds / len(specs) for stage, seconds in clock.seconds.items()})
    yield "| stage | pedalboard, ms per pair | share | fused, ms per pair | share |"
    yield "|---|---|---|---|---|"
    for stage in (*STAGE_NAMES, "all"):
        cells = []
        for found in times.values():
            median = statistics.median(turn.get(stage, 0.0) for turn in found)
            whole = statistics.median(turn["all"] for turn in found)
            cells.append(f"{median:.2f} | {median / whole:.0%}" if median else " | ")
        yield f"| {stage} | {' | '.join(cells)} |"


def render_some(library: str, recipe: str, folder: str, count: int, start: float) -> tuple[float, int]:
    """Render pairs in a worker process from a time on; return when they are done, and the memory of the process."""
    with tempfile.TemporaryDirectory() as out:
        bench = Bench(load_recipe(find_recipe(recipe)), load_library(library), Path(out))
        sounds = bench.sounds(Path(folder))
        groups = [range(first, min(first + RENDERED_TOGETHER, count)) for first in range(0, count, RENDERED_TOGETHER)]
        for group in groups[:2]:
            bench.pipeline(group, sounds, Clock(), "warm", FUSED)
        if time.time() > start:
            raise RuntimeError(f"a process was not ready within {START_SECONDS:g} s")
        time.sleep(start - time.time())
        for _ in range(ROUNDS):
            for group in groups:
                bench.pipeline(group, sounds, Clock(), "all", FUSED)
        return time.time(), memory_bytes()


def memory_bytes() -> int:
    """Return the memory of this process that no other shares, in bytes; Linux alone."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return 1024 * int(line.split()[1])
    return 0


def report_processes(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Yield the pairs per second of one process and of two, in turns, and their memory."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    memory: dict[int, float] = {}
    for _ in range(options.repeats):
        for processes, found in rates.items():
            with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
                start = time.time() + START_SECONDS
                arguments = (options.library, options.recipe, str(folder / "prepared"), options.pairs, start)
                waiting = [pool.submit(render_some, *arguments) for _ in range(processes)]
                results = [each.result() for each in waiting]
            found.append(processes * ROUNDS * options.pairs / (max(end for end, _ in results) - start))
            memory[processes] = max(size for _, size in results) / 1e6
    yield "| processes | pairs/s, together | times as many | private memory per process, MB |"
    yield "|---|---|---|---|"
    for processes, found in rates.items():
        ratios = [many / one for many, one in zip(found, rates[1], strict=True)]
        yield f"| {processes} | {spread(found, '.1f')} | {spread(ratios, '.2f')} | {memory[processes]:.0f} |"


def report_start(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Yield how long the command takes for one pair, on a machine that has built before."""
    command = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", "build", options.recipe]
    command += ["--library", options.library, "--pairs", "train=1", "--workers", "1"]
    seconds = []
    for number in range(4):
        begin = time.monotonic()
        subprocess.run([*command, "--out", str(folder / f"one-{number}")], check=True, capture_output=True)
        seconds.append(time.monotonic() - begin)
    took = spread(seconds[1:], ".1f")
    yield f"`rmod build` of one pair takes {took} s from the command to its end, after an earlier build."


EFFECT_CASES: dict[str, tuple[Effect, Callable[[Any], Any] | None]] = {
    "equalizer, 4 bands": (
        Equalizer(bands=tuple(Band(shape="peak", hz=100.0 * 4**n, gain_db=4.0, q=1.0) for n in range(4))),
        lambda fluxion: (
            fluxion.filter.Peaking(100, 4, 1)
            | fluxion.filter.Peaking(400, 4, 1)
            | fluxion.filter.Peaking(1600, 4, 1)
            | fluxion.filter.Peaking(6400, 4, 1)
        ),
    ),
    "filter": (Filter(passes="low", hz=2000.0), lambda fluxion: fluxion.filter.Lowpass(2000, 1)),
    "compressor": (Compressor(threshold_db=-30.0, ratio=4.0, attack_ms=5.0, release_ms=80.0), None),
    "limiter": (Limiter(threshold_db=-12.0, release_ms=100.0), lambda fluxion: fluxion.effect.Limiter()),
    "reverb": (Reverb(room=0.5, damping=0.5, width=1.0), lambda fluxion: fluxion.effect.Reverb(0.5, 0.5, 1.0)),
    "delay": (Delay(seconds=0.3, feedback=0.4), lambda fluxion: fluxion.effect.Echo(0.3, 0.4, 1.0)),
}
"""Effects, and how fluxion-dsp makes one of the kind, which need not sound the same."""


def apply_each(apply: Callable[[Audio], Any], sounds: Sequence[Audio]) -> None:
    """Apply an effect to each sound."""
    for sound in sounds:
        apply(sound)


def apply_pedalboard(effect: Effect, sound: Audio) -> Audio:
    """Apply an effect by pedalboard."""
    return EFFECTS[effect.effect].engines[PEDALBOARD](sound, effect, SAMPLE_RATE)


def call_peer(made: Any, sound: Audio) -> Any:
    """Apply an effect of fluxion-dsp."""
    return made(sound, SAMPLE_RATE)


def report_effects(repeats: int) -> Iterator[str]:
    """Yield the time of each effect on 4 s of stereo, of which the fused engine takes eight at a time."""
    fluxion, together = try_import("fluxion"), 8
    rng = np.random.default_rng(0)
    sounds = [(0.2 * rng.standard_normal((2, 4 * SAMPLE_RATE))).astype(np.float32) for _ in range(together)]
    yield "| effect, 4 s of stereo | pedalboard, ms | fused, ms | times as fast | fluxion-dsp, ms |"
    yield "|---|---|---|---|---|"
    for name, (effect, peer) in EFFECT_CASES.items():
        chains = [PairChains([DryChains(sound, [effect], []) for sound in sounds], [])]
        empty = [PairChains([DryChains(sound, [], []) for sound in sounds], [])]
        ways: dict[str, Callable[[], Any]] = {
            "pedalboard": partial(apply_each, partial(apply_pedalboard, effect), sounds),
            "fused": partial(mix_chains, chains, SAMPLE_RATE, keep_tracks=False),
            "nothing": partial(mix_chains, empty, SAMPLE_RATE, keep_tracks=False),
        }
        if fluxion and peer:
            ways["peer"] = partial(apply_each, partial(call_peer, peer(fluxion)), sounds)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(-1, 2 * repeats):
            for way, run in ways.items():
                begin = time.process_time()
                run()
                if turn >= 0:
                    times[way].append(1000 * (time.process_time() - begin) / together)
        own = [max(one - other, 0.001) for one, other in zip(times["fused"], times["nothing"], strict=True)]
        ratios = [one / other for one, other in zip(times["pedalboard"], own, strict=True)]
        other = spread(times["peer"], ".2f") if "peer" in times else ""
        board = spread(times["pedalboard"], ".2f")
        yield f"| {name} | {board} | {spread(own, '.2f')} | {statistics.median(ratios):.1f} | {other} |"
    if not fluxion:
        yield "\nfluxion-dsp is not installed, so it was not measured."


def report_floor(bench: Bench, specs: Sequence[PairSpec], fused_ms: float) -> Iterator[str]:
    """Yield the operations of the effects of a pair, and the least time that they would take on this core."""
    frames = bench.settings.frames
    total = 0.0
    for spec in specs:
        for track in spec.tracks:
            for effects in (track.inserts, *(send.effects for send in track.sends)):
                total += sum(count_operations(effect) for effect in effects) * frames
        total += sum(count_operations(effect) for effect in spec.master) * frames
    per_pair = total / len(specs)
    rate, bandwidth = measure_peak_flops(), measure_bandwidth()
    # Each track and send is read and written once as float, and the mixture is written in 16 bit.
    rows = statistics.mean(2 * sum(1 + len(track.sends) for track in spec.tracks) + 2 for spec in specs)
    traffic = rows * 2 * 4 * frames
    compute_ms, memory_ms = 1000 * per_pair / rate, 1000 * traffic / bandwidth
    distance = fused_ms / max(compute_ms, memory_ms)
    yield (
        f"The effects of a pair are {per_pair / 1e6:.0f} million operations on floats. "
        f"This core did {rate / 1e9:.0f} billion per second in a product of matrices, so {compute_ms:.2f} ms would be "
        f"enough if nothing waited. Its tracks are {traffic / 1e6:.0f} MB: read and written once, at "
        f"{bandwidth / 1e9:.1f} GB/s, {memory_ms:.2f} ms. "
        f"The fused engine takes {distance:.1f} times the larger of the two. A product of matrices has no recurrences. "
        "Where each frame waits for the one before, a core cannot come near it."
    )


OPERATIONS: dict[type[Any], float] = {Filter: 18, Compressor: 40, Limiter: 84, Reverb: 142, Delay: 4}
"""Operations per frame of stereo, as the reference computes them: Freeverb has eight combs and four all-passes."""


def count_operations(effect: Effect) -> float:
    """Return the operations per frame of stereo; 4 for gains and the like."""
    return 18.0 * len(effect.bands) if isinstance(effect, Equalizer) else OPERATIONS.get(type(effect), 4.0)


def measure_peak_flops() -> float:
    """Return the operations per second of one core in a product of float32 matrices."""
    one = np.ones((768, 768), np.float32)
    best = 0.0
    for _ in range(8):
        begin = time.process_time()
        one @ one
        best = max(best, 2 * 768**3 / (time.process_time() - begin))
    return best


def measure_bandwidth() -> float:
    """Return the bytes per second that one core copies, read and written."""
    source, to = np.ones(2**25, np.float32), np.empty(2**25, np.float32)
    best = 0.0
    for _ in range(6):
        begin = time.process_time()
        np.copyto(to, source)
        best = max(best, 2 * source.nbytes / (time.process_time() - begin))
    return best


def describe_machine() -> str:
    """Return the processor, the system and the versions of what was measured."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        names = {key.strip(): value.strip() for key, value in fields.items()}
        cpu = f"{names.get('model name', cpu)} (family {names.get('cpu family')}, model {names.get('model')})"
    found = []
    for package in ("numpy", "numba", "pedalboard", "librosa", "audiomentations", "fluxion-dsp"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = f"{os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else "unknown"
    versions = f"Python {platform.python_version()}, {', '.join(found)}"
    return f"{os.cpu_count()} cores, {cpu}; {versions}. Load of the machine: {load}."


def measure(options: argparse.Namespace) -> str:
    """Return the section of the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bench = Bench(load_recipe(find_recipe(options.recipe)), load_library(options.library), folder)
        specs = [bench.spec(index) for index in range(options.pairs)]
        ways = Ways(bench, folder)
        turns = ways.turns(specs, options.repeats)
        fused_ms = statistics.median(turn[f"{FUSED}, wav"] for turn in turns)
        sounds = ways.sounds[f"{FUSED}, wav"]
        parts = [
            f"Recipe `{options.recipe}`, {len(bench.library.assets):,} sounds, {options.pairs} pairs, "
            f"{options.repeats} turns: median (range) of the turns. Processor time of one process, from an "
            "address to the bytes of the tar, with the sounds in the cache of the machine.",
            describe_machine(),
            "### Ways to make a pair",
            "\n".join(report_ways(turns)),
            "### Stages",
            "\n".join(report_stages(bench, sounds, specs, options.repeats)),
            "### Processes and memory",
            "\n".join(report_processes(options, folder)),
            "\n".join(report_start(options, folder)),
            "### Single effects",
            "\n".join(report_effects(options.repeats)),
            "### The floor",
            "\n".join(report_floor(bench, specs, fused_ms)),
        ]
        return "\n\n".join(parts) + "\n"


def report(measure: Callable[[argparse.Namespace], str], options: argparse.Namespace, begin: str, end: str) -> None:
    """Measure and print a section; with --write, also put it between two marks of the page.

    Raises ValueError before anything is measured if the page does not have each mark once.
    """
    before, rest = PAGE.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    section = measure(options)
    print(section)
    if options.write:
        PAGE.write_text(f"{before}{begin}\n{section}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="builtin", help="a manifest, or builtin")
    parser.add_argument("--recipe", default="rmod", help="a recipe's name or file")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true", help=f"write the section into {PAGE.name}")
    options = parser.parse_args()
    report(measure, options, BEGIN, END)


if __name__ == "__main__":
    main()
