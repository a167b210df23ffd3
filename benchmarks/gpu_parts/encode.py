"""Part encode: how fast a full-size DAC encodes, by precision, batch and layout, beside the matrix products."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpu_parts.clock import Clock
from gpu_parts.machine import count_flops, measure_products, peak_memory, synchronize, time_calls
from gpu_parts.options import Options
from gpu_parts.results import Results
from rmod_pipeline.codec import Codec, compute_mismatch_rate, open_codec
from rmod_pipeline.codec.checkpoint import new_network, serialize_codec_checkpoint
from rmod_pipeline.codec.settings import EncoderSettings
from rmod_pipeline.errors import CodecError, RmodError

SAMPLE_RATE = 44_100
MOST_DIFFERING = 0.01
"""Share of tokens that may differ from fp32's in a setting that becomes the default."""

COMPILE_SECONDS = 90.0
"""A compilation is begun with at least this much time left."""

COMPARED = {"cpu": 2, "cuda": 16}
"""Sounds whose tokens are compared."""

PRODUCTS, SPEEDS = "Matrix products", "Encoder"


def list_measured(options: Options) -> list[str]:
    """Return the names in the working folder under which this part makes what it measures."""
    return [options.weights.name]


def run_encode(options: Options, results: Results, clock: Clock) -> None:
    """Measure all settings, from the plainest on; name the best."""
    sizes, device = options.sizes, options.device
    products = {}
    for precision in ("fp32", "tf32", "bf16"):
        if precision == "tf32" and device == "cpu":
            results.absent("tf32", "a CPU has none")
            continue
        size = sizes.matrix[device]
        products[precision] = measure_products(precision, device, size, sizes.timed_seconds)
        results.row(PRODUCTS, {"precision": precision, "size": size, "TFLOP/s": products[precision] / 1e12})
        clock.check()
    flops = count_encoder_flops(sizes.dac)
    results.figure("operations of the encoder per second of audio, in GFLOP", flops / 1e9)
    path = write_full_size(options.weights, sizes.dac)
    codec = open_codec(str(path), device=device, precision="fp32", batch=1)
    bench = EncoderBench(codec, options, results, products, flops)
    bench.measure_all(clock)
    bench.name_best()


