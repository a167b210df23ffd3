"""How large FAD and KAD are between two random sets of one kind, which should be alike, and how that falls with size.

    python benchmarks/fad_bias.py --library CSV [--yamnet FILE]

The table of docs/reference/metrics.md, as Markdown. CSV is a library with hundreds of one-shots per kind. Two sets
without a common sound are drawn 20 times per size; the table has the mean over draws and kinds. Beside it stands the
distance between sets of two kinds of the same size, for the scale. Takes a few minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from one_shots import KINDS, RATE, read_one_shots

from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.draw import Draw
from rmod_pipeline.evaluation.embeddings import open_embedding
from rmod_pipeline.evaluation.figures.distribution_distances import DISTANCES, DistributionDistance, fit_projection

SIZES = (20, 40, 80, 160)
DRAWS = 20
FEW_DIMENSIONS = 16

Vectors = dict[str, NDArray[np.float64]]
"""By kind: [sounds, dimensions]."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of a library of one-shots")
    parser.add_argument("--yamnet", type=Path, help="yamnet.tflite")
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    use_threads(1)
    sounds = {kind: read_one_shots(arguments.library, kind) for kind in KINDS}
    print("Sounds:", ", ".join(f"{len(some)} {kind}" for kind, some in sounds.items()), "\n")
    print("| figure | sets | " + " | ".join(f"{size} sounds" for size in SIZES) + " |")
    print("|---|---|" + "---|" * len(SIZES))
    for name, weights in {"ear": None, "codec-latents": None, "YAMNet": arguments.yamnet}.items():
        if name == "YAMNet" and weights is None:
            continue
        embedding = open_embedding(name, weights)
        full = {kind: embedding.embed(some, RATE).astype(np.float64) for kind, some in sounds.items()}
        projection = fit_projection(np.concatenate(list(full.values())), FEW_DIMENSIONS)
        few = {kind: projection.apply(vectors) for kind, vectors in full.items()}
        print_rows(DISTANCES["FAD"], name, full, arguments.draws)
        print_rows(DISTANCES["FAD"], f"{name}-{FEW_DIMENSIONS}", few, arguments.draws)
        print_rows(DISTANCES["KAD"], name, full, arguments.draws)


def print_rows(distance: DistributionDistance, name: str, vectors: Vectors, draws: int) -> None:
    """Print a row for sets of one kind, and one for sets of two kinds."""
    dimensions = vectors[KINDS[0]].shape[1]
    rows: dict[str, list[str]] = {"same kind": [], "two kinds": []}
    for size in SIZES:
        if distance.name == "FAD" and size <= dimensions:
            cells = dict.fromkeys(rows, "too few")
        else:
            pairs = {"same kind": sets_of_one_kind(vectors, size, draws), "two kinds": sets_of_two_kinds(vectors, size)}
            measured = {sets: [distance.measure(*each) for each in some] for sets, some in pairs.items()}
            cells = {sets: f"{np.mean(values):.3g}" for sets, values in measured.items()}
        for sets, cell in cells.items():
            rows[sets].append(cell)
    for sets, texts in rows.items():
        print(f"| {distance.label(name)} | {sets} | " + " | ".join(texts) + " |", flush=True)


def sets_of_one_kind(
    vectors: Vectors, size: int, draws: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield two sets without a common sound, per kind and draw."""
    for kind, some in vectors.items():
        for number in range(draws):
            order = Draw.of("bias", kind, size, number).order(len(some))
            yield some[order[:size]], some[order[size : 2 * size]]


def sets_of_two_kinds(vectors: Vectors, size: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield a set of one kind and a set of another."""
    for one, other in combinations(vectors, 2):
        yield vectors[one][:size], vectors[other][:size]


if __name__ == "__main__":
    main()
