"""The transformer: rows of tokens -> what the next row may be. Decoder only, causal, pre-norm.

    hidden = model.hidden(rows, instruments)      # [n, rows, codebooks] -> [n, rows, width]
    logits = model.logits(hidden[:, wanted])      # -> [n, wanted, codebooks, vocabulary]

The logits are the larger part of the memory, and most rows belong to the mixture and predict nothing: whoever asks says
for which rows they are wanted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rmod_pipeline.dose.layout import aligned_condition_of, condition_of
from rmod_pipeline.dose.recipe import ModelSize

SLOWEST = 10_000.0
"""Rows in a turn of the slowest sinusoid, over 2 pi; as in "Attention Is All You Need"."""


class Dose(nn.Module):
    """A DOSE model. With several ``instruments`` it is told for each item which one to extract; with one it is not."""

    def __init__(self, size: ModelSize, instruments: int = 1) -> None:
        super().__init__()
        self.size = size
        self.tokens = nn.ModuleList(nn.Embedding(size.vocabulary, size.width) for _ in range(size.codebooks))
        self.instruments = nn.Embedding(instruments, size.width) if instruments > 1 else None
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.codebooks * size.vocabulary)
        self._begin()

    def condition(self, mixtures: Tensor) -> Tensor:
        """Return the rows of mixtures' codes [n, codebooks, frames], as this model reads them: int64."""
        return aligned_condition_of(mixtures) if self.size.condition == "aligned" else condition_of(mixtures)

    def hidden(self, rows: Tensor, instruments: Tensor | None = None, cache: KeyValueCache | None = None) -> Tensor:
        """Return what the model knows after each row: [n, rows, width] of [n, rows, codebooks] int64.

        ``instruments`` [n] int64 is needed by a model of several. With a cache, the rows follow those that it holds and
        are added to it; after the first call they can only come one by one.
        """
        start = cache.rows if cache else 0
        known = self._embedded(rows, start)
        if self.instruments is not None:
            # On every row: what to listen for in the mixture depends on it.
            known = known + self.instruments(instruments)[:, None]
        turns = self._turns(start, rows.shape[1], rows.device)
        for place, block in enumerate(self.blocks):
            known = block(known, turns, cache, place)
        if cache:
            cache.rows += rows.shape[1]
        return known

    def logits(self, hidden: Tensor) -> Tensor:
        """Return [..., codebooks, vocabulary], for the row after each of [..., width]."""
        made: Tensor = self.head(self.norm(hidden))
        return made.unflatten(-1, (self.size.codebooks, self.size.vocabulary))

    def parameters_count(self) -> int:
        """Return how many numbers are fitted."""
        return sum(each.numel() for each in self.parameters())

    def _embedded(self, rows: Tensor, start: int) -> Tensor:
        # The published code begins its sum with codebook 0, and then adds all of them.
        codebooks = [0, *range(self.size.codebooks)] if self.size.reference_compatible else range(self.size.codebooks)
        first, *others = (self.tokens[k](rows[..., k]) for k in codebooks)
        summed: Tensor = sum(others, start=first)
        if self.size.reference_compatible or self.size.positions == "rotary":
            return summed
        return summed + sinusoids(start, rows.shape[1], self.size.width, rows.device)

    def _turns(self, start: int, rows: int, device: torch.device) -> Tensor | None:
        """Return the sines and cosines by which rotary queries and keys are turned; None where they are not."""
        if self.size.positions != "rotary":
            return None
        return sinusoids(start, rows, self.size.width // self.size.heads, device)

    @torch.no_grad()
    def _begin(self) -> None:
        """Set the first weights: rows of unit size, no part of the path louder with more layers, even predictions."""
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=part.in_features**-0.5)
                nn.init.zeros_(part.bias)
            elif isinstance(part, nn.Embedding):
                nn.init.normal_(part.weight, std=self.size.codebooks**-0.5)
        for part in self.modules():
            if isinstance(part, (Attention, FeedForward)):
                part.out.weight.mul_((2 * self.size.layers) ** -0.5)
        self.head.weight.mul_(0.1)


