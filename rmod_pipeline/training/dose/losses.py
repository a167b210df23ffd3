"""Held-out losses, of models and baselines alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

StepLosses = Mapping[str, Mapping[str, float]]
"""By instrument, and by ``all`` for all of them together: ``full`` and ``onset``, in nats a code."""

PARTS = ("full", "onset")


def means(sums: Tensor, instruments: Sequence[str]) -> StepLosses:
    """Return the losses of sums [instruments, (full, onset), (nats, codes)]."""
    tables = {"all": sums.sum(0), **dict(zip(instruments, sums, strict=True))}
    return {
        name: {part: float(nats / codes.clamp_min(1)) for part, (nats, codes) in zip(PARTS, table, strict=True)}
        for name, table in tables.items()
    }
