"""A deep neural decision forest: Kontschieder et al., "Deep neural decision forests" (ICCV 2015).

Every inner node of a tree sends a sound to the left with a probability that a network gives; a leaf has a distribution
over the classes. The answer of a tree is the mean of the distributions of its leaves, weighted by the probability that
the sound arrives there. The answer of the forest is the mean over its trees. The network is trained by gradient
descent with fixed distributions; between two epochs the distributions are fitted with a fixed network, by the
iteration of the paper, which never raises the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST = 1e-12


class NeuralForest(nn.Module):
    """Trees that route vectors [n, inputs] to leaves with distributions over classes."""

    leaf_distributions: Tensor
    """[trees, leaves, classes]; each sums to 1."""
    feature_indices: Tensor
    """[trees, used]: the hidden features that each tree sees."""

    def __init__(
        self, inputs: int, classes: int, *, trees: int = 16, depth: int = 5, hidden: int = 128, share: float = 0.5
    ) -> None:
        """``depth``: decisions on the way to a leaf. ``share``: part of the hidden features that a tree sees.

        The first weights are torch's random numbers. Raises ValueError for no tree, no decision or one class.
        """
        super().__init__()
        if trees < 1 or depth < 1 or classes < 2 or not 0 < share <= 1:
            raise ValueError(f"{trees} trees of depth {depth} for {classes} classes: no forest")
        self.depth = depth
        nodes, used = 2**depth - 1, max(round(share * hidden), 1)
        self.hidden = nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Dropout(0.2))
        self.decisions = nn.Parameter(torch.randn(trees, used, nodes) / used**0.5)
        self.offsets = nn.Parameter(torch.zeros(trees, nodes))
        chosen = torch.stack([torch.randperm(hidden)[:used] for _ in range(trees)])
        self.register_buffer("feature_indices", chosen)
        self.register_buffer("leaf_distributions", torch.full((trees, 2**depth, classes), 1.0 / classes))

    def route(self, vectors: Tensor) -> Tensor:
        """Return the probability of arriving at each leaf [n, trees, leaves] for vectors [n, inputs]."""
        features = self.hidden(vectors)[:, self.feature_indices]
        left = torch.sigmoid(torch.einsum("ntf,tfd->ntd", features, self.decisions) + self.offsets)
        arriving = left.new_ones(len(vectors), left.shape[1], 1)
        first = 0
        for _ in range(self.depth):
            here = left[:, :, first : first + arriving.shape[2]]
            first += arriving.shape[2]
            arriving = torch.stack([arriving * here, arriving * (1 - here)], dim=3).flatten(2)
        return arriving

    def answer_trees(self, arriving: Tensor) -> Tensor:
        """Return the answer of each tree [n, trees, classes]."""
        return torch.einsum("ntl,tlc->ntc", arriving, self.leaf_distributions)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the logarithm of the probabilities of classes [n, classes] for vectors [n, inputs]."""
        return self.answer_trees(self.route(vectors)).mean(1).clamp_min(_LEAST).log()

    @torch.no_grad()
    def fit_leaves(self, vectors: Tensor, truth: Tensor, iterations: int = 5) -> None:
        """Fit the distributions of the leaves to vectors [n, inputs] with their classes [n]; equation 11 of the paper.

        The iteration begins with uniform distributions. A leaf at which nothing arrives keeps its own.
        """
        was_training = self.training
        self.eval()
        arriving = self.route(vectors).transpose(0, 1)
        trees, _, classes = self.leaf_distributions.shape
        fitted = torch.full_like(self.leaf_distributions, 1.0 / classes)
        targets = nn.functional.one_hot(truth, classes).to(arriving.dtype).expand(trees, -1, -1)
        for _ in range(iterations):
            # The answer of each tree for the true class: [trees, n, 1].
            own = (arriving @ fitted * targets).sum(2, keepdim=True).clamp_min(_LEAST)
            counts = fitted * ((arriving / own).transpose(1, 2) @ targets)
            totals = counts.sum(2, keepdim=True)
            fitted = torch.where(totals > _LEAST, counts / totals.clamp_min(_LEAST), fitted)
        self.leaf_distributions.copy_(fitted)
        self.train(was_training)
