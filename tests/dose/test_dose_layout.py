"""The delay pattern: an example written by hand, and its inverse for any codes."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.dose.layout import (
    ABSENT,
    align_condition,
    count_condition_rows,
    count_target_rows,
    delay_condition,
    delay_target,
    make_code_mask,
    make_onset_mask,
    undelay_target,
)

# Three codebooks, four frames: code [k, t] is 10 k + t, so its token is one more.
GOLDEN_CODES = [[0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23]]
GOLDEN_CONDITION = [
    [1, 0, 0],
    [2, 11, 0],
    [3, 12, 21],
    [4, 13, 22],
    [0, 14, 23],
    [0, 0, 24],
]
GOLDEN_TARGET = [[0, 0, 0], *GOLDEN_CONDITION, [0, 0, 0]]


@st.composite
def codes(draw: st.DrawFn) -> Any:
    count, codebooks, frames = draw(st.integers(1, 3)), draw(st.integers(1, 10)), draw(st.integers(1, 20))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return torch.randint(1024, (count, codebooks, frames), generator=generator)


def test_an_example_written_by_hand() -> None:
    both = torch.tensor([GOLDEN_CODES, GOLDEN_CODES])
    assert delay_condition(both).tolist() == [GOLDEN_CONDITION] * 2
    assert delay_target(both).tolist() == [GOLDEN_TARGET] * 2


def test_the_published_sizes() -> None:
    assert count_condition_rows(345, 9) == 353
    assert (count_target_rows(90, 9), count_target_rows(40, 9)) == (100, 50)
    assert delay_condition(torch.zeros(1, 9, 345)).shape == (1, 353, 9)
    assert delay_target(torch.zeros(1, 9, 90)).shape == (1, 100, 9)


@given(codes())
def test_an_aligned_row_is_all_codes_of_a_frame(given: Any) -> None:
    rows = align_condition(given)
    assert rows.shape == (given.shape[0], given.shape[2], given.shape[1])
    # Codebook k of an aligned row is k rows later in the delayed layout.
    delayed, frames = delay_condition(given), given.shape[2]
    for book in range(given.shape[1]):
        assert torch.equal(rows[..., book], delayed[:, book : book + frames, book])


@given(codes())
def test_undelaying_returns_the_codes(given: Any) -> None:
    assert torch.equal(undelay_target(delay_target(given)), given)
    codebooks, frames = given.shape[1:]
    condition = delay_condition(given)
    assert torch.equal(torch.stack([condition[:, k : k + frames, k] for k in range(codebooks)], 1) - 1, given)


@given(codes(), st.sampled_from([torch.uint8, torch.int16, torch.uint16, torch.int32]))
def test_any_integer_type_is_accepted(given: Any, kind: Any) -> None:
    small = given % 200
    assert torch.equal(delay_target(small.to(kind)), delay_target(small))


@given(codes(), st.integers(1, 8))
def test_a_padded_target_is_the_shorter_one_and_zeros(given: Any, more: int) -> None:
    padded = torch.nn.functional.pad(given, (0, more), value=ABSENT)
    alone, longer = delay_target(given), delay_target(padded)
    assert torch.equal(longer[:, : alone.shape[1]], alone)
    assert not longer[:, alone.shape[1] :].any()
    assert torch.equal(undelay_target(longer), padded)


@given(codes())
def test_codes_stand_in_the_code_area_and_nowhere_else(given: Any) -> None:
    count, codebooks, frames = given.shape
    rows = delay_target(given)
    area = make_code_mask(torch.full((count,), frames), rows.shape[1], codebooks)
    assert torch.equal(area, rows > 0)


@given(codes(), st.data())
def test_codes_after_the_true_length_are_masked(given: Any, data: st.DataObject) -> None:
    count, codebooks, frames = given.shape
    lengths = torch.tensor(data.draw(st.lists(st.integers(0, frames), min_size=count, max_size=count)))
    area = make_code_mask(lengths, count_target_rows(frames, codebooks), codebooks)
    # The mask is computed on the codes and then delayed.
    sounding = (torch.arange(frames) < lengths[:, None])[:, None].expand(-1, codebooks, -1)
    assert torch.equal(area, delay_target(sounding.long() - 1) > 0)


@given(st.integers(1, 12), st.integers(0, 8))
def test_the_onset_is_that_of_the_paper(codebooks: int, more: int) -> None:
    frames = codebooks + more
    area = make_onset_mask(count_target_rows(frames, codebooks), codebooks)
    expected = {
        (t, k) for t in range(1, frames + 1) for k in range(1, codebooks + 1) if t + k <= codebooks + 1
    }  # counted from 1
    codes_of_place = torch.tensor([[t * 100 + k for t in range(1, frames + 1)] for k in range(1, codebooks + 1)])
    # A token is its code + 1.
    masked = {divmod(int(token) - 1, 100) for token in delay_target(codes_of_place[None])[0][area]}
    assert masked == expected
    assert int(area.sum()) == codebooks * (codebooks + 1) // 2


def test_nine_codebooks_have_45_onset_codes() -> None:
    assert int(make_onset_mask(count_target_rows(90, 9), 9).sum()) == 45
