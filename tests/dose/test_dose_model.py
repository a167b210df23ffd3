"""The model: which rows affect which, and how its losses are counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.dose.layout import ABSENT, delay_condition, delay_target
from rmod_pipeline.dose.loss import compute_losses
from rmod_pipeline.dose.model import KeyValueCache, make_sinusoids, rotate
from rmod_pipeline.dose.recipe import LossSettings
from tests.dose.dose_examples import FRAMES, SIZE, make_batch, make_codes, small_model

LEARNED, MASKED = LossSettings(tail="learned"), LossSettings(tail="masked")


@pytest.fixture(autouse=True, scope="module")
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def some_rows(count: int = 2, frames: int = 8, seed: int = 0) -> Any:
    return delay_condition(make_codes(count, frames, seed))


@pytest.mark.parametrize("compatible", [False, True])
@given(position=st.integers(0, 9))
def test_no_row_depends_on_later_ones(compatible: bool, position: int) -> None:
    model, rows = small_model(reference_compatible=compatible).eval(), some_rows()
    changed = rows.clone()
    changed[:, position] = (changed[:, position] + 1) % 21
    first, second = (model.compute_hidden(model.embed_tokens(each)) for each in (rows, changed))
    assert torch.equal(first[:, :position], second[:, :position])
    assert not torch.allclose(first[:, position:], second[:, position:])


def test_positions_distinguish_equal_rows() -> None:
    rows = torch.full((1, 6, 3), 7)
    models = [small_model(reference_compatible=each).eval() for each in (False, True)]
    ours, published = (model.compute_hidden(model.embed_tokens(rows))[0] for model in models)
    assert not torch.allclose(ours[1:], ours[:-1], atol=0.1)
    # The published arithmetic has no positions: equal rows have equal states.
    torch.testing.assert_close(published, published[:1].expand(6, -1))


def test_sinusoids_do_not_depend_on_the_first_position() -> None:
    whole = make_sinusoids(0, 12, 32, torch.device("cpu"))
    assert torch.equal(make_sinusoids(5, 7, 32, torch.device("cpu")), whole[5:])
    assert len({tuple(row) for row in whole.round(decimals=4).tolist()}) == 12


@given(st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_rotated_products_depend_on_the_distance_of_rows_only(one: int, other: int, further: int) -> None:
    query, key = torch.randn(2, 16, generator=torch.Generator().manual_seed(one)).double()

    def product(first: int, second: int) -> Any:
        rotary = [make_sinusoids(position, 1, 16, torch.device("cpu")).double() for position in (first, second)]
        return rotate(query[None], rotary[0]) @ rotate(key[None], rotary[1]).T

    torch.testing.assert_close(product(one, other), product(one + further, other + further), rtol=1e-3, atol=1e-3)


def test_with_rotary_positions_the_order_of_rows_matters() -> None:
    rows = some_rows(1)
    model = small_model(positions="rotary").eval()
    reversed_rows = torch.cat([rows[:, :-1].flip(1), rows[:, -1:]], dim=1)
    one, other = (model.compute_hidden(model.embed_tokens(each))[:, -1] for each in (rows, reversed_rows))
    assert not torch.allclose(one, other, atol=0.05)


def test_published_arithmetic_counts_codebook_0_twice() -> None:
    model, rows = small_model(reference_compatible=True), some_rows()
    summed = sum(model.tokens[k](rows[..., k]) for k in (0, 0, 1, 2))
    torch.testing.assert_close(model.embed_tokens(rows), summed)


def test_rows_one_by_one_with_a_cache_equal_all_at_once() -> None:
    model = small_model().eval()
    rows = model.embed_tokens(some_rows())
    whole = model.compute_hidden(rows)
    kv_cache = KeyValueCache(model.size.layers, rows.shape[1])
    parts = [model.compute_hidden(rows[:, :4], None, kv_cache)]
    parts += [model.compute_hidden(rows[:, [row]], None, kv_cache) for row in range(4, rows.shape[1])]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="one by one"):
        model.compute_hidden(rows[:, :2], None, kv_cache)


def test_the_instrument_changes_the_hidden_states() -> None:
    model = small_model(instruments=3).eval()
    rows = model.embed_tokens(some_rows(1).expand(3, -1, -1))
    first, second, again = model.compute_hidden(rows, torch.tensor([0, 1, 0]))
    assert torch.equal(first, again)
    assert not torch.allclose(first, second)


@pytest.mark.parametrize("changes", [{}, {"layers": 8}, {"width": 256}, {"codebooks": 9, "codebook_size": 1024}])
def test_a_new_model_predicts_nearly_uniformly(changes: dict[str, int]) -> None:
    model = small_model(**changes)
    codebooks, size = model.size.codebooks, model.size.codebook_size
    pairs = replace(
        make_batch(4),
        mixtures=make_codes(4, 8, 0, codebooks, size),
        targets=make_codes(4, FRAMES, 1, codebooks, size),
    )
    losses = compute_losses(model, pairs, LEARNED)
    assert losses.to_dict()["full"] == pytest.approx(math.log(size + 1), rel=0.02)


def compute_nats(model: Any, pairs: Any) -> Any:
    """Return minus the log-probability of every target token but the first row's: [n, rows - 1, codebooks]."""
    rows = torch.cat([delay_condition(pairs.mixtures), delay_target(pairs.targets)], dim=1)
    logits = model.compute_logits(model.compute_hidden(model.embed_tokens(rows), pairs.instruments))[:, :-1]
    nats = -logits.log_softmax(-1).gather(-1, rows[:, 1:, :, None])[..., 0]
    return nats[:, -(delay_target(pairs.targets).shape[1] - 1) :]


