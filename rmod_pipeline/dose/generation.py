"""A mixture's codes -> a one-shot's codes, row after row.

    made = generate(model, mixtures, frames=90, tries=[Try(), Try(seed=1, temperature=1.0, top_p=0.9)])
    made.codes            # [windows, tries, codebooks, frames]
    made.best             # of each window the likeliest try

The layout is imposed and not hoped for: where it has no code a row is given a 0, and where it has one a 0 cannot be
chosen. So every answer has its full length, and no token is out of range. What comes out for a window and a try depends
on nothing else in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rmod_pipeline.dose.layout import code_area, codes_of_target, target_rows
from rmod_pipeline.dose.model import Dose, KeyValueCache
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One way to choose tokens. Raises UsageError for values that none can have."""

    seed: int = 0
    """Of the random numbers; no matter to a greedy try."""
    temperature: float = 0.0
    """0 is greedy: always the likeliest token. 1 is the model's own distribution, below it more cautious."""
    top_p: float = 1.0
    """Only the likeliest tokens are chosen from, as few as have this much probability together."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UsageError("--temperature", f"{self.temperature:g} cannot be", "give 0 (greedy) or more, such as 1")
        if not 0 < self.top_p <= 1:
            raise UsageError("--top-p", f"{self.top_p:g} cannot be", "give more than 0, and 1 (all tokens) at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One-shots, for every window and try."""

    codes: Tensor
    """[windows, tries, codebooks, frames] int64."""
    log_probability: Tensor
    """[windows, tries] float32: mean over codes, in nats, under the model's own distribution whatever the try's. The
    nearer to 0, the surer the model is of what it chose."""

    @property
    def best(self) -> Tensor:
        """Of each window the codes that the model is surest of: [windows, codebooks, frames]."""
        windows = torch.arange(len(self.codes), device=self.codes.device)
        return self.codes[windows, self.log_probability.argmax(1)]


@torch.no_grad()
def generate(
    model: Dose,
    mixtures: Tensor,
    frames: int,
    tries: Sequence[Try] = (Try(),),
    *,
    instruments: Tensor | None = None,
    cached: bool = True,
) -> Generated:
    """Return one-shots of so many frames for mixtures, codes [windows, codebooks, condition frames].

    ``instruments`` [windows] says which ones, to a model of several. Without ``cached`` everything is computed again at
    every row: the same answer, slowly. Raises DoseError for what the model cannot take.
    """
    _check(model, mixtures, instruments)
    rows = target_rows(frames, model.size.codebooks)
    training = model.training
    model.eval()
    try:
        way = (_Cached if cached else _Recomputed)(model, model.condition(mixtures), instruments, len(tries), rows)
        return _generated(way, _Chooser(tries, rows, model.size.codebooks, mixtures.device), frames)
    finally:
        model.train(training)


def _generated(way: _Decoder, chooser: _Chooser, frames: int) -> Generated:
    shape, books, device = (way.windows, way.tries), way.model.size.codebooks, way.condition.device
    rows = target_rows(frames, books)
    area = code_area(torch.tensor([frames], device=device), rows, books)[0]
    target = torch.zeros(way.windows * way.tries, rows, books, dtype=torch.int64, device=device)
    surprise = torch.zeros(shape, dtype=torch.float64, device=device)
    for row in range(1, rows - 1):
        logits = way.model.logits(way.after(target[:, :row])).float().unflatten(0, shape)
        logits[..., 0] = -torch.inf
        tokens = chooser.chosen(logits, row)
        likely = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        surprise -= (likely * area[row]).sum(-1)
        target[:, row] = (tokens * area[row]).flatten(0, 1)
    codes = codes_of_target(target).unflatten(0, shape)
    return Generated(codes=codes, log_probability=(-surprise / (frames * books)).float())


class _Chooser:
    """Logits -> tokens, for all windows and each in its tries' own ways."""

    def __init__(self, tries: Sequence[Try], rows: int, books: int, device: torch.device) -> None:
        temperature = torch.tensor([each.temperature for each in tries], dtype=torch.float64, device=device)
        self._greedy = (temperature == 0)[:, None]
        self._temperature = temperature.masked_fill(temperature == 0, 1.0)[:, None, None]
        self._top_p = torch.tensor([each.top_p for each in tries], dtype=torch.float64, device=device)[:, None, None]
        self._all_greedy = all(each.temperature == 0 for each in tries)
        self._points = torch.stack([_points(each.seed, rows, books) for each in tries]).to(device)

    def chosen(self, logits: Tensor, row: int) -> Tensor:
        """Return the tokens [windows, tries, codebooks] of logits [windows, tries, codebooks, vocabulary]."""
        likeliest = logits.argmax(-1)
        if self._all_greedy:
            return likeliest
        shares = _nucleus((logits.double() / self._temperature).softmax(-1), self._top_p)
        reached = shares.cumsum(-1)
        drawn = (reached <= self._points[:, row, :, None] * reached[..., -1:]).sum(-1)
        return torch.where(self._greedy, likeliest, drawn)


