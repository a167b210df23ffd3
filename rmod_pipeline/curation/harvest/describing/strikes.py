"""Tell one drum from several that are struck at once, by a small network on the description of a hit.

    network = open_strikes_net()
    network.chances_of_several(descriptions)            # [hits], 0..1

`benchmarks/harvest_strikes.py` trains it, on mixtures of one-shots; `weights/README.md` says on which.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.harvest.describing.describe import Description

SHIPPED_STRIKES_NET = Path(__file__).parent / "weights" / "strikes.npz"

SURE_OF_ONE, SURE_OF_SEVERAL = 0.1, 0.6
"""Chances of several drums up to which a hit is alone, and from which on it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrikesNet:
    """A multi-layer perceptron with rectified linear units and one logistic output."""

    mean: NDArray[np.float32]
    """[values]: mean of the descriptions that it was trained on."""
    deviation: NDArray[np.float32]
    """[values]: their standard deviation."""
    weights: tuple[NDArray[np.float32], ...]
    """[inputs, outputs] of each layer."""
    biases: tuple[NDArray[np.float32], ...]

    def chances_of_several(self, descriptions: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the probability [hits] that several drums were struck at once, for descriptions [hits, values]."""
        values = (descriptions.astype(np.float64) - self.mean) / self.deviation
        for layer, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            # Not a matrix product, whose order of additions depends on the number of rows and of threads.
            values = np.einsum("ij,jk->ik", values, weights.astype(np.float64)) + biases
            if layer < len(self.weights) - 1:
                values = np.maximum(values, 0)
        chances: NDArray[np.float64] = 1 / (1 + np.exp(-values[:, 0]))
        return chances


def alone_factor(chance_of_several: float) -> float:
    """Return how alone a hit is, 0..1: 1 up to a chance of ``SURE_OF_ONE``, 0 from ``SURE_OF_SEVERAL`` on."""
    return float(min(max((SURE_OF_SEVERAL - chance_of_several) / (SURE_OF_SEVERAL - SURE_OF_ONE), 0.0), 1.0))


def describe_chance(network: StrikesNet, description: Description) -> float:
    """Return the chance, 0..1, that a hit is of several drums, rounded as it is stored."""
    return round(float(network.chances_of_several(description[None])[0]), 4)


@cache
def open_strikes_net(path: Path = SHIPPED_STRIKES_NET) -> StrikesNet:
    """Open the network that comes with rmod, or one that ``save_strikes_net`` wrote."""
    with np.load(path, allow_pickle=False) as file:
        layers = range(sum(name.startswith("weights") for name in file.files))
        return StrikesNet(
            mean=file["mean"].astype(np.float32),
            deviation=file["deviation"].astype(np.float32),
            weights=tuple(file[f"weights{layer}"].astype(np.float32) for layer in layers),
            biases=tuple(file[f"biases{layer}"].astype(np.float32) for layer in layers),
        )


def save_strikes_net(network: StrikesNet, path: Path) -> None:
    """Write a network in half precision, which changes its answers by less than 0.01."""
    arrays: dict[str, Any] = {"mean": network.mean, "deviation": network.deviation}
    for layer, (weights, biases) in enumerate(zip(network.weights, network.biases, strict=True)):
        arrays |= {f"weights{layer}": weights, f"biases{layer}": biases}
    stream = io.BytesIO()
    np.savez_compressed(stream, **{name: array.astype(np.float16) for name, array in arrays.items()})
    path.write_bytes(stream.getvalue())