def test_losses_are_means_over_codes_and_over_the_onset() -> None:
    model, pairs = small_model().eval(), make_batch(3)
    nats = compute_nats(model, pairs)
    codes = [[nats[i, t + k, k] for t in range(FRAMES) for k in range(3)] for i in range(3)]
    onset = [[nats[i, t + k, k] for t in range(3) for k in range(3) if t + k <= 2] for i in range(3)]
    losses = compute_losses(model, pairs, LossSettings(onset=2.5))
    assert float(losses.full) == pytest.approx(float(torch.tensor(codes).mean()), rel=1e-5)
    assert float(losses.onset) == pytest.approx(float(torch.tensor(onset).mean()), rel=1e-5)
    assert float(losses.total) == pytest.approx(float(losses.full) + 2.5 * float(losses.onset), rel=1e-5)
    assert (int(losses.full_tokens), int(losses.onset_tokens)) == (3 * FRAMES * 3, 3 * 6)
    assert losses.to_dict() == {"total": float(losses.total), "full": float(losses.full), "onset": float(losses.onset)}


def test_without_an_onset_loss_the_total_is_the_full_one() -> None:
    losses = compute_losses(small_model(), make_batch(2), LossSettings(onset=0))
    assert float(losses.total) == float(losses.full) != float(losses.onset)


def test_a_masked_tail_does_not_count() -> None:
    model, pairs = small_model().eval(), replace(make_batch(2), lengths=torch.tensor([2, FRAMES]))
    nats = compute_nats(model, pairs)
    codes = [nats[i, t + k, k] for i, length in enumerate((2, FRAMES)) for t in range(length) for k in range(3)]
    losses = compute_losses(model, pairs, MASKED)
    assert float(losses.full) == pytest.approx(float(torch.tensor(codes).mean()), rel=1e-5)
    # The onset of the short one has 5 codes: its third frame is after its end.
    assert int(losses.onset_tokens) == 5 + 6
    # The last frame of the tail affects no counted token.
    other = pairs.targets.clone()
    other[0, :, -1] = (other[0, :, -1] + 1) % SIZE["codebook_size"]
    assert float(compute_losses(model, replace(pairs, targets=other), MASKED).full) == float(losses.full)
    assert float(compute_losses(model, replace(pairs, targets=other), LEARNED).full) != float(losses.full)


