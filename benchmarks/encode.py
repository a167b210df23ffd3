"""Measure how fast a codec encodes: seconds of audio per second, by batch and precision, and the tokens that change.

    python benchmarks/encode.py [--codec mini] [--codec full] [--device auto] [--threads 1] [--seconds 4]

`full` is DAC's full size with random weights: as fast as the real one, without its download.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from gpu_parts.encode import make_sounds, write_full_size

from rmod_pipeline.codec import Codec, open_codec

FULL_GFLOP_A_SECOND = 61.0
"""Operations of DAC's encoder per second of audio."""


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    print(f"{options.device}, {options.threads} threads, {options.seconds:g} s of noise and clicks a sound\n")
    print("| codec | batch | precision | compiled | s of audio per s | GFLOP/s | tokens different from fp32 |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.codec:
            path = str(write_full_size(Path(folder) / "full.pth", {})) if name == "full" else name
            for batch in options.batch:
                audio = make_sounds(batch, options.seconds)
                for precision in options.precision:
                    codec = open_codec(
                        path, device=options.device, precision=precision, batch=batch, compiled=options.compile
                    )
                    report(name, codec, audio, options.compile)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codec", action="append")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--precision", action="append")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    options.codec = options.codec or ["mini"]
    options.batch = options.batch or [1, 8]
    options.precision = options.precision or ["fp32", "bf16"]
    return options


def report(name: str, codec: Codec, audio: np.ndarray, compiled: bool) -> None:
    codec.encode(audio)
    start, rounds = time.perf_counter(), 0
    while rounds < 1 or time.perf_counter() - start < 5:
        codec.encode(audio)
        rounds += 1
    rate = rounds * audio.size / 44_100 / (time.perf_counter() - start)
    work = f"{rate * FULL_GFLOP_A_SECOND:.0f}" if name == "full" else ""
    precision, batch = codec.settings.precision, codec.settings.batch
    differing = 0.0 if precision == "fp32" else codec.compare_with_fp32(audio)
    print(f"| {name} | {batch} | {precision} | {compiled} | {rate:.2f} | {work} | {differing:.2%} |", flush=True)


if __name__ == "__main__":
    main()
