"""What torch runs on: asked for by those who otherwise know nothing of it."""

from __future__ import annotations


def gpu_count() -> int:
    """Return how many GPUs this torch can use."""
    import torch

    return int(torch.cuda.device_count())


def use_threads(count: int) -> None:
    """Use so many processor cores on a CPU."""
    import torch

    torch.set_num_threads(count)


def flush_denormals() -> None:
    """Count numbers too small to matter as zero: they are slow. For training alone, because tokens may depend on it."""
    import torch

    torch.set_flush_denormal(True)