class Block(nn.Module):
    """x += attention(norm(x)); x += feed_forward(norm(x))."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size.width)
        self.attention = Attention(size)
        self.feed_forward_norm = nn.LayerNorm(size.width)
        self.feed_forward = FeedForward(size)

    def forward(self, known: Tensor, turns: Tensor | None, cache: KeyValueCache | None, place: int) -> Tensor:
        known = known + self.attention(self.attention_norm(known), turns, cache, place)
        added: Tensor = self.feed_forward(self.feed_forward_norm(known))
        return known + added


class Attention(nn.Module):
    """Every row looks at itself and at those before it, in several heads."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.heads, self.dropout = size.heads, size.dropout
        self.attention_dropout = size.dropout if size.attention_dropout is None else size.attention_dropout
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)

    def forward(self, known: Tensor, turns: Tensor | None, cache: KeyValueCache | None, place: int) -> Tensor:
        """Return [n, rows, width] of as many; ``location`` is the block's in the cache."""
        # [n, rows, 3 * width] -> three of [n, heads, rows, width / heads]
        parts = self.query_key_value(known).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if turns is not None:
            query, key = rotate(query, turns), rotate(key, turns)
        if cache:
            key, value = cache.extended(place, key, value)
        looked_up = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.attention_dropout if self.training else 0.0,
            is_causal=query.shape[2] > 1,  # one row alone comes last and sees all
        )
        out: Tensor = self.out(looked_up.transpose(1, 2).flatten(2))
        return functional.dropout(out, self.dropout, self.training)


class FeedForward(nn.Module):
    """Width -> more -> width, with GELU (the exact one) between."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.dropout = size.dropout
        self.into = nn.Linear(size.width, size.feed_forward)
        self.out = nn.Linear(size.feed_forward, size.width)

    def forward(self, known: Tensor) -> Tensor:
        return functional.dropout(self.out(functional.gelu(self.into(known))), self.dropout, self.training)


class KeyValueCache:
    """Keys and values of all rows so far, so that a row more costs a row and not all of them again."""

    def __init__(self, most_rows: int) -> None:
        self.most_rows, self.rows = most_rows, 0
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}
        """By block: keys and values, each [n, heads, most rows, width / heads]."""

    def extended(self, place: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add a block's keys and values [n, heads, rows, width / heads], and return all that it has by now."""
        if self.rows and key.shape[2] > 1:
            raise ValueError("after the first rows, a cache takes them one by one")
        if place not in self._kept:
            shape = (*key.shape[:2], self.most_rows, key.shape[3])
            self._kept[place] = key.new_empty(shape), value.new_empty(shape)
        keys, values = self._kept[place]
        end = self.rows + key.shape[2]
        keys[:, :, self.rows : end] = key
        values[:, :, self.rows : end] = value
        return keys[:, :, :end], values[:, :, :end]

    def repeated(self, times: int) -> KeyValueCache:
        """Return it with every item so many times in a row, to go on in as many ways."""
        many = KeyValueCache(self.most_rows)
        many.rows = self.rows
        for place, (keys, values) in self._kept.items():
            many._kept[place] = keys.repeat_interleave(times, dim=0), values.repeat_interleave(times, dim=0)
        return many


def rotate(known: Tensor, turns: Tensor) -> Tensor:
    """Return queries or keys [n, heads, rows, channels], each pair of channels turned by its row's angle.

    The product of two then depends on how far apart their rows are, and not on where they are (arXiv 2104.09864).
    """
    sine, cosine = turns.chunk(2, dim=-1)
    one, other = known.chunk(2, dim=-1)
    return torch.cat([one * cosine - other * sine, one * sine + other * cosine], dim=-1)


def sinusoids(start: int, rows: int, width: int, device: torch.device) -> Tensor:
    """Return the positions of rows from ``start`` on: float32 [rows, width], half of it sines, half cosines."""
    half = width // 2
    turns = torch.exp(torch.arange(half, device=device) * (-math.log(SLOWEST) / half))
    angles = torch.arange(start, start + rows, device=device)[:, None] * turns
    return torch.cat([angles.sin(), angles.cos()], dim=1)
