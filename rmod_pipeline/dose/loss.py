"""How far a model is from the codes it ought to predict: on the whole one-shot, and on its onset."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.dose.layout import code_area, onset_area, target_of
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import LossSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of token arrays, on the model's device."""

    mixtures: Tensor
    """[n, codebooks, condition frames], codes."""
    targets: Tensor
    """[n, codebooks, frames], codes; -1 where a shorter window than the longest has ended."""
    lengths: Tensor
    """[n] int64: frames of each target that hold sound; the rest of its window is the codec's silence."""
    instruments: Tensor | None = None
    """[n] int64: which one each target is of, for a model of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseLosses:
    """Cross-entropies in nats a token, each a mean over so many tokens."""

    total: Tensor
    """What to follow: full + weight * onset."""
    full: Tensor
    onset: Tensor
    full_tokens: Tensor
    onset_tokens: Tensor

    def parts(self) -> dict[str, float]:
        """Return the numbers by name, for a report."""
        parts = {"total": self.total, "full": self.full, "onset": self.onset}
        return {name: float(part.detach()) for name, part in parts.items()}


def dose_losses(model: Dose, pairs: Pairs, settings: LossSettings) -> DoseLosses:
    """Return the losses of a model on pairs.

    Only codes count. The zeros around them (in the published code a tenth of all places, half of the onset's) are fixed
    by the layout, and generation never asks for them.
    """
    condition, target = model.condition(pairs.mixtures), target_of(pairs.targets)
    counted = counted_places(pairs, target, settings)[:, 1:-1]
    # Row r predicts row r + 1; the target's last row is zeros and predicted by nobody.
    heard, before = condition, target[:, :-2]
    if model.training and (model.size.condition_dropout or model.size.history_dropout):
        # Who has all of what came before goes on from there and does not listen; generation begins with nothing.
        shares = model.size.history_dropout * torch.rand(len(before), 1, 1, device=before.device)
        heard, before = _thinned(heard, model.size.condition_dropout), _thinned(before, shares)
    hidden = model.hidden(torch.cat([heard, before], dim=1), pairs.instruments)[:, condition.shape[1] :]
    needed = counted.any(2)
    places, wanted = counted[needed], target[:, 1:-1][needed]
    logits = model.logits(hidden[needed])
    surprise = functional.cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="none")
    onset_places = onset_area(target.shape[1], target.shape[2])[1:-1].to(counted.device).expand_as(counted)[needed]
    full, full_tokens = _mean(surprise, places.flatten())
    onset, onset_tokens = _mean(surprise, (places & onset_places).flatten())
    total = full + settings.onset * onset
    return DoseLosses(total=total, full=full, onset=onset, full_tokens=full_tokens, onset_tokens=onset_tokens)


def _thinned(rows: Tensor, share: float | Tensor) -> Tensor:
    """Return rows [n, rows, codebooks] with so many of their codes left out, 0 in their place."""
    return rows * (torch.rand(rows.shape, device=rows.device) >= share)


def counted_places(pairs: Pairs, target: Tensor, settings: LossSettings) -> Tensor:
    """Return the places of target rows [n, rows, codebooks] that the loss counts: bool, of the same shape."""
    codes = target > 0
    if settings.tail == "learned":
        return codes
    return codes & code_area(pairs.lengths, target.shape[1], target.shape[2])


def _mean(values: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean of the values [m] at places [m], 0 if there are none, and how many there are."""
    count = where.sum()
    return (values * where).sum() / count.clamp_min(1), count