def _points(seed: int, rows: int, books: int) -> Tensor:
    """Return a random number in [0, 1) for every place: float64 [rows, codebooks].

    Of 32 bits, so that none times a sum comes out as the whole sum, where no token would be.
    """
    bits = Draw.of("dose tokens", seed).bits(rows * books)
    return torch.tensor([each >> 32 for each in bits], dtype=torch.float64).reshape(rows, books) * 2.0**-32


def _nucleus(shares: Tensor, top_p: Tensor) -> Tensor:
    """Return the shares [..., vocabulary], and 0 for all but the likeliest ones that have ``top_p`` together."""
    falling = shares.sort(-1, descending=True).values
    last = ((falling.cumsum(-1) - falling) < top_p).sum(-1, keepdim=True) - 1
    return shares.where(shares >= falling.gather(-1, last), 0.0)


class _Decoder:
    """How a model comes to know what comes after a row, for every window so many times as there are tries."""

    def __init__(self, model: Dose, condition: Tensor, instruments: Tensor | None, tries: int, rows: int) -> None:
        self.model, self.condition, self.windows, self.tries = model, condition, len(condition), tries
        self.instruments = None if instruments is None else instruments.repeat_interleave(tries, dim=0)
        self._begin(instruments, rows)

    def _begin(self, instruments: Tensor | None, rows: int) -> None:
        """Get ready for a target of so many rows."""
        raise NotImplementedError

    def after(self, target: Tensor) -> Tensor:
        """Return what the model knows after the target's rows so far, one more each time: [windows * tries, width]."""
        raise NotImplementedError


class _Recomputed(_Decoder):
    """Everything again at each row, as the published code does."""

    def _begin(self, instruments: Tensor | None, rows: int) -> None:  # noqa: ARG002
        self._before = self.condition.repeat_interleave(self.tries, dim=0)

    def after(self, target: Tensor) -> Tensor:
        return self.model.hidden(torch.cat([self._before, target], dim=1), self.instruments)[:, -1]


class _Cached(_Decoder):
    """A mixture once for all its tries, and then each row once."""

    def _begin(self, instruments: Tensor | None, rows: int) -> None:
        cache = KeyValueCache(self.condition.shape[1] + rows)
        self.model.hidden(self.condition, instruments, cache)
        self._cache = cache.repeated(self.tries)

    def after(self, target: Tensor) -> Tensor:
        return self.model.hidden(target[:, -1:], self.instruments, self._cache)[:, -1]


def _check(model: Dose, mixtures: Tensor, instruments: Tensor | None) -> None:
    size = model.size
    wanted = (size.codebooks, size.condition_frames)
    if mixtures.ndim != 3 or tuple(mixtures.shape[1:]) != wanted or mixtures.is_floating_point():
        found = f"{mixtures.dtype} {list(mixtures.shape)}, not integers [windows, {wanted[0]}, {wanted[1]}]"
        raise DoseError("mixture tokens", found, "give the codes of windows as long as those the model was trained on")
    least, most = (int(each) for each in mixtures.long().aminmax()) if mixtures.numel() else (0, 0)
    if least < 0 or most >= size.codebook_size:
        worst = least if least < 0 else most
        found = f"a code is {worst}, the model's codebooks hold 0 to {size.codebook_size - 1}"
        raise DoseError("mixture tokens", found, "give codes of the codec that the model was trained on")
    if model.instruments is None:
        return
    if instruments is None:
        raise DoseError("instruments", "none given to a model of several", "say which one each window is asked for")
    known = model.instruments.num_embeddings
    if len(instruments) != len(mixtures) or not bool(((instruments >= 0) & (instruments < known)).all()):
        found = f"{len(instruments)} for {len(mixtures)} windows, or not all of 0 to {known - 1}"
        raise DoseError("instruments", found, "give one for each window")