class EncoderBench:
    """Measures one codec with one setting after another."""

    def __init__(
        self, codec: Codec, options: Options, results: Results, products: Mapping[str, float], flops: float
    ) -> None:
        self.codec, self.options, self.results = codec, options, results
        self.products, self.flops = products, flops
        self.rows: list[tuple[EncoderSettings, dict[str, Any]]] = []
        self.audio = make_sounds(COMPARED[options.device], options.sizes.sound_seconds)
        self.reference = codec.encode(self.audio)
        """Tokens of the plainest setting: fp32, one sound at a time."""

    def measure_all(self, clock: Clock) -> None:
        """Measure batches by precision, then what else may help the fastest of them."""
        for precision in self.products:
            for batch in self.options.sizes.batches[self.options.device]:
                self.measure(clock, EncoderSettings(precision=precision, batch=batch))
        if not self.rows:
            return
        for precision in self.products:
            of_precision = [each for each in self.rows if each[0].precision == precision]
            if of_precision:
                for settings in self.variants(max(of_precision, key=rate_of)[0]):
                    self.measure(clock, settings)
        self.compile_fastest(clock)

    def compile_fastest(self, clock: Clock) -> None:
        """Measure the fastest setting compiled, as far as there is time for a compilation."""
        fastest = max(self.rows, key=rate_of)[0]
        for settings in (replace(fastest, compiled=True, cuda_graphs=False), replace(fastest, compiled=True)):
            if not self.options.sizes.compiles:
                self.results.absent("torch.compile", "left out of a miniature: it takes a minute")
                break
            if any(settings == done for done, _ in self.rows):
                continue
            if clock.left < COMPILE_SECONDS:
                self.results.skip(describe(settings), f"{clock.left:.0f} s left, compiling needs {COMPILE_SECONDS:.0f}")
                continue
            self.measure(clock, settings)

    def variants(self, plain: EncoderSettings) -> Iterator[EncoderSettings]:
        """Yield a setting with other layouts, and with recorded graphs where there is a GPU."""
        yield replace(plain, channels_last=True)
        if self.options.device == "cuda":
            yield replace(plain, cuda_graphs=True)
            yield replace(plain, channels_last=True, cuda_graphs=True)
        elif plain.precision == "fp32":
            self.results.absent("CUDA graphs, memory of the GPU", "a CPU has none")

    def measure(self, clock: Clock, settings: EncoderSettings) -> None:
        """Add a row, or say why there is none."""
        if clock.left < 2 * self.options.sizes.timed_seconds:
            self.results.skip(describe(settings), "no time left")
            return
        try:
            row = self._measure(settings)
        except (RmodError, RuntimeError, AssertionError) as error:
            # torch.compile and graphs fail in many ways, none of which may end the part.
            why = str(error).strip().splitlines() or [type(error).__name__]
            if isinstance(error, CodecError) and "out of memory" in str(error):
                self.results.absent(describe(settings), why[0])
            else:
                self.results.skip(describe(settings), why[0])
            return
        self.rows.append((settings, row))
        self.results.row(SPEEDS, row)

    def _measure(self, settings: EncoderSettings) -> dict[str, Any]:
        device, seconds = self.options.device, self.options.sizes.timed_seconds
        start = time.perf_counter()
        codec = self.codec.with_settings(**{name: getattr(settings, name) for name in settings.__slots__})
        tokens = codec.encode(self.audio)
        synchronize(device)
        prepared = time.perf_counter() - start
        sound = np.resize(self.audio, (settings.batch, self.audio.shape[1]))
        hop = codec.identity.hop
        on_device = torch.from_numpy(sound[:, None, : sound.shape[1] // hop * hop].copy()).to(device)
        memory: list[float] = []
        with peak_memory(device, memory.append):
            network_seconds = time_calls(lambda: codec.encode_on_device(on_device), device, seconds)
        whole_seconds = time_calls(lambda: codec.encode(sound), device, seconds)
        network_rate = on_device.numel() / SAMPLE_RATE / network_seconds
        row = {
            "precision": settings.precision,
            "batch": settings.batch,
            "channels last": settings.channels_last,
            "graphs": settings.cuda_graphs,
            "compiled": settings.compiled,
            "audio s/s": sound.size / SAMPLE_RATE / whole_seconds,
            "audio s/s, network alone": network_rate,
            "TFLOP/s": network_rate * self.flops / 1e12,
            "share of matrix products": network_rate * self.flops / self.products[settings.precision],
            "tokens unlike fp32": compute_mismatch_rate(tokens, self.reference),
            "ready after s": prepared,
        }
        return {**row, "peak MiB": memory[0]} if memory else row

    def name_best(self) -> None:
        """Say which setting is the fastest, and which of those that keep the tokens should be the default."""
        if not self.rows:
            self.results.skip("the best setting", "nothing was measured")
            return
        fastest, row = max(self.rows, key=rate_of)
        self.results.figure("fastest", f"{describe(fastest)}: {rate_of((fastest, row)):,.0f} s of audio per s")
        share = max(row["share of matrix products"] for _, row in self.rows)
        self.results.figure("largest share of matrix products", share)
        name = f"best with at most {MOST_DIFFERING:.0%} of tokens unlike fp32"
        keeping = [each for each in self.rows if each[1]["tokens unlike fp32"] <= MOST_DIFFERING]
        if not keeping:
            self.results.figure(name, "none of those measured: none should be the default")
            return
        best, row = max(keeping, key=rate_of)
        self.results.figure("tokens of the best unlike fp32", row["tokens unlike fp32"])
        self.results.figure(name, describe(best))
        line = f'"{self.options.device}": {best!r},'
        self.results.figure("to make it the default, in rmod_pipeline/codec/settings.py: DEFAULTS", line)


def rate_of(measured: tuple[EncoderSettings, Mapping[str, Any]]) -> float:
    """Return the seconds of audio per second of a measured setting, as a build sees them."""
    return float(measured[1]["audio s/s"])


def describe(settings: EncoderSettings) -> str:
    """Return a setting in words."""
    extras = [name for name in ("compiled", "channels_last", "cuda_graphs") if getattr(settings, name)]
    return ", ".join([settings.precision, f"batch {settings.batch}", *(name.replace("_", " ") for name in extras)])


def count_encoder_flops(dac: Mapping[str, Any]) -> float:
    """Return the operations of convolutions and products per second of audio; torch counts, nothing is computed."""
    with torch.device("meta"):
        model = new_network(dac)
        audio = torch.zeros(1, 1, 4 * SAMPLE_RATE // model.hop_length * model.hop_length)
        with torch.no_grad():
            return count_flops(lambda: model.encoder(audio)) / (audio.shape[-1] / SAMPLE_RATE)


def write_full_size(path: Path, dac: Mapping[str, Any]) -> Path:
    """Write a DAC with random weights that are large enough for its tokens to differ, once; return the path."""
    if path.exists():
        return path
    torch.manual_seed(0)
    model = new_network(dac)
    for name, value in model.named_parameters():
        if name.startswith("encoder") and name.endswith("weight_g"):
            value.data.mul_(1.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(serialize_codec_checkpoint(model.state_dict(), dac, {}, half=False))
    return path


def make_sounds(count: int, seconds: float) -> np.ndarray:
    """Return sounds [count, samples] like drums: noise that decays after clicks."""
    samples = round(SAMPLE_RATE * seconds)
    decay = np.exp(-((np.arange(samples) % 11_025) / 2_000.0))
    return (0.5 * decay * np.random.default_rng(0).standard_normal((count, samples))).astype(np.float32)