@pytest.mark.parametrize("settings", [LEARNED, MASKED])
def test_a_short_window_in_a_batch_has_the_loss_that_it_has_alone(settings: LossSettings) -> None:
    model, pairs = small_model(instruments=2).eval(), make_batch(1, frames=4)
    alone = compute_losses(model, replace(pairs, instruments=torch.tensor([1])), settings)
    padded = torch.nn.functional.pad(pairs.targets, (0, 5), value=ABSENT)
    both = replace(
        pairs,
        mixtures=pairs.mixtures.expand(2, -1, -1),
        targets=padded.expand(2, -1, -1),
        lengths=torch.tensor([4, 4]),
        instruments=torch.tensor([1, 1]),
    )
    losses = compute_losses(model, both, settings)
    assert float(losses.full) == pytest.approx(float(alone.full), rel=1e-5)
    assert int(losses.full_tokens) == 2 * int(alone.full_tokens)


def test_no_code_to_count_gives_a_loss_of_zero() -> None:
    pairs = replace(make_batch(2), lengths=torch.zeros(2, dtype=torch.int64))
    losses = compute_losses(small_model(), pairs, MASKED)
    assert losses.to_dict() == {"total": 0.0, "full": 0.0, "onset": 0.0}


def test_logits_are_computed_for_counted_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    logits = model.compute_logits
    rows_of_logits: list[int] = []

    def record_rows(hidden: torch.Tensor) -> torch.Tensor:
        rows_of_logits.append(len(hidden))
        return logits(hidden)

    monkeypatch.setattr(model, "compute_logits", record_rows)
    compute_losses(model, replace(make_batch(2), lengths=torch.tensor([1, FRAMES])), MASKED)
    assert rows_of_logits == [(1 + 2) + (FRAMES + 2)]


def test_bfloat16_gives_nearly_the_same_losses() -> None:
    model, pairs = small_model(), make_batch(4)
    exact = compute_losses(model, pairs, LEARNED).to_dict()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = compute_losses(model, pairs, LEARNED)
    assert losses.total.dtype == torch.float32
    assert losses.to_dict() == pytest.approx(exact, rel=0.01)


def test_dropout_acts_in_training_only() -> None:
    model = small_model(dropout=0.5)
    rows = model.embed_tokens(some_rows())
    assert not torch.equal(model.compute_hidden(rows), model.compute_hidden(rows))
    model.eval()
    assert torch.equal(model.compute_hidden(rows), model.compute_hidden(rows))


@pytest.mark.parametrize("name", ["condition_dropout", "history_dropout"])
def test_input_dropout_acts_in_training_only(name: str) -> None:
    pairs = make_batch(4)
    change: dict[str, Any] = {name: 0.9}
    model = small_model(**change)
    losses = [compute_losses(model.train(), pairs, LEARNED).to_dict() for _ in range(2)]
    assert losses[0] != losses[1], "other codes are dropped each time"
    plain = small_model()
    assert (
        compute_losses(model.eval(), pairs, LEARNED).to_dict() == compute_losses(plain.eval(), pairs, LEARNED).to_dict()
    )


def test_history_dropout_keeps_all_codes_in_the_loss() -> None:
    pairs, model = make_batch(2), small_model(history_dropout=1.0)
    torch.manual_seed(1)
    hidden = compute_losses(model.train(), pairs, LEARNED)
    shown = compute_losses(model.eval(), pairs, LEARNED)
    assert float(hidden.full) != float(shown.full)
    assert int(hidden.full_tokens) == int(shown.full_tokens), "every code is still to be predicted"


def test_attention_may_have_its_own_dropout() -> None:
    model = small_model(dropout=0.0, attention_dropout=0.5).train()
    rows = model.embed_tokens(some_rows())
    assert not torch.equal(model.compute_hidden(rows), model.compute_hidden(rows))
    model = small_model(dropout=0.0).train()
    assert torch.equal(model.compute_hidden(rows), model.compute_hidden(rows))
