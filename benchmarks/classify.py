"""Files per second and core that `rmod classify` reads and classifies, beside reading and decoding alone.

    python benchmarks/classify.py library.csv --files 500
    python benchmarks/classify.py library.csv --profile

The three steps take turns file by file, in processor time of one thread, so that a machine that is busy with something
else slows down none of them more than the others.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path

from rmod_pipeline.curation.classification_cache import ClassificationCache
from rmod_pipeline.curation.classify_files import ClassifierChoice, classify_batch, classify_files, open_once
from rmod_pipeline.curation.one_shot_files import SoundFile, prepare_file
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import decode_sound, read_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path, help="a library of real one-shots")
    parser.add_argument("--files", type=int, default=500, help="number of files, drawn at random")
    parser.add_argument("--model", type=Path, default=None, help="another classifier than the one of rmod")
    parser.add_argument("--workers", type=int, default=1, help="for the time on the clock of all files together")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    options = parser.parse_args()
    files = choose_files(options.manifest, options.files)
    choice = ClassifierChoice(options.model)
    classify_batch(choice, files[:1])  # opens the classifier, and computes what it needs once
    if options.profile:
        profile(choice, files)
        return
    measure_in_turns(choice, files)
    measure_together(choice, files, options.workers)


def choose_files(manifest: Path, count: int) -> list[SoundFile]:
    """Return files of a library in a random, fixed order."""
    library = load_library(str(manifest))
    order = Draw.of("classify", "files").order(len(library.assets))[:count]
    return [SoundFile(path=library.path_of(library.assets[index])) for index in order]


def measure_in_turns(choice: ClassifierChoice, files: list[SoundFile]) -> None:
    """Print the rate of each step, and how much of it is decoding."""
    steps: dict[str, Callable[[SoundFile], object]] = {
        "decoding alone": lambda file: decode_sound(read_bytes(file.path), file.path),
        "decoding and preparing": prepare_file,
        "classifying": lambda file: classify_batch(choice, [file]),
    }
    seconds = dict.fromkeys(steps, 0.0)
    for file in files:
        for name, step in steps.items():
            started = time.process_time()
            step(file)
            seconds[name] += time.process_time() - started
    least = seconds["decoding alone"]
    for name, spent in seconds.items():
        print(f"{name:24} {len(files) / spent:8.0f} files/s per core, {spent / least:.2f} times decoding alone")


def measure_together(choice: ClassifierChoice, files: list[SoundFile], workers: int) -> None:
    """Print the rate on the clock, with the start of the workers."""
    cache = ClassificationCache(None, open_once(choice).source)
    started = time.perf_counter()
    reasons = sum(bool(result.reason) for result in classify_files(files, choice, cache=cache, workers=workers))
    spent = time.perf_counter() - started
    print(f"{workers} worker(s): {len(files) / spent:.0f} files/s on the clock, {reasons} without a class")


def profile(choice: ClassifierChoice, files: list[SoundFile]) -> None:
    """Print the functions that take the most time."""
    profiler = cProfile.Profile()
    profiler.enable()
    classify_batch(choice, files)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(20)


if __name__ == "__main__":
    main()
