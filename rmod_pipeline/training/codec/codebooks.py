"""Codebooks that are used: computed from what is encoded, and again while the encoder still changes.

Residual codebooks that begin as noise take thousands of steps to find the sound, or collapse. So the codec is trained
without them at first, and then they are computed: for each in turn, the principal directions of what the earlier ones
left over, and k-means within these.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

ROUNDS = 12
"""Of k-means."""

LIFT = 2.0
"""The constant channel of a codebook, relative to the length of the others together; see ``_Stage``."""


@torch.no_grad()
def fit_codebooks(model: Any, latents: Tensor, generator: torch.Generator) -> list[float]:
    """Set a model's projections and codebooks from what its encoder makes, [n, latent_dim].

    Returns the share of the latents' energy that is still missing after each codebook.
    """
    residual, missing = latents.clone(), []
    total = (latents - latents.mean(0)).square().sum()
    for quantizer in model.quantizer.quantizers:
        _Stage(quantizer, residual, generator).fit()
        residual = residual - quantizer(residual.t()[None])[0][0].t()
        missing.append(float(residual.square().sum() / total))
    return missing


class _Stage:
    """One codebook: the projections around it, and its entries.

    DAC looks an entry up by its direction alone. One channel is therefore a constant: directions of vectors with a
    large common part are as far apart as the vectors' ends, and loudness is told apart as well.
    """

    def __init__(self, quantizer: Any, residual: Tensor, generator: torch.Generator) -> None:
        self.quantizer, self.residual, self.generator = quantizer, residual, generator
        self.size, self.dim = quantizer.codebook.weight.shape

    def fit(self) -> None:
        mean = self.residual.mean(0)
        directions = self._principal(self.residual - mean)
        scale = float((self.residual - mean).matmul(directions).square().sum(1).mean().sqrt().clamp_min(1e-8))
        self._set(self.quantizer.in_proj, torch.cat([directions.t() / scale, torch.zeros(1, len(mean))]))
        lift = torch.full((1,), LIFT)
        self.quantizer.in_proj.bias.copy_(torch.cat([-(mean @ directions) / scale, lift]))
        self._set(self.quantizer.out_proj, torch.cat([directions * scale, torch.zeros(len(mean), 1)], dim=1))
        self.quantizer.out_proj.bias.copy_(mean)
        projected = self.quantizer.in_proj(self.residual.t()[None])[0].t()
        self.quantizer.codebook.weight.copy_(k_means(projected, self.size, self.generator))

    def _principal(self, centred: Tensor) -> Tensor:
        """Return the directions [latent_dim, dim - 1] of most energy."""
        _, vectors = torch.linalg.eigh(centred.t() @ centred)
        return vectors.flip(1)[:, : self.dim - 1]

    def _set(self, convolution: Any, weight: Tensor) -> None:
        """Set a weight-normed convolution of width 1; a row of zeros needs some direction all the same."""
        weight = weight + 1e-6 * torch.randn(weight.shape, generator=self.generator)
        convolution.weight_v.copy_(weight[..., None])
        convolution.weight_g.copy_(weight.norm(dim=1)[:, None, None])


def k_means(vectors: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return [size, dim] means of [n, dim], each vector belonging to the mean nearest in direction."""
    means = vectors[torch.randint(len(vectors), (size,), generator=generator)].clone()
    for _ in range(ROUNDS):
        nearest = (normalize(vectors) @ normalize(means).t()).argmax(1)
        counts = torch.bincount(nearest, minlength=size)
        sums = torch.zeros_like(means).index_add_(0, nearest, vectors)
        means = sums / counts.clamp_min(1)[:, None]
        idle = (counts == 0).nonzero().squeeze(1)
        means[idle] = vectors[torch.randint(len(vectors), (len(idle),), generator=generator)]
    return means


class Quantized(NamedTuple):
    """What a step of training makes of latents [n, latent_dim, times]."""

    latent: Tensor
    """The nearest entries' sum; its gradient goes to the encoder as if nothing had been rounded."""
    codebook: Tensor
    """What is left over, as a share of ``energy``: pulls entries to what is encoded."""
    commitment: Tensor
    """The same number, pulling what is encoded to the entries."""


def quantize(model: Any, latent: Tensor, energy: float, depth: Tensor | None = None) -> Quantized:
    """Return latents rounded to a model's codebooks; of item ``i`` to its first ``depth[i]`` ones.

    Differs from ``dac``'s own forward pass in where gradients go. There, each codebook's loss is measured in the units
    of its own projection; the last ones hold little energy and have large projections, so that their losses drown the
    others and grow without bound (seen: from 0.6 to 58 within four minutes). Here one loss is measured in the latents'
    units and reaches the entries alone; projections are computed by ``fit_codebooks`` and stay. ``energy`` is the
    latents' at that fit: measured against their own of now, they would be free to grow (seen: to 1e9).
    """
    residual, total = latent.detach(), torch.zeros_like(latent)
    for place, quantizer in enumerate(model.quantizer.quantizers):
        with torch.no_grad():
            code = quantizer.decode_latents(quantizer.in_proj(residual))[1]
        made = quantizer.out_proj(quantizer.decode_code(code))
        residual = residual - made.detach()
        total = total + (made if depth is None else made * (place < depth)[:, None, None])
    codebook = (total - latent.detach()).square().mean() / energy
    commitment = (latent - total.detach()).square().mean() / energy
    return Quantized(latent + (total - latent).detach(), codebook, commitment)


def some_depths(count: int, books: int, share: float, generator: torch.Generator) -> Tensor:
    """Return how many codebooks each of ``count`` items is given: all, but for a ``share`` of the items fewer."""
    depths = torch.full((count,), books)
    few = round(share * count)
    depths[:few] = torch.randint(1, books + 1, (few,), generator=generator)
    return depths


def perplexity(codes: Tensor, size: int) -> list[float]:
    """Return for each codebook of [n, codebooks, times] how many entries are in even use: 2 to the entropy in bits."""
    counts = [torch.bincount(each.reshape(-1), minlength=size).double() for each in codes.unbind(1)]
    shares = [count / count.sum() for count in counts]
    return [float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum())) for share in shares]
