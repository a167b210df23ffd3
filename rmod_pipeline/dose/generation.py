"""Generate the codes of one-shots from mixtures, row by row.

    generated = generate(model, condition, frames=90, tries=[Sampling(), Sampling(seed=1, temperature=1.0, top_p=0.9)])
    generated.codes       # [windows, tries, codebooks, frames]
    generated.best        # [windows, codebooks, frames]: the most likely try of each window

Generation enforces the token layout: a token is 0 exactly where the layout has no code. So every result has its full
length, and no token is out of range. The result of a window and a try does not depend on the rest of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.layout import count_target_rows, make_code_mask, undelay_target
from rmod_pipeline.dose.model import Dose, KeyValueCache
from rmod_pipeline.dose.recipe import ModelSize
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How one try chooses its tokens. Raises UsageError for values out of range."""

    seed: int = 0
    """Seed of the random numbers; a greedy try needs none."""
    temperature: float = 0.0
    """0 is greedy: always the most likely token. 1 is the model's own distribution; lower values are more cautious."""
    top_p: float = 1.0
    """Choose among the fewest most likely tokens whose probabilities add up to this (nucleus sampling)."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise UsageError(
                "--temperature", f"{self.temperature:g} is out of range", "give 0 (greedy) or more, such as 1"
            )
        if not 0 < self.top_p <= 1:
            raise UsageError(
                "--top-p", f"{self.top_p:g} is out of range", "give more than 0, and 1 (all tokens) at most"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedCodes:
    """The one-shots of every window and try."""

    codes: Tensor
    """[windows, tries, codebooks, frames] int64."""
    log_probability: Tensor
    """[windows, tries] float32: mean over the codes, in nats, under the model's own distribution whatever the sampling.
    Values nearer to 0 are more likely."""

    @property
    def best(self) -> Tensor:
        """The codes of the most likely try of each window: [windows, codebooks, frames]."""
        windows = torch.arange(len(self.codes), device=self.codes.device)
        return self.codes[windows, self.log_probability.argmax(1)]


@torch.no_grad()
def generate(
    model: Dose,
    condition: Condition,
    frames: int,
    tries: Sequence[Sampling] = (Sampling(),),
    *,
    instruments: Tensor | None = None,
    cached: bool = True,
) -> GeneratedCodes:
    """Generate one-shots of ``frames`` frames for mixtures, of which the model needs the codes or the levels.

    ``instruments`` [windows] int64 is the class to extract from each, for a model of several instruments. Without
    ``cached``, every row computes all rows before it again: the same result, slowly. Raises DoseError for input that
    does not fit the model.
    """
    _check_input(model, condition, instruments)
    rows = count_target_rows(frames, model.size.codebooks)
    training = model.training
    model.eval()
    try:
        decoder_class = _CachedDecoder if cached else _UncachedDecoder
        decoder = decoder_class(model, condition, instruments, len(tries), frames)
        return _generate_rows(decoder, _Sampler(tries, rows, model.size.codebooks, decoder.device), frames)
    finally:
        model.train(training)


def _generate_rows(decoder: _Decoder, sampler: _Sampler, frames: int) -> GeneratedCodes:
    """Sample the target rows from the second to the last but one; the first and the last are zeros."""
    shape, device = (decoder.windows, decoder.tries), decoder.device
    codebooks = decoder.model.size.codebooks
    rows = count_target_rows(frames, codebooks)
    mask = make_code_mask(torch.tensor([frames], device=device), rows, codebooks)[0]
    target = torch.zeros(decoder.windows * decoder.tries, rows, codebooks, dtype=torch.int64, device=device)
    nats = torch.zeros(shape, dtype=torch.float64, device=device)
    for row in range(1, rows - 1):
        logits = decoder.model.compute_logits(decoder.hidden_after(target[:, :row])).float().unflatten(0, shape)
        logits[..., 0] = -torch.inf
        tokens = sampler.sample(logits, row)
        log_probability = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
        nats -= (log_probability * mask[row]).sum(-1)
        target[:, row] = (tokens * mask[row]).flatten(0, 1)
    codes = undelay_target(target).unflatten(0, shape)
    return GeneratedCodes(codes=codes, log_probability=(-nats / (frames * codebooks)).float())


class _Sampler:
    """Choose tokens from logits, for all windows, with the sampling of each try."""

    def __init__(self, tries: Sequence[Sampling], rows: int, codebooks: int, device: torch.device) -> None:
        temperature = torch.tensor([sampling.temperature for sampling in tries], dtype=torch.float64, device=device)
        top_p = torch.tensor([sampling.top_p for sampling in tries], dtype=torch.float64, device=device)
        self._greedy = (temperature == 0)[:, None]
        self._temperature = temperature.masked_fill(temperature == 0, 1.0)[:, None, None]
        self._top_p = top_p[:, None, None]
        self._all_greedy = all(sampling.temperature == 0 for sampling in tries)
        self._uniforms = torch.stack([_draw_uniforms(sampling.seed, rows, codebooks) for sampling in tries]).to(device)

    def sample(self, logits: Tensor, row: int) -> Tensor:
        """Return tokens [windows, tries, codebooks] for logits [windows, tries, codebooks, vocabulary]."""
        most_likely = logits.argmax(-1)
        if self._all_greedy:
            return most_likely
        probabilities = _keep_nucleus((logits.double() / self._temperature).softmax(-1), self._top_p)
        cumulative = probabilities.cumsum(-1)
        sampled = (cumulative <= self._uniforms[:, row, :, None] * cumulative[..., -1:]).sum(-1)
        return torch.where(self._greedy, most_likely, sampled)


def _draw_uniforms(seed: int, rows: int, codebooks: int) -> Tensor:
    """Draw a number in [0, 1) for every token: float64 [rows, codebooks].

    It has 32 bits only, so that its product with a sum is never rounded up to that sum, where no token would be left.
    """
    bits = Draw.of("dose tokens", seed).bits(rows * codebooks)
    return torch.tensor([number >> 32 for number in bits], dtype=torch.float64).reshape(rows, codebooks) * 2.0**-32


def _keep_nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Return probabilities [..., vocabulary] with 0 for all but the most likely tokens that add up to ``top_p``."""
    descending = probabilities.sort(-1, descending=True).values
    last = ((descending.cumsum(-1) - descending) < top_p).sum(-1, keepdim=True) - 1
    return probabilities.where(probabilities >= descending.gather(-1, last), 0.0)


