"""Compute the losses of an ear: hits, description, and contrast between the one-shots of a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.ear.hits import find_hit_frames
from rmod_pipeline.ear.model import Description, Ear, HeardMixture, describe_levels
from rmod_pipeline.ear.recipe import EarLossSettings

SMALL_DISTANCE = 1e-3
"""Added to squared distances of points, so that their logarithm is finite and small differences count little."""
LOSS_PARTS = ("hits", "description", "spectrum", "contrast")


@dataclass(frozen=True, slots=True, kw_only=True)
class EarBatch:
    """Mixtures, the hits of every instrument in them, and the one-shots behind these."""

    levels: Tensor
    """[n, windows, bands, frames] uint8: the mixtures."""
    hits: Tensor
    """[n, instruments, most] int64: ascending frames of hits, padded with -1."""
    targets: Tensor
    """[n, instruments, windows, bands, sound frames] uint8: the dry one-shots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarLosses:
    """The losses of a batch, each [instruments]."""

    parts: Mapping[str, Tensor]
    """By name: ``hits`` in nats per frame, ``description`` in units of 40 dB, ``spectrum`` and
    ``contrast`` in nats."""
    total: Tensor
    """The weighted sum, averaged over instruments: a scalar."""


def compute_ear_losses(model: Ear, batch: EarBatch, settings: EarLossSettings) -> EarLosses:
    """Return the losses of a model on a batch; in training some descriptions are made of heard hits."""
    heard = model.listen(_vary_levels(batch.levels, settings.gain_steps) if model.training else batch.levels)
    count, instruments = batch.hits.shape[:2]
    classes = torch.arange(instruments, device=batch.hits.device).repeat(count)
    hits = _choose_hits(heard.hit_logits.detach(), batch.hits, settings.heard if model.training else 1.0)
    repeated = HeardMixture(
        heard.levels.repeat_interleave(instruments, 0),
        heard.encoded.repeat_interleave(instruments, 0),
        heard.hit_logits,
    )
    description = model.describe(repeated, hits.flatten(0, 1), classes)
    truth = describe_levels(batch.targets.flatten(0, 1), model.size.description_frames)
    per_item = description_loss(description, truth).unflatten(0, (count, instruments))
    embedded = model.embed(truth, classes).unflatten(0, (count, instruments))
    parts = {
        "hits": _hit_loss(heard.hit_logits, batch.hits),
        "description": per_item.mean(0),
        "spectrum": _spectrum_loss(description, model.place(batch.targets.flatten(0, 1), classes), instruments),
        "contrast": _contrast_loss(
            description.embedding.unflatten(0, (count, instruments)), embedded, settings.temperature
        ),
    }
    total = torch.stack([getattr(settings, name) * part.mean() for name, part in parts.items()]).sum()
    return EarLosses(parts=parts, total=total)


def _vary_levels(levels: Tensor, most_steps: int) -> Tensor:
    """Return the levels [n, windows, bands, frames] of louder or softer mixtures; what is silent stays so."""
    steps = torch.randint(-most_steps, most_steps + 1, (len(levels), 1, 1, 1), device=levels.device)
    return torch.where(levels > 0, (levels.int() + steps).clamp(0, 255), 0).to(torch.uint8)


def _choose_hits(logits: Tensor, known: Tensor, share: float) -> Tensor:
    """Return the known hits [n, instruments, most]; for a ``share`` of the items, those that the model hears."""
    heard = find_hit_frames(logits, known.shape[2])
    use_heard = torch.rand(known.shape[:2], device=known.device) < share
    return torch.where(use_heard[..., None], heard, known)


def _hit_loss(logits: Tensor, hits: Tensor) -> Tensor:
    """Return the binary cross-entropy per frame: [instruments].

    The frames beside a hit count neither as one nor as none: a hit may begin at the edge of its frame.
    """
    truth = torch.zeros_like(logits)
    truth.scatter_add_(2, hits.clamp_min(0), (hits >= 0).to(logits.dtype)).clamp_(max=1)
    beside = functional.max_pool1d(truth, 3, stride=1, padding=1) - truth
    nats = functional.binary_cross_entropy_with_logits(
        logits, truth, reduction="none", pos_weight=truth.new_tensor(4.0)
    )
    return (nats * (1 - beside)).mean((0, 2))


def description_loss(description: Description, truth: Tensor) -> Tensor:
    """Return the mean absolute and squared difference of levels: [n]."""
    difference = description.levels - truth
    return difference.square().mean((1, 2)) + 0.2 * difference.abs().mean((1, 2))


def _spectrum_loss(description: Description, placed: Tensor, instruments: int) -> Tensor:
    """Return how far points are from where the one-shots are: [instruments]; 0 for an ear without points.

    The logarithm of the root of the mean squared distance, because kicks differ by far less than hi-hats: a drop by a
    tenth counts alike for both.
    """
    distances = (description.spectrum - placed).square().sum((1, 2)).unflatten(0, (-1, instruments)).mean(0)
    nats: Tensor = 0.5 * (distances + SMALL_DISTANCE).log()
    return nats if placed.shape[2] else distances


def _contrast_loss(heard: Tensor, known: Tensor, temperature: float) -> Tensor:
    """Return how hard it is to tell the own one-shot from those of other pairs: nats [instruments].

    Both [n, instruments, embedding]; InfoNCE in both directions (arXiv 2103.00020).
    """
    logits = torch.einsum("nie,mie->inm", heard, known) / temperature
    truth = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    forward = functional.cross_entropy(logits.transpose(1, 2), truth, reduction="none")
    backward = functional.cross_entropy(logits, truth, reduction="none")
    return (forward + backward).mean(1) / 2
