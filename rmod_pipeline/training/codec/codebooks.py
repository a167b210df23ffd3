"""Fit the codebooks of a codec to the latents of its encoder, so that all entries are used.

Residual codebooks that start as noise need thousands of steps to match the sound, or collapse. So the codec is first
trained without codebooks; then they are computed, and again while the encoder still changes. Each codebook is computed
in turn: the principal directions of the residual of the earlier codebooks, then k-means within these directions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

K_MEANS_ROUNDS = 12

CONSTANT_CHANNEL = 2.0
"""Value of a codebook's constant channel, relative to the norm of its other channels; see ``_CodebookFit``."""


@torch.no_grad()
def fit_codebooks(model: Any, latents: Tensor, generator: torch.Generator) -> list[float]:
    """Compute a model's projections and codebooks from latents [n, latent_dim] of its encoder.

    Returns, after each codebook, the share of the latents' energy that is still missing.
    """
    residual, missing = latents.clone(), []
    total = (latents - latents.mean(0)).square().sum()
    for quantizer in model.quantizer.quantizers:
        _CodebookFit(quantizer, residual, generator).run()
        residual = residual - quantizer(residual.t()[None])[0][0].t()
        missing.append(float(residual.square().sum() / total))
    return missing


class _CodebookFit:
    """Compute the entries of one codebook and the projections around it from a residual [n, latent_dim].

    DAC looks up an entry by its direction alone. Therefore one channel is a constant: the directions of vectors with a
    large common part are as far apart as their ends, so loudness is distinguished as well.
    """

    def __init__(self, quantizer: Any, residual: Tensor, generator: torch.Generator) -> None:
        self.quantizer, self.residual, self.generator = quantizer, residual, generator
        self.size, self.dim = quantizer.codebook.weight.shape

    def run(self) -> None:
        """Set the projections and the entries of the quantizer."""
        mean = self.residual.mean(0)
        directions = self._principal_directions(self.residual - mean)
        scale = float((self.residual - mean).matmul(directions).square().sum(1).mean().sqrt().clamp_min(1e-8))
        self._set_weight(self.quantizer.in_proj, torch.cat([directions.t() / scale, torch.zeros(1, len(mean))]))
        constant = torch.full((1,), CONSTANT_CHANNEL)
        self.quantizer.in_proj.bias.copy_(torch.cat([-(mean @ directions) / scale, constant]))
        self._set_weight(self.quantizer.out_proj, torch.cat([directions * scale, torch.zeros(len(mean), 1)], dim=1))
        self.quantizer.out_proj.bias.copy_(mean)
        projected = self.quantizer.in_proj(self.residual.t()[None])[0].t()
        self.quantizer.codebook.weight.copy_(k_means(projected, self.size, self.generator))

    def _principal_directions(self, centred: Tensor) -> Tensor:
        """Return the directions [latent_dim, dim - 1] of most energy of vectors [n, latent_dim]."""
        _, vectors = torch.linalg.eigh(centred.t() @ centred)
        directions: Tensor = vectors.flip(1)[:, : self.dim - 1]
        return directions

    def _set_weight(self, convolution: Any, weight: Tensor) -> None:
        """Set the weight of a weight-normed convolution of width 1. Noise gives rows of zeros a direction."""
        weight = weight + 1e-6 * torch.randn(weight.shape, generator=self.generator)
        convolution.weight_v.copy_(weight[..., None])
        convolution.weight_g.copy_(weight.norm(dim=1)[:, None, None])


def k_means(vectors: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return means [size, dim] of vectors [n, dim]; each vector belongs to the mean nearest in direction."""
    means = vectors[torch.randint(len(vectors), (size,), generator=generator)].clone()
    for _ in range(K_MEANS_ROUNDS):
        nearest = (normalize(vectors) @ normalize(means).t()).argmax(1)
        counts = torch.bincount(nearest, minlength=size)
        sums = torch.zeros_like(means).index_add_(0, nearest, vectors)
        means = sums / counts.clamp_min(1)[:, None]
        unused = (counts == 0).nonzero().squeeze(1)
        means[unused] = vectors[torch.randint(len(vectors), (len(unused),), generator=generator)]
    return means


class QuantizedLatents(NamedTuple):
    """Quantized latents and the losses of their quantization."""

    latent: Tensor
    """[n, latent_dim, times]: sum of the nearest entries; its gradient passes to the encoder unchanged."""
    codebook: Tensor
    """Energy of the residual as a share of ``energy``; moves entries towards the latents."""
    commitment: Tensor
    """The same number; moves latents towards the entries."""


def quantize(model: Any, latent: Tensor, energy: float, depth: Tensor | None = None) -> QuantizedLatents:
    """Quantize latents [n, latent_dim, times]; item ``i`` with the first ``depth[i]`` codebooks only.

    This differs from the forward pass of ``dac`` in its gradients. There, the loss of each codebook is measured in the
    units of its own projection. The last codebooks hold little energy and have large projections, so their losses
    dominate and grow without bound (seen: from 0.6 to 58 within four minutes). Here a single loss is measured in the
    units of the latents, and its gradient reaches the entries only; ``fit_codebooks`` computes the projections, which
    stay fixed. ``energy`` is the energy of the latents at that fit: relative to their current energy they could grow
    freely (seen: to 1e9).
    """
    residual, total = latent.detach(), torch.zeros_like(latent)
    for index, quantizer in enumerate(model.quantizer.quantizers):
        with torch.no_grad():
            code = quantizer.decode_latents(quantizer.in_proj(residual))[1]
        decoded = quantizer.out_proj(quantizer.decode_code(code))
        residual = residual - decoded.detach()
        total = total + (decoded if depth is None else decoded * (index < depth)[:, None, None])
    codebook = (total - latent.detach()).square().mean() / energy
    commitment = (latent - total.detach()).square().mean() / energy
    return QuantizedLatents(latent + (total - latent).detach(), codebook, commitment)


def draw_depths(count: int, codebooks: int, share: float, generator: torch.Generator) -> Tensor:
    """Return the number of codebooks [count] for each item: fewer than all for a ``share`` of the items."""
    depths = torch.full((count,), codebooks)
    shallow = round(share * count)
    depths[:shallow] = torch.randint(1, codebooks + 1, (shallow,), generator=generator)
    return depths


def perplexity(codes: Tensor, size: int) -> list[float]:
    """Return each codebook's perplexity for codes [n, codebooks, times]; it is ``size`` if entries are used evenly."""
    counts = [torch.bincount(codebook.reshape(-1), minlength=size).double() for codebook in codes.unbind(1)]
    shares = [count / count.sum() for count in counts]
    return [float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum())) for share in shares]
