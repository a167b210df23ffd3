"""Codes <-> rows: the delay pattern, in which codebook k comes k rows after codebook 0.

A row is what the transformer sees at one place: a token for each codebook, 0 for "no code here", else code + 1. Two
codebooks, three frames, codes `a` and `b`; the condition (a mixture) and the target (a one-shot):

    condition   a0  .      target    .  .     row 0 begins the target
                a1 b0               a0  .
                a2 b1               a1 b0
                 . b2               a2 b1
                                     . b2
                                     .  .     the last row ends it

So codebook k of a frame is predicted knowing codebooks below k of that frame. Pure functions of arrays: codes are
[n, codebooks, frames] integers, rows are int64 [n, rows, codebooks]. A code of -1 is a frame that is not there: targets
of unlike lengths are padded with it, and come out as zeros, exactly as in a shorter layout of their own.
"""

from __future__ import annotations

import torch
from torch import Tensor

ABSENT = -1
"""In place of a code, where a target has ended."""


def condition_rows(frames: int, codebooks: int) -> int:
    """Return the rows of a condition: 345 frames of 9 codebooks are 353."""
    return frames + codebooks - 1


def target_rows(frames: int, codebooks: int) -> int:
    """Return the rows of a target: 90 frames of 9 codebooks are 100."""
    return frames + codebooks + 1


def condition_of(codes: Tensor) -> Tensor:
    """Return the rows of a mixture's codes: row r holds code [k, r - k] + 1, or 0 where there is none."""
    return _delayed(codes, first=0, rows=condition_rows(codes.shape[2], codes.shape[1]))


def aligned_condition_of(codes: Tensor) -> Tensor:
    """Return a mixture's codes as rows without a delay: row r holds all codes of frame r, each + 1.

    Nobody has to predict them, so none need wait for another; and a row is then one moment of the sound.
    """
    return codes.transpose(1, 2).long() + 1


def target_of(codes: Tensor) -> Tensor:
    """Return the rows of a one-shot's codes: row r holds code [k, r - 1 - k] + 1; the first and last are all 0."""
    return _delayed(codes, first=1, rows=target_rows(codes.shape[2], codes.shape[1]))


def codes_of_condition(rows: Tensor) -> Tensor:
    """Return the codes that a condition was made of."""
    return _undelayed(rows, first=0, frames=rows.shape[1] - rows.shape[2] + 1)


def codes_of_target(rows: Tensor) -> Tensor:
    """Return the codes that a target was made of."""
    return _undelayed(rows, first=1, frames=rows.shape[1] - rows.shape[2] - 1)


def code_area(frames: Tensor, rows: int, codebooks: int) -> Tensor:
    """Return where targets hold the codes of their first frames, so many for each [n]: bool [n, rows, codebooks].

    With a one-shot's true length instead of its window's, what stands for the silence after it is left out.
    """
    frame = _frame_at(rows, codebooks).to(frames.device)
    return (frame >= 0) & (frame < frames[:, None, None])


def onset_area(rows: int, codebooks: int) -> Tensor:
    """Return the onset's places in a target: bool [rows, codebooks].

    The paper's, section IV-D: frame t of codebook k with t + k <= K + 1, counted from 1. They are the codes in the
    first K rows after the beginning, K (K + 1) / 2 of them: 45 for 9 codebooks.
    """
    frame, codebook = _frame_at(rows, codebooks), torch.arange(codebooks)
    return (frame >= 0) & ((frame + 1) + (codebook + 1) <= codebooks + 1)


def _frame_at(rows: int, codebooks: int) -> Tensor:
    """Return the frame, from 0, whose code stands at each place of a target: [rows, codebooks]; below 0 is none."""
    return torch.arange(rows)[:, None] - 1 - torch.arange(codebooks)


def _delayed(codes: Tensor, first: int, rows: int) -> Tensor:
    count, codebooks, frames = codes.shape
    made = torch.zeros(count, rows, codebooks, dtype=torch.int64, device=codes.device)
    for codebook in range(codebooks):
        begin = first + codebook
        made[:, begin : begin + frames, codebook] = codes[:, codebook].long() + 1
    return made


def _undelayed(rows: Tensor, first: int, frames: int) -> Tensor:
    codebooks = range(rows.shape[2])
    return torch.stack([rows[:, first + k : first + k + frames, k] for k in codebooks], dim=1) - 1
