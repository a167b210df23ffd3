"""Helpers for tests that read a data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

TRAIN = [f"train-{index:08d}" for index in range(10)]
"""The keys of the tiny data set, in four shards of 3, 3, 3 and 1."""


def keys(pairs: Iterable[Any]) -> list[str]:
    """Return the keys of pairs."""
    return [pair["key"] for pair in pairs]
