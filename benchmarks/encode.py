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

from rmod_pipeline.codec import Codec, open_codec
from rmod_pipeline.codec.checkpoint import serialize_codec_checkpoint
from rmod_pipeline.codec.descript import new_model

FULL_GFLOP_A_SECOND = 61.0
"""Operations of DAC's encoder per second of audio."""


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    print(f"{options.device}, {options.threads} threads, {options.seconds:g} s of noise and clicks a sound\n")
    print("| codec | batch | precision | compiled | s of audio per s | GFLOP/s | tokens different from fp32 |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.codec:
            path = str(full_size(Path(folder))) if name == "full" else name
            for batch in options.batch:
                audio = sounds(rng, batch, options.seconds)
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


def full_size(folder: Path) -> Path:
    """Write a full-size DAC with random weights that are large enough for its tokens to differ."""
    torch.manual_seed(0)
    model, path = new_model(), folder / "full.pth"
    for name, value in model.named_parameters():
        if name.startswith("encoder") and name.endswith("weight_g"):
            value.data.mul_(1.5)
    path.write_bytes(serialize_codec_checkpoint(model.state_dict(), {}, {}, half=False))
    return path


def sounds(rng: np.random.Generator, count: int, seconds: float) -> np.ndarray:
    """Return sounds [count, samples] like drums: noise that decays after clicks."""
    samples = round(44_100 * seconds)
    decay = np.exp(-((np.arange(samples) % 11_025) / 2_000.0))
    return (0.5 * decay * rng.standard_normal((count, samples))).astype(np.float32)


def report(name: str, codec: Codec, audio: np.ndarray, compiled: bool) -> None:
    codec.encode(audio)
    start, rounds = time.perf_counter(), 0
    while rounds < 1 or time.perf_counter() - start < 5:
        codec.encode(audio)
        rounds += 1
    rate = rounds * audio.size / 44_100 / (time.perf_counter() - start)
    work = f"{rate * FULL_GFLOP_A_SECOND:.0f}" if name == "full" else ""
    precision, batch = codec.choice.precision, codec.choice.batch
    differing = 0.0 if precision == "fp32" else codec.compare_with_fp32(audio)
    print(f"| {name} | {batch} | {precision} | {compiled} | {rate:.2f} | {work} | {differing:.2%} |", flush=True)


if __name__ == "__main__":
    main()
