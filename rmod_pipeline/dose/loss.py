"""Compute the losses of a model: cross-entropy over the codes of the whole one-shot, and over those of its onset."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.hearing import drop_values
from rmod_pipeline.dose.layout import ABSENT, delay_target, make_code_mask, make_onset_mask
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import LossSettings
from rmod_pipeline.ear.pooling import NO_HIT

LOSS_PARTS = ("full", "onset")
"""The losses that are reported, in nats per code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBatch:
    """A batch of mixtures and one-shots as codes, on the model's device."""

    mixtures: Tensor
    """[n, codebooks, condition frames] integers."""
    targets: Tensor
    """[n, codebooks, frames] integers; -1 after the end of a window that is shorter than the longest."""
    lengths: Tensor
    """[n] int64: frames of each target that hold sound; the rest of its window is the codec's silence."""
    instruments: Tensor | None = None
    """[n] int64: the instrument class of each target, for a model of several instruments."""
    levels: Tensor | None = None
    """[n, windows, bands, condition frames] uint8: the log-mel levels of the mixtures, for models that hear them."""
    hits: Tensor | None = None
    """[n, most] int64: known hits of each target in its mixture, in frames, padded with -1; used in training only."""

    @property
    def condition(self) -> Condition:
        """What a model is given of the mixtures."""
        return Condition(tokens=self.mixtures, levels=self.levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseLosses:
    """Cross-entropies in nats per code, each a scalar tensor."""

    total: Tensor
    """The loss to minimise: full + weight * onset."""
    full: Tensor
    """Mean over all codes that count."""
    onset: Tensor
    """Mean over those that belong to the onset."""
    full_tokens: Tensor
    """Number of codes in ``full``."""
    onset_tokens: Tensor
    """Number of codes in ``onset``."""

    def to_dict(self) -> dict[str, float]:
        """Return the three losses by name, for a report."""
        parts = {"total": self.total, "full": self.full, "onset": self.onset}
        return {name: float(part.detach()) for name, part in parts.items()}

    def sums(self) -> Tensor:
        """Return float64 [(full, onset), (nats, codes)], which can be added up over batches."""
        parts = ((self.full, self.full_tokens), (self.onset, self.onset_tokens))
        return torch.stack([torch.stack([loss.double() * count, count.double()]) for loss, count in parts])


def compute_losses(model: Dose, batch: TokenBatch, settings: LossSettings) -> DoseLosses:
    """Return the losses of a model on a batch.

    Only codes count. The zeros around them (in the published code a tenth of all tokens, half of the onset's) are fixed
    by the layout, and generation never predicts them.
    """
    target = delay_target(batch.targets)
    counted = make_loss_mask(batch, target, settings)[:, 1:-1]
    # Row r predicts row r + 1. The last row of the target is zeros, and nothing predicts it.
    history = target[:, :-2]
    inputs = _embed_inputs(model, batch, history)
    hidden = model.compute_hidden(inputs, batch.instruments)[:, -history.shape[1] :]
    needed = counted.any(2)
    mask, expected = counted[needed], target[:, 1:-1][needed]
    logits = model.compute_logits(hidden[needed])
    nats = functional.cross_entropy(logits.flatten(0, 1).float(), expected.flatten(), reduction="none")
    onset_mask = make_onset_mask(target.shape[1], target.shape[2])[1:-1].to(counted.device).expand_as(counted)[needed]
    full, full_tokens = _masked_mean(nats, mask.flatten())
    onset, onset_tokens = _masked_mean(nats, (mask & onset_mask).flatten())
    total = full + settings.onset * onset
    return DoseLosses(total=total, full=full, onset=onset, full_tokens=full_tokens, onset_tokens=onset_tokens)


def make_loss_mask(batch: TokenBatch, target: Tensor, settings: LossSettings) -> Tensor:
    """Return which tokens of target rows [n, rows, codebooks] the loss counts: bool of the same shape."""
    codes = target > 0
    if settings.tail == "learned":
        return codes
    return codes & make_code_mask(batch.lengths, target.shape[1], target.shape[2])


def _embed_inputs(model: Dose, batch: TokenBatch, history: Tensor) -> Tensor:
    """Return the embedded rows of condition and history [n, rows, codebooks]; in training with parts left out.

    A model that always sees all earlier codes continues from them and ignores the mixture; but generation starts
    without any earlier code.
    """
    dropout, given = None, batch.condition
    known = _choose_known_hits(model, batch)
    if model.training and (model.size.condition_dropout or model.size.history_dropout):
        dropout = model.size.condition_dropout
        shares = model.size.history_dropout * torch.rand(len(history), 1, 1, device=history.device)
    if model.mel is None:
        rows = model.lay_out_condition(given, dropout)
        history = history if dropout is None else drop_values(history, shares)
        # Embedded together: in two parts, the sums of the gradients would be rounded otherwise than they always were.
        return model.embed_tokens(torch.cat([rows, history], dim=1))
    condition = model.embed_condition(given, dropout)
    history = history if dropout is None else drop_values(history, shares)
    at_hits = model.listen(given, batch.instruments, batch.targets[:, 0] != ABSENT, known, dropout)
    return torch.cat([condition, model.embed_target(history, at_hits)], dim=1)


def _choose_known_hits(model: Dose, batch: TokenBatch) -> Tensor | None:
    """Return the hits that training does not leave to the ear: [n, most], -1 for other items; None without an ear."""
    if model.listener is None or not model.training or batch.hits is None:
        return None
    use = torch.rand(len(batch.hits), 1, device=batch.hits.device) < model.size.hits_known
    return batch.hits.where(use, NO_HIT)


def _masked_mean(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of the values [m] under a mask [m] and their number; the mean of none is 0."""
    count = mask.sum()
    return (values * mask).sum() / count.clamp_min(1), count
