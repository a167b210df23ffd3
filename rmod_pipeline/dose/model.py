"""The DOSE transformer: from embedded rows to the logits of the next row. Decoder only, causal, pre-norm.

    rows = torch.cat([model.embed_condition(condition), model.embed_target(target, at_hits)], dim=1)
    hidden = model.compute_hidden(rows, instruments)      # [n, rows, width] -> [n, rows, width]
    logits = model.compute_logits(hidden[:, chosen])      # -> [n, chosen, codebooks, vocabulary]

Logits take most of the memory, and most rows belong to the mixture and predict nothing. So callers choose the rows
whose logits they need.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.hearing import Hearing, HitListener, drop_values
from rmod_pipeline.dose.layout import align_condition, delay_condition
from rmod_pipeline.dose.recipe import ModelSize
from rmod_pipeline.ear.model import scale_levels

LONGEST_WAVELENGTH = 10_000.0
"""Rows per period of the slowest sinusoid, divided by 2 pi; as in "Attention Is All You Need"."""


class Dose(nn.Module):
    """A DOSE model. One of several ``instruments`` also takes the class to extract for each item of a batch.

    ``hearing`` is required unless the condition is tokens. The names of parameters are part of the checkpoint format.
    """

    def __init__(self, size: ModelSize, instruments: int = 1, hearing: Hearing | None = None) -> None:
        super().__init__()
        self.size, self.hearing = size, hearing
        self.tokens = nn.ModuleList(nn.Embedding(size.vocabulary, size.width) for _ in range(size.codebooks))
        self.instruments = nn.Embedding(instruments, size.width) if instruments > 1 else None
        self.blocks = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.codebooks * size.vocabulary)
        self.mel: nn.Linear | None = None
        self.listener: HitListener | None = None
        if size.condition != "tokens":
            assert hearing is not None
            self.mel = nn.Linear(len(hearing.mel.windows) * hearing.mel.bands, size.width)
        self._initialize_weights()
        if size.condition == "ear":
            assert hearing is not None
            self.listener = HitListener(hearing, size.width)

    def embed_tokens(self, rows: Tensor) -> Tensor:
        """Return the summed embeddings [n, rows, width] of rows of tokens, int64 [n, rows, codebooks]."""
        # The published code starts its sum with codebook 0 and then adds all codebooks.
        codebooks = [0, *range(self.size.codebooks)] if self.size.reference_compatible else range(self.size.codebooks)
        first, *others = (self.tokens[k](rows[..., k]) for k in codebooks)
        summed: Tensor = sum(others, start=first)
        return summed

    def lay_out_condition(self, condition: Condition, dropout: float | None = None) -> Tensor:
        """Return the rows of tokens of mixtures, delayed or aligned: int64 [n, rows, codebooks]."""
        assert condition.tokens is not None
        lay_out = align_condition if self.size.layout == "aligned" else delay_condition
        rows = lay_out(condition.tokens)
        return rows if dropout is None else drop_values(rows, dropout)

    def embed_condition(self, condition: Condition, dropout: float | None = None) -> Tensor:
        """Return the embedded rows of mixtures: float [n, rows, width].

        ``dropout`` is the share of their codes or levels that is left out; None draws no random numbers.
        """
        if self.mel is not None:
            assert condition.levels is not None
            columns = scale_levels(condition.levels).flatten(1, 2).transpose(1, 2)
            projected: Tensor = self.mel(columns if dropout is None else drop_values(columns, dropout))
            return projected
        return self.embed_tokens(self.lay_out_condition(condition, dropout))

    def listen(
        self,
        condition: Condition,
        instruments: Tensor | None,
        inside: Tensor,
        known: Tensor | None = None,
        dropout: float | None = None,
    ) -> Tensor | None:
        """Return what sounds after the hits, embedded: [n, frames, width]; None for a model without an ear.

        Arguments and shapes as for ``HitListener.forward``.
        """
        if self.listener is None:
            return None
        assert condition.levels is not None
        at_hits: Tensor = self.listener(condition.levels, instruments, inside, known, dropout or 0.0)
        return at_hits

    def embed_target(self, rows: Tensor, at_hits: Tensor | None = None, first: int = 0) -> Tensor:
        """Return the embedded rows of one-shots from row ``first`` on: float [n, rows, width].

        rows int64 [n, rows, codebooks]. at_hits [n, frames, width], the result of ``listen``: frame t is added to row
        t, which predicts codebook 0 of frame t. The rows after the last frame get nothing.
        """
        embedded = self.embed_tokens(rows)
        if at_hits is None:
            return embedded
        part = at_hits[:, first : first + rows.shape[1]]
        return embedded + functional.pad(part, (0, 0, 0, rows.shape[1] - part.shape[1]))

    def compute_hidden(
        self, rows: Tensor, instruments: Tensor | None = None, kv_cache: KeyValueCache | None = None
    ) -> Tensor:
        """Return the hidden state after each row: float [n, rows, width] for embedded rows of the same shape.

        ``instruments`` [n] int64 is required by a model of several instruments. With a cache, the rows continue the
        cached ones and are added to it; after the first call they must come one at a time.
        """
        position = 0 if kv_cache is None else kv_cache.rows
        tokens = rows
        if self.size.positions == "sinusoids" and not self.size.reference_compatible:
            tokens = tokens + make_sinusoids(position, rows.shape[1], self.size.width, rows.device)
        if self.instruments is not None:
            # Added to every row, because the instrument decides what matters in the mixture.
            tokens = tokens + self.instruments(instruments)[:, None]
        rotary = self._make_rotary(position, rows.shape[1], rows.device)
        for layer, block in enumerate(self.blocks):
            layer_cache = None if kv_cache is None else kv_cache.layers[layer]
            tokens = block(tokens, rotary, layer_cache, position)
        if kv_cache is not None:
            kv_cache.rows += rows.shape[1]
        return tokens

    def compute_logits(self, hidden: Tensor) -> Tensor:
        """Return the logits [..., codebooks, vocabulary] of the next row for hidden states [..., width]."""
        logits: Tensor = self.head(self.norm(hidden)).unflatten(-1, (self.size.codebooks, self.size.vocabulary))
        return logits

    def _make_rotary(self, position: int, rows: int, device: torch.device) -> Tensor | None:
        """Return the sines and cosines [rows, width / heads] of rotary positions; None for other positions."""
        if self.size.positions != "rotary":
            return None
        return make_sinusoids(position, rows, self.size.width // self.size.heads, device)

    @torch.no_grad()
    def _initialize_weights(self) -> None:
        """Draw the first weights: embedded rows of unit variance, residual sums of equal size, near-uniform logits."""
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
    """One transformer layer: x += attention(norm(x)), then x += feed_forward(norm(x))."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size.width)
        self.attention = Attention(size)
        self.feed_forward_norm = nn.LayerNorm(size.width)
        self.feed_forward = FeedForward(size)

    def forward(self, tokens: Tensor, rotary: Tensor | None, kv_cache: LayerCache | None, position: int) -> Tensor:
        """Return the new hidden states of the tokens; arguments and shapes as for ``Attention.forward``."""
        tokens = tokens + self.attention(self.attention_norm(tokens), rotary, kv_cache, position)
        added: Tensor = self.feed_forward(self.feed_forward_norm(tokens))
        return tokens + added


