"""What the metrics say of answers that everybody can imagine, and how long they take.

    python benchmarks/metric_values.py --library CSV [--sounds N]

A table of docs/reference/metrics.md, as Markdown: the mean of every metric over one-shots, for the codec's round trip,
a shift of 1 ms, a low-pass at 8 kHz, noise at -40 dB, another one-shot of the kind, and silence. Takes a minute or two.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from one_shots import KINDS, RATE, read_one_shots
from scipy.signal import butter, sosfilt

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.evaluation.metrics import METRICS, measure_all

Sounds = NDArray[np.float32]
SHIFT = RATE // 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True, help="manifest of a library of one-shots")
    parser.add_argument("--sounds", type=int, default=60, help="per kind")
    arguments = parser.parse_args()
    use_threads(1)
    codec = open_codec("mini", device="cpu")
    low_pass, rng = butter(4, 8000, fs=RATE, output="sos"), np.random.default_rng(0)
    answers: Mapping[str, Callable[[Sounds], Sounds]] = {
        "round trip of `mini`": lambda sounds: codec.decode(codec.encode(sounds))[:, : sounds.shape[1]],
        "shifted by 1 ms": lambda sounds: np.pad(sounds, ((0, 0), (SHIFT, 0)))[:, : sounds.shape[1]],
        "low-pass at 8 kHz": lambda sounds: sosfilt(low_pass, sounds).astype(np.float32),
        "noise at -40 dB of the peak": lambda sounds: (
            sounds + 0.01 * np.abs(sounds).max(1, keepdims=True) * rng.standard_normal(sounds.shape)
        ).astype(np.float32),
        "another of its kind": lambda sounds: np.roll(sounds, 1, axis=0),
        "silence": np.zeros_like,
    }
    values: dict[str, list[dict[str, float]]] = {name: [] for name in answers}
    seconds, measured = 0.0, 0
    for kind in KINDS:
        sounds = read_one_shots(arguments.library, kind, arguments.sounds)
        for name, answer in answers.items():
            estimate, reference = torch.from_numpy(answer(sounds)), torch.from_numpy(sounds)
            start = time.process_time()
            found = measure_all(estimate, reference, RATE)
            if sounds.shape[1] > RATE:
                seconds, measured = seconds + time.process_time() - start, measured + len(sounds)
            values[name].append({metric: float(each.mean()) for metric, each in found.items()})
    print("| answer | " + " | ".join(f"`{name}`" for name in METRICS) + " |")
    print("|---|" + "---|" * len(METRICS))
    for name, kinds in values.items():
        print(
            f"| {name} | " + " | ".join(" / ".join(f"{kind[metric]:.2g}" for kind in kinds) for metric in METRICS), "|"
        )
    print(f"\n{1000 * seconds / measured:.0f} ms of one core per pair of sounds of 1.05 s")


if __name__ == "__main__":
    main()