class _Decoder:
    """Compute hidden states after target rows, for every window and try."""

    def __init__(self, model: Dose, condition: Condition, instruments: Tensor | None, tries: int, frames: int) -> None:
        self.model, self.windows, self.tries = model, len(condition), tries
        embedded = model.embed_condition(condition)
        self.device = embedded.device
        inside = torch.ones(self.windows, frames, dtype=torch.bool, device=self.device)
        at_hits = model.listen(condition, instruments, inside)
        self._at_hits = None if at_hits is None else at_hits.repeat_interleave(tries, dim=0)
        self.instruments = None if instruments is None else instruments.repeat_interleave(tries, dim=0)
        self._prepare(embedded, instruments, count_target_rows(frames, model.size.codebooks))

    def _prepare(self, condition: Tensor, instruments: Tensor | None, rows: int) -> None:
        """Prepare for a target of ``rows`` rows after embedded rows [windows, condition rows, width].

        ``instruments`` [windows] are not yet repeated for each try.
        """
        raise NotImplementedError

    def hidden_after(self, target: Tensor) -> Tensor:
        """Return the hidden state after target rows; each call has one row more than the call before.

        target [windows * tries, rows, codebooks] int64; returns [windows * tries, width].
        """
        raise NotImplementedError


class _UncachedDecoder(_Decoder):
    """Compute all rows again for each new row, as the published code does."""

    def _prepare(self, condition: Tensor, instruments: Tensor | None, rows: int) -> None:  # noqa: ARG002
        self._condition = condition.repeat_interleave(self.tries, dim=0)

    def hidden_after(self, target: Tensor) -> Tensor:
        rows = torch.cat([self._condition, self.model.embed_target(target, self._at_hits)], dim=1)
        return self.model.compute_hidden(rows, self.instruments)[:, -1]


class _CachedDecoder(_Decoder):
    """Keep keys and values: compute each mixture once for all its tries, and then each target row once."""

    def _prepare(self, condition: Tensor, instruments: Tensor | None, rows: int) -> None:
        kv_cache = KeyValueCache(self.model.size.layers, condition.shape[1] + rows)
        self.model.compute_hidden(condition, instruments, kv_cache)
        self._kv_cache = kv_cache.repeat(self.tries)

    def hidden_after(self, target: Tensor) -> Tensor:
        row = self.model.embed_target(target[:, -1:], self._at_hits, first=target.shape[1] - 1)
        return self.model.compute_hidden(row, self.instruments, self._kv_cache)[:, -1]


def _check_input(model: Dose, condition: Condition, instruments: Tensor | None) -> None:
    """Raise DoseError unless a model can be given this input."""
    if model.size.condition == "tokens":
        _check_tokens(model.size, condition.tokens)
    else:
        assert model.hearing is not None
        _check_levels(model.hearing, model.size.condition_frames, condition.levels)
    if model.instruments is not None:
        _check_instruments(instruments, len(condition), model.instruments.num_embeddings)


def _check_tokens(size: ModelSize, tokens: Tensor | None) -> None:
    expected = f"integers [windows, {size.codebooks}, {size.condition_frames}]"
    shape = (size.codebooks, size.condition_frames)
    if tokens is None or tokens.ndim != 3 or tuple(tokens.shape[1:]) != shape or tokens.is_floating_point():
        found = "none given" if tokens is None else f"{tokens.dtype} {list(tokens.shape)}, not {expected}"
        raise DoseError("mixture tokens", found, "give the codes of windows as long as those the model was trained on")
    lowest, highest = (int(code) for code in tokens.long().aminmax()) if tokens.numel() else (0, 0)
    if lowest < 0 or highest >= size.codebook_size:
        code = lowest if lowest < 0 else highest
        found = f"a code is {code}, but the model's codebooks hold 0 to {size.codebook_size - 1}"
        raise DoseError("mixture tokens", found, "give codes of the codec that the model was trained on")


def _check_levels(hearing: Hearing, frames: int, levels: Tensor | None) -> None:
    shape = (len(hearing.mel.windows), hearing.mel.bands, frames)
    if levels is None or levels.dtype != torch.uint8 or tuple(levels.shape[1:]) != shape:
        expected = f"bytes [windows, {', '.join(map(str, shape))}]"
        found = "none given" if levels is None else f"{levels.dtype} {list(levels.shape)}, not {expected}"
        raise DoseError(
            "mixture levels", found, "give the log-mel levels of windows, as the model's LogMel computes them"
        )


def _check_instruments(instruments: Tensor | None, windows: int, classes: int) -> None:
    if instruments is None:
        found = "none given to a model of several instruments"
        raise DoseError("instruments", found, "give the class to extract from each window")
    if len(instruments) != windows or not bool(((instruments >= 0) & (instruments < classes)).all()):
        found = f"{len(instruments)} for {windows} windows, or not all of 0 to {classes - 1}"
        raise DoseError("instruments", found, "give one for each window")
