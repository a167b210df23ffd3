"""Describe the machine, measure its matrix products, and watch how busy its GPU is."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from rmod_pipeline.storage.process_identity import available_cores

PACKAGES = ("rmod-pipeline", "numpy", "numba", "lightning", "descript-audio-codec")
WATCH_SECONDS = 0.5
MIB = 2**20


def describe_machine(device: str) -> dict[str, Any]:
    """Return what a figure depends on: devices, memory, versions."""
    described: dict[str, Any] = {
        "device": describe_device(device),
        "cores": available_cores(),
        "processor": _processor(),
    }
    described["memory in GiB"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    versions = [f"Python {platform.python_version()}", f"torch {torch.__version__}", f"CUDA {torch.version.cuda}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return {**described, "versions": ", ".join(versions)}


def describe_device(device: str) -> str:
    """Return the name of a GPU with its memory, or that there is none."""
    if device == "cpu":
        return "cpu: nothing here was measured on a GPU"
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def synchronize(device: str) -> None:
    """Wait until a GPU has done all that it was given."""
    if device != "cpu":
        torch.cuda.synchronize()


def time_calls(run: Callable[[], object], device: str, seconds: float) -> float:
    """Return the mean seconds of the calls made in ``seconds``, at least one; one before is not counted."""
    run()
    synchronize(device)
    start, rounds = time.perf_counter(), 0
    while True:
        run()
        rounds += 1
        if rounds % 4 == 0 or device == "cpu":
            synchronize(device)
        if time.perf_counter() - start >= seconds:
            break
    synchronize(device)
    return (time.perf_counter() - start) / rounds


def measure_products(precision: str, device: str, size: int, seconds: float) -> float:
    """Return the operations per second of the product of two random matrices [size, size]."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        return float(2 * size**3 / time_calls(lambda: one @ other, device, seconds))
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def count_flops(run: Callable[[], object]) -> float:
    """Return the operations of the convolutions and products in a call, as torch counts them."""
    # Of the ways to compute attention, torch knows the operations of all on a GPU, and of this one on a CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


@contextmanager
def peak_memory(device: str, report: Callable[[float], None]) -> Iterator[None]:
    """Report the most memory in MiB that torch held on a GPU within the context; nothing on a CPU."""
    if device == "cpu":
        yield
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield
    report(torch.cuda.max_memory_allocated() / MIB)


class GpuWatch:
    """Asks nvidia-smi twice a second, in a thread, how busy the GPU is that torch uses."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.busy: list[float] = []
        """Percent of each interval in which a kernel ran."""
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self.why_not() is None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def why_not(self) -> str | None:
        """Return why nothing can be watched; None if it can."""
        if self.device == "cpu":
            return "there is no GPU"
        return None if shutil.which("nvidia-smi") else "there is no nvidia-smi"

    @property
    def mean(self) -> float | None:
        """The mean in percent; None if nothing was seen."""
        return statistics.mean(self.busy) if self.busy else None

    def _run(self) -> None:
        # By its UUID: torch counts only those that CUDA_VISIBLE_DEVICES names, nvidia-smi counts all.
        name = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--id={name}"]
        while not self._stop.wait(WATCH_SECONDS):
            try:
                answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
                self.busy.append(float(answer.split()[0]))
            except (OSError, subprocess.SubprocessError, ValueError, IndexError):
                continue
