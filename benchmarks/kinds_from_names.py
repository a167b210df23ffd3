"""How many path names in the style of sample packs a scan understands, by habit of naming.

    python benchmarks/kinds_from_names.py
    python benchmarks/kinds_from_names.py --names real.csv      # columns path, kind

The figures of docs/lab/kinds-from-names.md, as Markdown. Every name becomes a file with the same short hit, and
`rmod_pipeline.api.scan` reads them all, so that any version of rmod can be measured: PYTHONPATH chooses it. Takes a
minute.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import soundfile

import rmod_pipeline as rmod

sys.path.append(str(Path(__file__).parents[1] / "tests" / "library"))
from pack_names import NamedSound, make_pack_names  # type: ignore[import-not-found]

RATE = 22_050


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--per-habit", type=int, default=250, help="names of each habit")
    parser.add_argument("--names", type=Path, help="a CSV of real names instead, with the columns path and kind")
    parser.add_argument("--wrong", type=int, default=0, metavar="N", help="print the first N names that are wrong")
    arguments = parser.parse_args()
    sounds = read_names(arguments.names) if arguments.names else make_pack_names(arguments.seed, arguments.per_habit)
    kinds = scan_kinds(sounds)
    print_table(sounds, kinds)
    wrong = [sound for sound in sounds if kinds.get(sound.path, "") != sound.kind]
    for sound in wrong[: arguments.wrong]:
        print(f"{sound.path}: {sound.kind or 'none'}, not {kinds.get(sound.path, '') or 'none'}")


def read_names(path: Path) -> list[NamedSound]:
    """Return the names of a CSV file as one habit."""
    with path.open(encoding="utf-8", newline="") as file:
        return [NamedSound(row["path"], row["kind"], path.stem) for row in csv.DictReader(file)]


def scan_kinds(sounds: list[NamedSound]) -> dict[str, str]:
    """Return the kind of each file that a scan keeps as a sound of a kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        time = np.arange(RATE // 10) / RATE
        content = {}
        for suffix, file_format in ((".wav", "WAV"), (".aif", "AIFF"), (".flac", "FLAC")):
            sample = folder / f"sample{suffix}"
            soundfile.write(sample, 0.7 * np.sin(400 * time) * np.exp(-30 * time), RATE, format=file_format)
            content[suffix] = sample.read_bytes()
            sample.unlink()
        for sound in sounds:
            path = folder / sound.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.get(path.suffix.lower(), content[".wav"]))
        result = rmod.scan(folder, out=folder / "names.csv", shares="100/0/0", workers=1, fresh=True, progress=False)
        return {asset.path: asset.kind for asset in result.scan.assets}


def print_table(sounds: list[NamedSound], kinds: dict[str, str]) -> None:
    """Print the number of names and the share of right ones, by habit."""
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for sound in sounds:
        counts[sound.habit][kinds.get(sound.path, "") == sound.kind] += 1
    print("| habit | names | right |\n|---|---|---|")
    for habit, count in counts.items():
        print(f"| {habit.replace('_', ' ')} | {count.total()} | {100 * count[True] / count.total():.1f} % |")
    right = sum(count[True] for count in counts.values())
    print(f"| all | {len(sounds)} | {100 * right / len(sounds):.1f} % |")


if __name__ == "__main__":
    main()
