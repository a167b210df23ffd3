"""How many real one-shots a scan takes for loops, and how many loops made of them it finds, by their sound alone.

    python benchmarks/one_hit.py --real DIR

The figures of docs/lab/one-hit.md, as Markdown. DIR holds CSV files with the columns path and kind, and the files that
they name. Takes a minute.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

from rmod_pipeline.audio import Audio, peak, to_channels
from rmod_pipeline.library.hits import count_hits
from rmod_pipeline.library.read import read_sound, resample
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS

RATE = 44_100
KINDS = ("kick", "snare", "hihat", "clap", "tom", "cymbal")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="a folder of real one-shots with CSV files")
    parser.add_argument("--loops", type=int, default=25, help="made loops of each form and kind")
    arguments = parser.parse_args()
    paths = list_one_shots(arguments.real)
    print_false_alarms(paths)
    print_found_loops(paths, arguments.loops)


def list_one_shots(folder: Path) -> list[tuple[str, Path]]:
    """Return the kind and the path of every one-shot that the CSV files name."""
    sounds = []
    for name in ("library.csv", "kits/kits.csv", "percussion/percussion.csv"):
        if (folder / name).exists():
            with (folder / name).open(encoding="utf-8", newline="") as file:
                sounds += [(row["kind"], folder / row["path"]) for row in csv.DictReader(file)]
    return [(kind, path) for kind, path in sounds if kind in ONE_SHOT_KINDS]


def print_false_alarms(sounds: list[tuple[str, Path]]) -> None:
    """Print how many one-shots of each kind count as several hits, and their names."""
    files, several, names = Counter[str](), Counter[str](), []
    for kind, path in sounds:
        hits = count_hits(*read_sound(path))
        files[kind] += 1
        several[kind] += hits > 1
        names += [f"{path.name} ({hits})"] if hits > 1 else []
    print("| kind | one-shots | taken for several hits |\n|---|---|---|")
    for kind in files:
        print(f"| {kind} | {files[kind]} | {several[kind]} |")
    print(f"| all | {files.total()} | {several.total()} ({100 * several.total() / files.total():.2f} %) |\n")
    print("\n".join(names) + "\n")


def print_found_loops(sounds: list[tuple[str, Path]], count: int) -> None:
    """Print how many loops, chains and rolls made of the one-shots count as several hits."""
    random = np.random.default_rng(11)
    by_kind = defaultdict(list)
    for kind, path in sounds:
        by_kind[kind].append(path)
    forms = ("loop of one hit", "chain without gaps", "chain with gaps", "roll")
    print(f"| kind | {' | '.join(forms)} |\n|---{'|---' * len(forms)}|")
    for kind in KINDS:
        if not by_kind[kind]:
            continue
        found = Counter[str]()
        for _ in range(count):
            hits = [read_mono(by_kind[kind][random.integers(len(by_kind[kind]))]) for _ in range(4)]
            for form in forms:
                found[form] += count_hits(make_loop(form, hits, random), RATE) > 1
        print(f"| {kind} | {' | '.join(f'{100 * found[form] / count:.0f} %' for form in forms)} |")


def read_mono(path: Path) -> Audio:
    """Return a sound as mono audio [1, frames] at ``RATE`` with a peak of 1."""
    audio, rate = read_sound(path)
    mono = resample(to_channels(audio, 1), rate, RATE)
    return mono / np.float32(max(peak(mono), 1e-6))


def make_loop(form: str, hits: list[Audio], random: np.random.Generator) -> Audio:
    """Return a loop [1, frames] of some form, made of four hits or of the first of them."""
    if form == "chain without gaps":
        size = round(random.choice([0.1, 0.2, 0.5]) * RATE)
        return np.concatenate([np.pad(hit, ((0, 0), (0, size)))[:, :size] for hit in hits], axis=1)
    if form == "chain with gaps":
        gap = round(random.uniform(0.05, 0.2) * RATE)
        return np.concatenate([np.pad(hit, ((0, 0), (0, gap))) for hit in hits], axis=1)
    step, number = random.choice([0.125, 0.1875, 0.25, 0.375, 0.5]), int(random.integers(2, 9))
    if form == "roll":
        step, number = random.uniform(0.04, 0.09), 16
    loop = np.zeros((1, round((number * step + 0.1) * RATE)), np.float32)
    for index in range(number):
        part = loop[:, round(index * step * RATE) :]
        length = min(part.shape[1], hits[0].shape[1])
        part[:, :length] += random.uniform(0.5, 1) * hits[0][:, :length]
    return loop


if __name__ == "__main__":
    main()
