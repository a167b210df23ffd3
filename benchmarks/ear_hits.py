"""How well the ear finds the hits of each drum, beside the rules of bands: F1 at 30 ms.

    python benchmarks/ear_hits.py --data OUT [--data OUT ...] [--split test] [--ear FILE] [--performances DIR]

The tables of docs/lab/ear.md, as Markdown. OUT is a data set with audio. DIR holds recordings of drums with a CSV of
onsets beside each (columns time, class). Takes some seconds per hundred pairs.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rmod_pipeline as rmod
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.extraction.listening.ear import OpenedEar, SongListener, open_ear
from rmod_pipeline.extraction.listening.onsets import detect_onsets, find_hits
from rmod_pipeline.extraction.listening.song import read_mono_blocks, song_from_array, song_from_file

TOLERANCE_SECONDS = 0.03
Times = Mapping[str, NDArray[np.float64]]


def main() -> None:
    """Print a table per data set, and one for the performances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], help="a data set with audio; repeatable")
    parser.add_argument("--split", default="test")
    parser.add_argument("--ear", type=Path, help="default: the ear that rmod ships")
    parser.add_argument("--performances", type=Path, help="a folder of .flac files, each with a .csv of onsets")
    arguments = parser.parse_args()
    use_threads(1)
    ear = open_ear(arguments.ear, spectra=False)
    for data in arguments.data:
        print_table(f"{data}, {arguments.split}", ear, read_pairs(data, arguments.split))
    if arguments.performances:
        print_table("performances", ear, read_performances(arguments.performances))


def read_pairs(data: str, split: str) -> Iterator[tuple[NDArray[np.float32], int, Times]]:
    """Yield audio [channels, samples], sample rate, and true times of each drum of every pair of a split."""
    for pair in rmod.open_dataset(data).pairs(split):
        settings = pair.spec.settings
        times = {
            drum.kind: np.array([settings.onset(note.tick) / settings.sample_rate for note in drum.notes])
            for drum in pair.spec.drums
        }
        yield pair.mix, pair.sample_rate, times


def read_performances(folder: Path) -> Iterator[tuple[Path, int, Times]]:
    """Yield the path, 0 and the true times of each drum of every recording with a CSV."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = sorted({row["class"] for row in rows})
        yield (
            path.with_suffix(".flac"),
            0,
            {kind: np.unique([float(row["time"]) for row in rows if row["class"] == kind]) for kind in kinds},
        )


def print_table(title: str, ear: OpenedEar, songs: Iterator[tuple[object, int, Times]]) -> None:
    """Print F1, precision and recall of each drum, by the ear and by the bands."""
    counts: dict[tuple[str, str], NDArray[np.int64]] = {}
    pieces = 0
    for audio, sample_rate, times in songs:
        pieces += 1
        for method, found in find_all(ear, audio, sample_rate).items():
            for kind, seconds in found.items():
                counted = count_matches(seconds, times.get(kind, np.zeros(0)))
                counts[method, kind] = counts.get((method, kind), np.zeros(3, np.int64)) + counted
    print(f"\n{title}: {pieces} pieces\n\n| F1 (precision, recall) | {' | '.join(ear.instruments)} |")
    print("|---|" + "---|" * len(ear.instruments))
    for method in ("ear", "bands"):
        print(f"| {method} | " + " | ".join(format_counts(counts[method, kind]) for kind in ear.instruments) + " |")


def find_all(ear: OpenedEar, audio: object, sample_rate: int) -> dict[str, Times]:
    """Return the hits that each method finds, by method and drum, in seconds."""
    song = song_from_file(audio) if isinstance(audio, Path) else song_from_array(np.asarray(audio), sample_rate)
    listener = SongListener(ear)
    rate = ear.features.sample_rate
    onsets = detect_onsets(listener.listen(read_mono_blocks(song, rate)), rate)
    return {
        "ear": {kind: listener.find_hits(kind).seconds for kind in ear.instruments},
        "bands": {kind: find_hits(kind, onsets).seconds for kind in ear.instruments},
    }


def count_matches(found: Sequence[float] | NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the numbers of matched, found and true hits; each true hit matches one found hit at most."""
    free = list(true)
    matched = 0
    for second in found:
        near = [time for time in free if abs(time - second) <= TOLERANCE_SECONDS]
        if near:
            free.remove(min(near, key=lambda time: abs(time - second)))
            matched += 1
    return np.array([matched, len(found), len(true)])


def format_counts(counts: NDArray[np.int64]) -> str:
    """Return F1, precision and recall as text."""
    matched, found, true = (int(count) for count in counts)
    precision, recall = matched / max(found, 1), matched / max(true, 1)
    return f"{2 * matched / max(found + true, 1):.2f} ({precision:.2f}, {recall:.2f})"


if __name__ == "__main__":
    main()
