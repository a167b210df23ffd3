"""Generation: the same with and without a cache, never out of range, and what was learned comes out again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.dose.generation import Try, _Chooser, generate
from rmod_pipeline.dose.layout import code_area, condition_of, target_of, target_rows
from rmod_pipeline.dose.loss import dose_losses
from rmod_pipeline.dose.recipe import LossSettings
from rmod_pipeline.errors import DoseError, UsageError
from tests.dose.dose_examples import FRAMES, SIZE, small_model, some_codes, some_pairs, torch

TRIES = [Try(), Try(seed=1, temperature=1.0), Try(seed=2, temperature=0.7, top_p=0.9), Try(seed=3, temperature=1.5)]


def mixtures(count: int = 3, seed: int = 0) -> Any:
    return some_codes(count, SIZE["condition_frames"], seed)


def sure_model(**changes: Any) -> Any:
    """A random model whose predictions are uneven, so that it matters what it is given."""
    model = small_model(**changes)
    with torch.no_grad():
        model.head.weight.mul_(20)
    return model


@pytest.mark.parametrize(
    "changes", [{}, {"reference_compatible": True}, {"positions": "rotary"}, {"condition": "aligned"}]
)
def test_with_and_without_a_cache_are_the_same(changes: dict[str, Any]) -> None:
    model = sure_model(**changes)
    cached = generate(model, mixtures(), 20, TRIES)
    again = generate(model, mixtures(), 20, TRIES, cached=False)
    assert torch.equal(cached.codes, again.codes)
    torch.testing.assert_close(cached.log_probability, again.log_probability)
    assert len({tuple(codes.flatten().tolist()) for codes in cached.codes[0]}) == len(TRIES)


def test_with_and_without_a_cache_are_the_same_for_a_model_of_several() -> None:
    model, which = sure_model(instruments=2), torch.tensor([0, 1, 0])
    same = mixtures(1).expand(3, -1, -1)
    cached = generate(model, same, 10, TRIES, instruments=which)
    assert torch.equal(cached.codes, generate(model, same, 10, TRIES, instruments=which, cached=False).codes)
    assert torch.equal(cached.codes[0], cached.codes[2])
    assert not torch.equal(cached.codes[0], cached.codes[1])


def test_a_window_and_a_try_depend_on_nothing_else_in_the_batch() -> None:
    model = sure_model()
    together = generate(model, mixtures(), 10, TRIES)
    for window in range(3):
        for place, each in enumerate(TRIES):
            alone = generate(model, mixtures()[[window]], 10, [each])
            assert torch.equal(alone.codes[0, 0], together.codes[window, place])


def test_greedy_tries_know_no_seed() -> None:
    made = generate(sure_model(), mixtures(), 10, [Try(seed=5), Try(seed=6, top_p=0.5)])
    assert torch.equal(made.codes[:, 0], made.codes[:, 1])


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.0, 100.0), st.floats(0.01, 1.0), st.integers(1, 12))
def test_every_code_is_one_of_the_codec(seed: int, temperature: float, top_p: float, frames: int) -> None:
    model = small_model(seed=seed)
    with torch.no_grad():
        # A model that wants nothing but zeros, everywhere.
        model.head.bias.view(3, 21)[:, 0] = 100.0
    made = generate(model, mixtures(2, seed), frames, [Try(seed=seed, temperature=temperature, top_p=top_p)])
    assert made.codes.shape == (2, 1, 3, frames)
    assert int(made.codes.min()) >= 0
    assert int(made.codes.max()) < SIZE["codebook_size"]
    assert bool(torch.isfinite(made.log_probability).all())


def test_the_log_probability_is_the_models_own() -> None:
    model, given = sure_model().eval(), mixtures()
    made = generate(model, given, 10, TRIES)
    for place in range(len(TRIES)):
        target = target_of(made.codes[:, place])
        logits = model.logits(model.hidden(torch.cat([condition_of(given), target], dim=1)))
        logits = logits[:, condition_of(given).shape[1] - 1 : -1].clone()  # row r is predicted one row before it
        logits[..., 0] = -math.inf
        likely = logits.log_softmax(-1).gather(-1, target.clamp_min(1)[..., None])[..., 0]
        area = code_area(torch.tensor([10]), target_rows(10, 3), 3)[0]
        expected = torch.stack([each[area].mean() for each in likely])
        torch.testing.assert_close(made.log_probability[:, place], expected.float(), rtol=1e-4, atol=1e-5)


def test_the_best_try_is_the_likeliest() -> None:
    made = generate(sure_model(), mixtures(), 10, TRIES)
    for window, place in enumerate(made.log_probability.argmax(1).tolist()):
        assert torch.equal(made.best[window], made.codes[window, place])


def chosen(shares: list[float], seeds: int, **how: float) -> dict[int, float]:
    """Return how often each token is chosen from shares, over many seeds."""
    chooser = _Chooser([Try(seed=seed, **how) for seed in range(seeds)], 2, 1, torch.device("cpu"))
    logits = torch.tensor(shares).log().expand(1, seeds, 1, -1)
    tokens = chooser.chosen(logits, 1).flatten().tolist()
    return {token: tokens.count(token) / seeds for token in sorted(set(tokens))}


def test_tokens_are_drawn_by_their_shares() -> None:
    shares = [0.0, 0.5, 0.1, 0.3, 0.1]
    assert chosen(shares, 2000, temperature=1.0) == pytest.approx({1: 0.5, 2: 0.1, 3: 0.3, 4: 0.1}, abs=0.04)
    assert chosen(shares, 50) == {1: 1.0}
    # Squared: .25, .01, .09, .01 of .36
    assert chosen(shares, 2000, temperature=0.5) == pytest.approx({1: 0.694, 2: 0.028, 3: 0.25, 4: 0.028}, abs=0.04)


def test_a_nucleus_is_the_fewest_tokens_that_have_so_much() -> None:
    shares = [0.0, 0.5, 0.05, 0.3, 0.15]
    assert chosen(shares, 2000, temperature=1.0, top_p=0.75) == pytest.approx({1: 0.625, 3: 0.375}, abs=0.04)
    assert set(chosen(shares, 500, temperature=1.0, top_p=0.81)) == {1, 3, 4}
    assert chosen(shares, 50, temperature=1.0, top_p=0.1) == {1: 1.0}


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"temperature": -1.0}, "--temperature"),
        ({"temperature": math.nan}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.1}, "--top-p"),
    ],
)
def test_a_try_that_cannot_be_names_its_option(wrong: dict[str, float], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        Try(**wrong)


def test_what_a_model_cannot_take_is_named() -> None:
    model, several = small_model(), small_model(instruments=2)
    for wrong, says in (
        (some_codes(2, 9), "not integers"),
        (some_codes(2, 8, codebooks=4), "not integers"),
        (torch.zeros(2, 3, 8), "not integers"),
        (mixtures() + 15, "0 to 19"),
        (mixtures() - 1, "a code is -1"),
    ):
        with pytest.raises(DoseError, match=says):
            generate(model, wrong, FRAMES)
    with pytest.raises(DoseError, match="none given"):
        generate(several, mixtures(), FRAMES)
    for which in ([0, 1], [0, 1, 2]):
        with pytest.raises(DoseError, match="not all of 0 to 1"):
            generate(several, mixtures(), FRAMES, instruments=torch.tensor(which))


def test_half_the_bits_will_do() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = generate(sure_model(), mixtures(), FRAMES, TRIES)
    assert made.codes.shape == (3, len(TRIES), 3, FRAMES)
    assert bool(torch.isfinite(made.log_probability).all())


def test_training_goes_on_after_generating() -> None:
    model = small_model(dropout=0.5).train()
    first, second = (generate(model, mixtures(), FRAMES).codes for _ in range(2))
    assert torch.equal(first, second)
    assert model.training


@pytest.mark.parametrize("several", [False, True])
def test_what_was_learned_comes_out_again(several: bool) -> None:
    """Eight random pairs; a model of several has each mixture twice, with another one-shot for each instrument."""
    torch.manual_seed(0)
    model = small_model(instruments=2 if several else 1, width=64, feed_forward=128)
    pairs = some_pairs(8, frames=10)
    if several:
        pairs = replace(pairs, mixtures=pairs.mixtures[:4].repeat(2, 1, 1), instruments=torch.tensor([0] * 4 + [1] * 4))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(300):
        losses = dose_losses(model, pairs, LossSettings())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        if losses.parts()["full"] < 0.02:
            break
    made = generate(model, pairs.mixtures, 10, [Try(), Try(seed=1, temperature=0.1)], instruments=pairs.instruments)
    assert torch.equal(made.codes[:, 0], pairs.targets)
    assert torch.equal(made.best, pairs.targets)
    assert float(made.log_probability.min()) > -0.1
