"""What the model knows of what, and how its losses are counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.dose.layout import ABSENT, condition_of, target_of
from rmod_pipeline.dose.loss import dose_losses
from rmod_pipeline.dose.model import KeyValueCache, rotate, sinusoids
from rmod_pipeline.dose.recipe import LossSettings
from tests.dose.dose_examples import FRAMES, SIZE, small_model, some_codes, some_pairs, torch

LEARNED, MASKED = LossSettings(tail="learned"), LossSettings(tail="masked")


@pytest.fixture(autouse=True, scope="module")
def _no_slopes() -> Iterator[None]:
    with torch.no_grad():
        yield


def some_rows(count: int = 2, frames: int = 8, seed: int = 0) -> Any:
    return condition_of(some_codes(count, frames, seed))


@pytest.mark.parametrize("compatible", [False, True])
@given(place=st.integers(0, 9))
def test_no_row_knows_of_later_ones(compatible: bool, place: int) -> None:
    model, rows = small_model(reference_compatible=compatible).eval(), some_rows()
    changed = rows.clone()
    changed[:, place] = (changed[:, place] + 1) % 21
    before, after = model.hidden(rows), model.hidden(changed)
    assert torch.equal(before[:, :place], after[:, :place])
    assert not torch.allclose(before[:, place:], after[:, place:])


def test_positions_tell_alike_rows_apart() -> None:
    rows = torch.full((1, 6, 3), 7)
    ours, published = (small_model(reference_compatible=each).eval().hidden(rows)[0] for each in (False, True))
    assert not torch.allclose(ours[1:], ours[:-1], atol=0.1)
    # The published arithmetic has no positions: among rows alike, each is as the first.
    torch.testing.assert_close(published, published[:1].expand(6, -1))


def test_positions_do_not_depend_on_where_one_begins() -> None:
    whole = sinusoids(0, 12, 32, torch.device("cpu"))
    assert torch.equal(sinusoids(5, 7, 32, torch.device("cpu")), whole[5:])
    assert len({tuple(row) for row in whole.round(decimals=4).tolist()}) == 12


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_turned_products_depend_on_how_far_apart_rows_are_alone(one: int, other: int, further: int) -> None:
    query, key = torch.randn(2, 16, generator=torch.Generator().manual_seed(one)).double()

    def product(first: int, second: int) -> Any:
        turns = [sinusoids(place, 1, 16, torch.device("cpu")).double() for place in (first, second)]
        return rotate(query[None], turns[0]) @ rotate(key[None], turns[1]).T

    torch.testing.assert_close(product(one, other), product(one + further, other + further), rtol=1e-3, atol=1e-3)


def test_rotary_positions_tell_rows_apart_by_what_came_before() -> None:
    rows = some_rows(1)
    model = small_model(positions="rotary").eval()
    backwards = torch.cat([rows[:, :-1].flip(1), rows[:, -1:]], dim=1)
    assert not torch.allclose(model.hidden(rows)[:, -1], model.hidden(backwards)[:, -1], atol=0.05)


def test_published_arithmetic_counts_codebook_0_twice() -> None:
    model, rows = small_model(reference_compatible=True), some_rows()
    summed = sum(model.tokens[k](rows[..., k]) for k in (0, 0, 1, 2))
    torch.testing.assert_close(model._embedded(rows, 0), summed)


def test_rows_one_by_one_with_a_cache_give_what_all_at_once_give() -> None:
    model, rows = small_model().eval(), some_rows()
    whole = model.hidden(rows)
    cache = KeyValueCache(rows.shape[1])
    parts = [model.hidden(rows[:, :4], None, cache)]
    parts += [model.hidden(rows[:, [row]], None, cache) for row in range(4, rows.shape[1])]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="one by one"):
        model.hidden(rows[:, :2], None, cache)


def test_an_instrument_changes_what_is_heard() -> None:
    model, rows = small_model(instruments=3).eval(), some_rows(1).expand(3, -1, -1)
    first, second, again = model.hidden(rows, torch.tensor([0, 1, 0]))
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("changes", [{}, {"layers": 8}, {"width": 256}, {"codebooks": 9, "codebook_size": 1024}])
def test_a_new_model_knows_nothing_and_says_so(changes: dict[str, int]) -> None:
    model = small_model(**changes)
    codebooks, size = model.size.codebooks, model.size.codebook_size
    pairs = replace(
        some_pairs(4),
        mixtures=some_codes(4, 8, 0, codebooks, size),
        targets=some_codes(4, FRAMES, 1, codebooks, size),
    )
    losses = dose_losses(model, pairs, LEARNED)
    assert losses.parts()["full"] == pytest.approx(math.log(size + 1), rel=0.02)


def by_hand(model: Any, pairs: Any) -> Any:
    """Return minus the log-probability of every target place but the first row's: [n, rows - 1, codebooks]."""
    rows = torch.cat([condition_of(pairs.mixtures), target_of(pairs.targets)], dim=1)
    logits = model.logits(model.hidden(rows, pairs.instruments))[:, :-1]
    surprise = -logits.log_softmax(-1).gather(-1, rows[:, 1:, :, None])[..., 0]
    return surprise[:, -(target_of(pairs.targets).shape[1] - 1) :]


