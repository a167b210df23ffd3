"""Fit small networks on vectors: a perceptron with one hidden layer, and a neural decision forest.

Both are trained on training sounds alone. The epoch with the least loss on the validation sounds is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rmod_pipeline.draw import Draw
from rmod_pipeline.evaluation.classifiers.neural_forest import NeuralForest

BATCH = 64
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-4
EPOCHS, PATIENCE = 40, 8
HIDDEN = 128

Vectors = NDArray[np.float32]
"""[n, dimensions]"""
Classes = NDArray[np.int64]
"""[n]: the index of a class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A fitted network with the scale of its input."""

    model: nn.Module
    """Returns logarithms of probabilities [n, classes]."""
    mean: Vectors
    deviation: Vectors

    def probabilities(self, vectors: Vectors) -> NDArray[np.float64]:
        """Return the probabilities of classes [n, classes]."""
        with torch.inference_mode():
            log_odds = self.model(_scale(vectors, self.mean, self.deviation))
        result: NDArray[np.float64] = log_odds.double().softmax(1).numpy()
        return result


def fit_perceptron(train: tuple[Vectors, Classes], valid: tuple[Vectors, Classes], classes: int, seed: int) -> Head:
    """Fit a perceptron with one hidden layer on vectors with their classes."""

    def make(inputs: int) -> nn.Module:
        hidden = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.SiLU(), nn.Dropout(0.3))
        return nn.Sequential(*hidden, nn.Linear(HIDDEN, classes), nn.LogSoftmax(1))

    return _fit(make, train, valid, seed)


def fit_neural_forest(train: tuple[Vectors, Classes], valid: tuple[Vectors, Classes], classes: int, seed: int) -> Head:
    """Fit a deep neural decision forest on vectors with their classes."""
    return _fit(lambda inputs: NeuralForest(inputs, classes), train, valid, seed)


def _fit(
    make: Callable[[int], nn.Module], train: tuple[Vectors, Classes], valid: tuple[Vectors, Classes], seed: int
) -> Head:
    mean, deviation = train[0].mean(0), train[0].std(0) + np.float32(1e-6)
    inputs, truth = _scale(train[0], mean, deviation), torch.from_numpy(train[1])
    held_out, held_truth = _scale(valid[0], mean, deviation), torch.from_numpy(valid[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = make(inputs.shape[1])
        if isinstance(model, NeuralForest):
            model.fit_leaves(inputs, truth)
        optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        best, best_state, best_epoch = float("inf"), _copy_state(model), 0
        for epoch in range(EPOCHS):
            _train_epoch(model, optimizer, inputs, truth, Draw.of("head", seed, epoch))
            loss = _measure(model, held_out, held_truth)
            if loss < best:
                best, best_state, best_epoch = loss, _copy_state(model), epoch
            elif epoch - best_epoch >= PATIENCE:
                break
    model.load_state_dict(best_state)
    return Head(model=model.eval(), mean=mean, deviation=deviation)


def _train_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, truth: Tensor, draw: Draw) -> None:
    model.train()
    order = torch.tensor(draw.order(len(inputs)))
    for chosen in order.split(BATCH):
        loss = nn.functional.nll_loss(model(inputs[chosen]), truth[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if isinstance(model, NeuralForest):
        model.fit_leaves(inputs, truth)
    model.eval()


@torch.inference_mode()
def _measure(model: nn.Module, inputs: Tensor, truth: Tensor) -> float:
    return float(nn.functional.nll_loss(model(inputs), truth))


def _copy_state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _scale(vectors: Vectors, mean: Vectors, deviation: Vectors) -> Tensor:
    return torch.from_numpy(((vectors - mean) / deviation).astype(np.float32))
