"""How long an evaluation takes without a model, and what each part of it costs.

    python benchmarks/evaluation.py --data OUT [--split test] [--pairs 1000] [--workers 2] [--parts 25]

Eight systems answer for three drums: hits cut at known and at found onsets, hits of the mixture itself, chance, the
most typical one-shot, the truth through the codec, another pair's answer, silence. OUT is a data set with audio, a
train split and that many pairs. Times stand beside that of reading a pair, so that machines can be compared. `--parts`
is the number of pairs on which single parts are measured first, in this process.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.evaluation.chunk import Answer
from rmod_pipeline.evaluation.embeddings import open_embedding
from rmod_pipeline.evaluation.metrics import measure_all
from rmod_pipeline.evaluation.recipe import EvaluationRecipe
from rmod_pipeline.evaluation.run import evaluate_recipe, open_set_works
from rmod_pipeline.evaluation.sets.pairs import PairSet, read_item
from rmod_pipeline.evaluation.systems.open import open_systems

SYSTEMS = (
    {"system": "slice", "name": "bands, known hit", "onsets": "known"},
    {"system": "slice", "name": "bands, found hit", "onsets": "found"},
    {"system": "slice", "name": "mixture, known hit", "separation": "none"},
    {"system": "chance"},
    {"system": "typical"},
    {"system": "codec"},
    {"system": "another", "of": "chance"},
    {"system": "silence"},
)


def make_recipe(options: argparse.Namespace, pairs: int) -> EvaluationRecipe:
    content = {
        "name": "benchmark",
        "pairs": pairs,
        "sets": [{"name": "pairs", "data": options.data, "split": options.split}],
        "systems": list(SYSTEMS),
        "listen": 0,
    }
    return EvaluationRecipe.model_validate(content)


def measure_seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def print_parts(options: argparse.Namespace) -> float:
    """Print what each system and each measurement takes per pair, and return the time to read one."""
    use_threads(1)
    (work,) = open_set_works(make_recipe(options, options.parts), Path("unused"), "cpu")
    assert isinstance(work.test_set, PairSet)
    out, keys = work.test_set.out, work.test_set.keys
    read_item(out, keys[0])
    reading = measure_seconds(lambda: [read_item(out, key) for key in keys]) / len(keys)
    items = work.test_set.read(keys)
    mixtures, kinds = [item.mixture for item in items], work.recipe.kinds
    print(f"| part, per pair | ms | times reading |\n|---|---|---|\n| read | {1e3 * reading:.1f} | 1.0 |")
    for name, system in open_systems(work.recipe, work.test_set, "cpu").items():
        system.extract_all(mixtures[:1], kinds[0])
        start = time.perf_counter()
        for kind in kinds:
            system.extract_all(mixtures, kind)
        seconds = time.perf_counter() - start
        print_row(name, seconds / len(keys), reading)
    rate = mixtures[0].sample_rate
    truths = [Answer.of(item.truths["kick"], "kick", rate).audio for item in items]
    sounds = np.stack([truth for truth in truths if truth is not None])
    tensors = torch.from_numpy(sounds)
    measure_all(tensors[:1], tensors[:1], rate)
    seconds = measure_seconds(lambda: measure_all(tensors, tensors, rate))
    print_row("all metrics of three answers", 3 * seconds / len(sounds), reading)
    for embedding in (open_embedding("ear"), open_embedding("codec-latents")):
        embedding.embed(sounds[:1], rate)
        start = time.perf_counter()
        embedding.embed(sounds, rate)
        seconds = time.perf_counter() - start
        print_row(f"{embedding.name} of three answers", 3 * seconds / len(sounds), reading)
    return reading


def print_row(name: str, seconds: float, reading: float) -> None:
    print(f"| {name} | {1e3 * seconds:.1f} | {seconds / reading:.1f} |", flush=True)


def main() -> None:
    """Measure parts, then a whole evaluation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", type=int, default=25, help="pairs for the table of parts")
    options = parser.parse_args()
    reading = print_parts(options)
    recipe = make_recipe(options, options.pairs)
    with tempfile.TemporaryDirectory() as folder:
        works = open_set_works(recipe, Path(folder), "cpu")
        count = len(works[0].test_set.keys)
        seconds = measure_seconds(lambda: evaluate_recipe(recipe, works, workers=options.workers))
    answers = count * len(recipe.kinds) * len(SYSTEMS)
    cost = seconds * options.workers / count
    print(
        f"\n{count} pairs x {len(recipe.kinds)} drums x {len(SYSTEMS)} systems with {options.workers} workers: "
        f"{seconds:.0f} s, {answers / seconds:.0f} answers/s; a pair takes {cost / reading:.0f} times its reading"
    )


if __name__ == "__main__":
    main()