def test_losses_are_means_over_codes_and_over_the_onset() -> None:
    model, pairs = small_model().eval(), some_pairs(3)
    surprise = by_hand(model, pairs)
    codes = [[surprise[i, t + k, k] for t in range(FRAMES) for k in range(3)] for i in range(3)]
    onset = [[surprise[i, t + k, k] for t in range(3) for k in range(3) if t + k <= 2] for i in range(3)]
    losses = dose_losses(model, pairs, LossSettings(onset=2.5))
    assert float(losses.full) == pytest.approx(float(torch.tensor(codes).mean()), rel=1e-5)
    assert float(losses.onset) == pytest.approx(float(torch.tensor(onset).mean()), rel=1e-5)
    assert float(losses.total) == pytest.approx(float(losses.full) + 2.5 * float(losses.onset), rel=1e-5)
    assert (int(losses.full_tokens), int(losses.onset_tokens)) == (3 * FRAMES * 3, 3 * 6)
    assert losses.parts() == {"total": float(losses.total), "full": float(losses.full), "onset": float(losses.onset)}


def test_without_an_onset_loss_the_total_is_the_full_one() -> None:
    losses = dose_losses(small_model(), some_pairs(2), LossSettings(onset=0))
    assert float(losses.total) == float(losses.full) != float(losses.onset)


def test_a_masked_tail_counts_for_nothing() -> None:
    model, pairs = small_model().eval(), replace(some_pairs(2), lengths=torch.tensor([2, FRAMES]))
    surprise = by_hand(model, pairs)
    codes = [surprise[i, t + k, k] for i, length in enumerate((2, FRAMES)) for t in range(length) for k in range(3)]
    losses = dose_losses(model, pairs, MASKED)
    assert float(losses.full) == pytest.approx(float(torch.tensor(codes).mean()), rel=1e-5)
    # Of the short one's onset, the frame after its end is left out: 2 codebooks of frame 0 and 1, one of frame 0 alone.
    assert int(losses.onset_tokens) == 5 + 6
    # What stands last in the tail is seen by no counted place.
    other = pairs.targets.clone()
    other[0, :, -1] = (other[0, :, -1] + 1) % SIZE["codebook_size"]
    assert float(dose_losses(model, replace(pairs, targets=other), MASKED).full) == float(losses.full)
    assert float(dose_losses(model, replace(pairs, targets=other), LEARNED).full) != float(losses.full)


@pytest.mark.parametrize("settings", [LEARNED, MASKED])
def test_a_short_window_in_a_batch_counts_as_it_does_alone(settings: LossSettings) -> None:
    model, pairs = small_model(instruments=2).eval(), some_pairs(1, frames=4)
    alone = dose_losses(model, replace(pairs, instruments=torch.tensor([1])), settings)
    padded = torch.nn.functional.pad(pairs.targets, (0, 5), value=ABSENT)
    both = replace(
        pairs,
        mixtures=pairs.mixtures.expand(2, -1, -1),
        targets=padded.expand(2, -1, -1),
        lengths=torch.tensor([4, 4]),
        instruments=torch.tensor([1, 1]),
    )
    losses = dose_losses(model, both, settings)
    assert float(losses.full) == pytest.approx(float(alone.full), rel=1e-5)
    assert int(losses.full_tokens) == 2 * int(alone.full_tokens)


def test_nothing_to_count_is_no_loss_and_no_nan() -> None:
    pairs = replace(some_pairs(2), lengths=torch.zeros(2, dtype=torch.int64))
    losses = dose_losses(small_model(), pairs, MASKED)
    assert losses.parts() == {"total": 0.0, "full": 0.0, "onset": 0.0}


def test_logits_are_made_for_rows_that_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = small_model(), []
    logits = model.logits
    monkeypatch.setattr(model, "logits", lambda hidden: asked.append(len(hidden)) or logits(hidden))
    dose_losses(model, replace(some_pairs(2), lengths=torch.tensor([1, FRAMES])), MASKED)
    assert asked == [(1 + 2) + (FRAMES + 2)]


def test_half_the_bits_give_nearly_the_same_losses() -> None:
    model, pairs = small_model(), some_pairs(4)
    exact = dose_losses(model, pairs, LEARNED).parts()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = dose_losses(model, pairs, LEARNED)
    assert losses.total.dtype == torch.float32
    assert losses.parts() == pytest.approx(exact, rel=0.01)


def test_dropout_is_for_training_alone() -> None:
    model, rows = small_model(dropout=0.5), some_rows()
    assert not torch.equal(model.hidden(rows), model.hidden(rows))
    model.eval()
    assert torch.equal(model.hidden(rows), model.hidden(rows))


@pytest.mark.parametrize("name", ["condition_dropout", "history_dropout"])
def test_rows_are_thinned_out_in_training_alone(name: str) -> None:
    pairs = some_pairs(4)
    model = small_model(**{name: 0.9})
    losses = [dose_losses(model.train(), pairs, LEARNED).parts() for _ in range(2)]
    assert losses[0] != losses[1], "other codes are left out each time"
    plain = small_model()
    assert dose_losses(model.eval(), pairs, LEARNED).parts() == dose_losses(plain.eval(), pairs, LEARNED).parts()


def test_what_is_hidden_of_the_history_changes_the_loss_of_what_follows_alone() -> None:
    pairs, model = some_pairs(2), small_model(history_dropout=1.0)
    torch.manual_seed(1)
    hidden = dose_losses(model.train(), pairs, LEARNED)
    shown = dose_losses(model.eval(), pairs, LEARNED)
    assert float(hidden.full) != float(shown.full)
    assert int(hidden.full_tokens) == int(shown.full_tokens), "every code is still to be predicted"


def test_attention_may_have_a_dropout_of_its_own() -> None:
    rows = some_rows()
    model = small_model(dropout=0.0, attention_dropout=0.5).train()
    assert not torch.equal(model.hidden(rows), model.hidden(rows))
    model = small_model(dropout=0.0).train()
    assert torch.equal(model.hidden(rows), model.hidden(rows))
