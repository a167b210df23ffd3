"""Codebooks that are used: fitted to what is encoded, and set again where nothing falls to an entry.

Residual codebooks that begin as noise take thousands of steps to find the sound, or collapse. So the codec is trained
without them at first, and then they are computed: for each in turn, the principal directions of what the earlier ones
left over, and k-means within these.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

MEMORY = 4096
"""Latest vectors kept for each codebook, from which new entries are taken."""

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


class Revival:
    """Watches which entries of each codebook are chosen, and moves those that are not to where the sound is."""

    def __init__(self, model: Any) -> None:
        self.quantizers = list(model.quantizer.quantizers)
        size, dim = self.quantizers[0].codebook.weight.shape
        self._used = torch.zeros(len(self.quantizers), size, dtype=torch.bool)
        self._recent = [torch.zeros(0, dim) for _ in self.quantizers]

    @torch.no_grad()
    def watch(self, codes: Tensor, latents: Tensor) -> None:
        """Note a step's codes [n, codebooks, times] and latents [n, codebooks * dim, times]."""
        parts = latents.chunk(len(self.quantizers), dim=1)
        for place, (code, part) in enumerate(zip(codes.unbind(1), parts, strict=True)):
            self._used[place, code.reshape(-1).cpu()] = True
            vectors = part.detach().transpose(1, 2).reshape(-1, part.shape[1]).cpu()
            self._recent[place] = torch.cat([self._recent[place], vectors])[-MEMORY:]

    @torch.no_grad()
    def revive(self, followers: list[Any], generator: torch.Generator) -> int:
        """Give every entry that was not used since the last call a recent vector; return how many there were.

        ``followers`` are quantizers that must hold the same entries: the averaged weights'.
        """
        revived = 0
        for place, quantizer in enumerate(self.quantizers):
            idle = (~self._used[place]).nonzero().squeeze(1)
            recent = self._recent[place]
            if len(idle) and len(recent):
                chosen = recent[torch.randint(len(recent), (len(idle),), generator=generator)]
                for each in (quantizer, followers[place]):
                    each.codebook.weight[idle.to(each.codebook.weight.device)] = chosen.to(each.codebook.weight.device)
                revived += len(idle)
        self._used.zero_()
        return revived


def perplexity(codes: Tensor, size: int) -> list[float]:
    """Return for each codebook of [n, codebooks, times] how many entries are in even use: 2 to the entropy in bits."""
    counts = [torch.bincount(each.reshape(-1), minlength=size).double() for each in codes.unbind(1)]
    shares = [count / count.sum() for count in counts]
    return [float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum())) for share in shares]
