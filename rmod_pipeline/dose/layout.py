"""Convert codes to rows and back: the delay pattern, in which codebook k is k rows behind codebook 0.

A row is one position of the transformer's sequence. It holds a token per codebook: 0 for "no code", else code + 1.
Codes `a` and `b` of two codebooks, three frames each, give these rows of a condition (a mixture) and a target (a
one-shot):

    condition   a0  .      target    .  .     row 0 starts the target
                a1 b0               a0  .
                a2 b1               a1 b0
                 . b2               a2 b1
                                     . b2
                                     .  .     the last row ends it

So codebook k of a frame is predicted from the codebooks below k of that frame. All functions are pure. Codes are
[n, codebooks, frames] integers, rows are int64 [n, rows, codebooks]. A code of -1 marks a missing frame: it pads
shorter targets. The tokens of such a frame are zeros, exactly as in the layout of the shorter target.
"""

from __future__ import annotations

import torch
from torch import Tensor

ABSENT = -1
"""The code of a frame after the end of a padded target."""


def count_condition_rows(frames: int, codebooks: int) -> int:
    """Return the number of rows of a condition: 345 frames of 9 codebooks give 353."""
    return frames + codebooks - 1


def count_target_rows(frames: int, codebooks: int) -> int:
    """Return the number of rows of a target: 90 frames of 9 codebooks give 100."""
    return frames + codebooks + 1


def delay_condition(codes: Tensor) -> Tensor:
    """Lay out a mixture's codes as rows: row r holds code [k, r - k] + 1, or 0 where there is none.

    codes [n, codebooks, frames] integers; returns int64 [n, frames + codebooks - 1, codebooks].
    """
    return _delay(codes, first=0, rows=count_condition_rows(codes.shape[2], codes.shape[1]))


def align_condition(codes: Tensor) -> Tensor:
    """Lay out a mixture's codes without a delay: row r holds all codes of frame r, each + 1.

    The model does not predict the condition, so no codebook has to wait for another, and a row is one moment of sound.
    codes [n, codebooks, frames] integers; returns int64 [n, frames, codebooks].
    """
    return codes.transpose(1, 2).long() + 1


def delay_target(codes: Tensor) -> Tensor:
    """Lay out a one-shot's codes as rows: row r holds code [k, r - 1 - k] + 1; the first and the last row are zeros.

    codes [n, codebooks, frames] integers; returns int64 [n, frames + codebooks + 1, codebooks].
    """
    return _delay(codes, first=1, rows=count_target_rows(codes.shape[2], codes.shape[1]))


def undelay_target(rows: Tensor) -> Tensor:
    """Return the codes [n, codebooks, frames] of target rows [n, rows, codebooks]."""
    codebooks = rows.shape[2]
    frames = rows.shape[1] - codebooks - 1
    return torch.stack([rows[:, 1 + k : 1 + k + frames, k] for k in range(codebooks)], dim=1) - 1


def make_code_mask(frames: Tensor, rows: int, codebooks: int) -> Tensor:
    """Return where targets hold codes of their first ``frames`` [n] frames: bool [n, rows, codebooks].

    With the true length of each one-shot instead of its window's, the codes of the silence after it are left out.
    """
    frame = _frame_of_each_token(rows, codebooks).to(frames.device)
    return (frame >= 0) & (frame < frames[:, None, None])


def make_onset_mask(rows: int, codebooks: int) -> Tensor:
    """Return where a target holds codes of the onset: bool [rows, codebooks].

    These are frames t of codebooks k with t + k <= K + 1, counted from 1 (DOSE paper, section IV-D): the codes in the
    first K rows after the start row, K (K + 1) / 2 of them, 45 for 9 codebooks.
    """
    frame, codebook = _frame_of_each_token(rows, codebooks), torch.arange(codebooks)
    return (frame >= 0) & ((frame + 1) + (codebook + 1) <= codebooks + 1)


def _frame_of_each_token(rows: int, codebooks: int) -> Tensor:
    """Return the frame, from 0, of each token of a target: int64 [rows, codebooks]; below 0 there is no code."""
    return torch.arange(rows)[:, None] - 1 - torch.arange(codebooks)


def _delay(codes: Tensor, first: int, rows: int) -> Tensor:
    """Return codes [n, codebooks, frames] as ``rows`` rows; codebook 0 starts at row ``first``."""
    count, codebooks, frames = codes.shape
    delayed = torch.zeros(count, rows, codebooks, dtype=torch.int64, device=codes.device)
    for codebook in range(codebooks):
        start = first + codebook
        delayed[:, start : start + frames, codebook] = codes[:, codebook].long() + 1
    return delayed