class Attention(nn.Module):
    """Causal multi-head attention: each row attends to itself and to the rows before it."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.heads, self.dropout = size.heads, size.dropout
        self.attention_dropout = size.dropout if size.attention_dropout is None else size.attention_dropout
        self.query_key_value = nn.Linear(size.width, 3 * size.width)
        self.out = nn.Linear(size.width, size.width)

    def forward(self, tokens: Tensor, rotary: Tensor | None, kv_cache: LayerCache | None, position: int) -> Tensor:
        """Return the attention output, float [n, rows, width].

        tokens [n, rows, width]: hidden states of consecutive rows, of which the first is at ``position``.
        rotary [rows, width / heads]: sines and cosines of their positions, or None for other positions.
        kv_cache: this layer's keys and values of the rows before ``position``; those of ``tokens`` are added to it.
        """
        # [n, rows, 3 * width] -> three of [n, heads, rows, width / heads]
        parts = self.query_key_value(tokens).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        if kv_cache is not None:
            key, value = kv_cache.append(key, value, position)
        attended = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.attention_dropout if self.training else 0.0,
            is_causal=query.shape[2] > 1,  # a single row is the last one and attends to all
        )
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return functional.dropout(out, self.dropout, self.training)


class FeedForward(nn.Module):
    """Two linear layers with an exact GELU between them."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.dropout = size.dropout
        self.into = nn.Linear(size.width, size.feed_forward)
        self.out = nn.Linear(size.feed_forward, size.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return [n, rows, width] for hidden states [n, rows, width]."""
        return functional.dropout(self.out(functional.gelu(self.into(tokens))), self.dropout, self.training)


class LayerCache:
    """Keys and values of one attention layer for all rows so far, in memory for ``capacity`` rows."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._buffers: tuple[Tensor, Tensor] | None = None
        """Keys and values, each [n, heads, capacity, width / heads]; None before the first rows."""

    def append(self, key: Tensor, value: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """Store keys and values [n, heads, rows, width / heads] from row ``position`` on; return those of all rows.

        Raises ValueError for several rows at once after the first call: the causal mask would be wrong.
        """
        if position and key.shape[2] > 1:
            raise ValueError("after the first rows, the cache takes rows one by one")
        if self._buffers is None:
            shape = (*key.shape[:2], self.capacity, key.shape[3])
            self._buffers = key.new_empty(shape), value.new_empty(shape)
        keys, values = self._buffers
        end = position + key.shape[2]
        keys[:, :, position:end] = key
        values[:, :, position:end] = value
        return keys[:, :, :end], values[:, :, :end]

    def repeat(self, times: int) -> LayerCache:
        """Return a copy in which every item of the batch stands ``times`` times in a row."""
        copy = LayerCache(self.capacity)
        if self._buffers is not None:
            keys, values = self._buffers
            copy._buffers = keys.repeat_interleave(times, dim=0), values.repeat_interleave(times, dim=0)
        return copy


class KeyValueCache:
    """Keys and values of all rows so far, so that generation computes each new row once instead of all rows again."""

    def __init__(self, layers: int, capacity: int) -> None:
        self.layers = [LayerCache(capacity) for _ in range(layers)]
        self.rows = 0
        """Rows in the cache, at most ``capacity``."""

    def repeat(self, times: int) -> KeyValueCache:
        """Return a copy in which every item of the batch stands ``times`` times in a row, to continue separately."""
        copy = KeyValueCache(0, 0)
        copy.layers, copy.rows = [layer.repeat(times) for layer in self.layers], self.rows
        return copy


def rotate(vectors: Tensor, rotary: Tensor) -> Tensor:
    """Return queries or keys [n, heads, rows, channels] with each pair of channels rotated by the angle of its row.

    ``rotary`` [rows, channels] holds sines, then cosines. The product of a query and a key then depends on the distance
    of their rows and not on their positions (RoPE, arXiv 2104.09864).
    """
    sine, cosine = rotary.chunk(2, dim=-1)
    first, second = vectors.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], dim=-1)


def make_sinusoids(position: int, rows: int, width: int, device: torch.device) -> Tensor:
    """Return the encodings of rows from ``position`` on: float32 [rows, width], first the sines, then the cosines."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=device) * (-math.log(LONGEST_WAVELENGTH) / half))
    angles = torch.arange(position, position + rows, device=device)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)
