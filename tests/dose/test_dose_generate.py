"""Generation: equal with and without a cache, never out of range, and learned pairs are returned."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rmod_pipeline.dose.condition import Condition
from rmod_pipeline.dose.generation import Sampling, _Sampler, generate
from rmod_pipeline.dose.layout import count_target_rows, delay_condition, delay_target, make_code_mask
from rmod_pipeline.dose.loss import compute_losses
from rmod_pipeline.dose.recipe import LossSettings
from rmod_pipeline.errors import DoseError, UsageError
from tests.dose.dose_examples import FRAMES, SIZE, make_batch, make_codes, make_condition, make_levels, small_model

TRIES = [
    Sampling(),
    Sampling(seed=1, temperature=1.0),
    Sampling(seed=2, temperature=0.7, top_p=0.9),
    Sampling(seed=3, temperature=1.5),
]


def make_mixtures(count: int = 3, seed: int = 0) -> Condition:
    return make_condition(count, seed)


def take(window: int, part: Tensor) -> Tensor:
    return part[[window]]


def peaked_model(**changes: Any) -> Any:
    """Return a random model with peaked predictions, so that its input matters."""
    model = small_model(**changes)
    with torch.no_grad():
        model.head.weight.mul_(20)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reference_compatible": True},
        {"positions": "rotary"},
        {"layout": "aligned"},
        {"condition": "mel"},
        {"condition": "ear"},
        {"condition": "ear", "positions": "rotary"},
    ],
)
def test_the_cache_changes_nothing(changes: dict[str, Any]) -> None:
    model = peaked_model(**changes)
    cached = generate(model, make_mixtures(), 20, TRIES)
    uncached = generate(model, make_mixtures(), 20, TRIES, cached=False)
    assert torch.equal(cached.codes, uncached.codes)
    torch.testing.assert_close(cached.log_probability, uncached.log_probability)
    assert len({tuple(codes.flatten().tolist()) for codes in cached.codes[0]}) == len(TRIES)


@pytest.mark.parametrize("condition", ["tokens", "mel", "ear"])
def test_the_cache_changes_nothing_for_a_model_of_several_instruments(condition: str) -> None:
    model, classes = peaked_model(instruments=2, condition=condition), torch.tensor([0, 1, 0])
    same = make_mixtures(1).map(lambda part: part.expand(3, *part.shape[1:]))
    cached = generate(model, same, 10, TRIES, instruments=classes)
    assert torch.equal(cached.codes, generate(model, same, 10, TRIES, instruments=classes, cached=False).codes)
    assert torch.equal(cached.codes[0], cached.codes[2])
    assert not torch.equal(cached.codes[0], cached.codes[1])


@pytest.mark.parametrize("condition", ["tokens", "mel", "ear"])
def test_a_result_does_not_depend_on_the_rest_of_the_batch(condition: str) -> None:
    model = peaked_model(condition=condition)
    together = generate(model, make_mixtures(), 10, TRIES)
    for window in range(3):
        for index, sampling in enumerate(TRIES):
            alone = generate(model, make_mixtures().map(partial(take, window)), 10, [sampling])
            assert torch.equal(alone.codes[0, 0], together.codes[window, index])


def test_greedy_tries_ignore_the_seed() -> None:
    generated = generate(peaked_model(), make_mixtures(), 10, [Sampling(seed=5), Sampling(seed=6, top_p=0.5)])
    assert torch.equal(generated.codes[:, 0], generated.codes[:, 1])


@settings(max_examples=15)
@given(st.integers(0, 1000), st.floats(0.0, 100.0), st.floats(0.01, 1.0), st.integers(1, 12))
def test_every_code_is_in_range(seed: int, temperature: float, top_p: float, frames: int) -> None:
    model = small_model(seed=seed)
    with torch.no_grad():
        # A model that prefers 0 everywhere.
        model.head.bias.view(3, 21)[:, 0] = 100.0
    generated = generate(
        model, make_mixtures(2, seed), frames, [Sampling(seed=seed, temperature=temperature, top_p=top_p)]
    )
    assert generated.codes.shape == (2, 1, 3, frames)
    assert int(generated.codes.min()) >= 0
    assert int(generated.codes.max()) < SIZE["codebook_size"]
    assert bool(torch.isfinite(generated.log_probability).all())


def test_the_log_probability_is_that_of_the_model() -> None:
    model, given = peaked_model().eval(), make_codes(3, SIZE["condition_frames"])
    generated = generate(model, Condition(tokens=given), 10, TRIES)
    for index in range(len(TRIES)):
        target = delay_target(generated.codes[:, index])
        rows = model.embed_tokens(torch.cat([delay_condition(given), target], dim=1))
        logits = model.compute_logits(model.compute_hidden(rows))
        logits = logits[:, delay_condition(given).shape[1] - 1 : -1].clone()  # row r is predicted by the row before it
        logits[..., 0] = -math.inf
        log_probability = logits.log_softmax(-1).gather(-1, target.clamp_min(1)[..., None])[..., 0]
        mask = make_code_mask(torch.tensor([10]), count_target_rows(10, 3), 3)[0]
        expected = torch.stack([each[mask].mean() for each in log_probability])
        torch.testing.assert_close(generated.log_probability[:, index], expected.float(), rtol=1e-4, atol=1e-5)


def test_the_best_try_is_the_most_likely() -> None:
    generated = generate(peaked_model(), make_mixtures(), 10, TRIES)
    for window, index in enumerate(generated.log_probability.argmax(1).tolist()):
        assert torch.equal(generated.best[window], generated.codes[window, index])


def sample_shares(probabilities: list[float], seeds: int, **options: float) -> dict[int, float]:
    """Return the share of seeds with which each token is sampled."""
    sampler = _Sampler([Sampling(seed=seed, **options) for seed in range(seeds)], 2, 1, torch.device("cpu"))
    logits = torch.tensor(probabilities).log().expand(1, seeds, 1, -1)
    tokens = sampler.sample(logits, 1).flatten().tolist()
    return {token: tokens.count(token) / seeds for token in sorted(set(tokens))}


def test_tokens_are_sampled_by_their_probabilities() -> None:
    probabilities = [0.0, 0.5, 0.1, 0.3, 0.1]
    assert sample_shares(probabilities, 2000, temperature=1.0) == pytest.approx(
        {1: 0.5, 2: 0.1, 3: 0.3, 4: 0.1}, abs=0.04
    )
    assert sample_shares(probabilities, 50) == {1: 1.0}
    # Squared: .25, .01, .09, .01 of .36
    assert sample_shares(probabilities, 2000, temperature=0.5) == pytest.approx(
        {1: 0.694, 2: 0.028, 3: 0.25, 4: 0.028}, abs=0.04
    )


def test_a_nucleus_is_the_fewest_tokens_that_reach_top_p() -> None:
    probabilities = [0.0, 0.5, 0.05, 0.3, 0.15]
    assert sample_shares(probabilities, 2000, temperature=1.0, top_p=0.75) == pytest.approx(
        {1: 0.625, 3: 0.375}, abs=0.04
    )
    assert set(sample_shares(probabilities, 500, temperature=1.0, top_p=0.81)) == {1, 3, 4}
    assert sample_shares(probabilities, 50, temperature=1.0, top_p=0.1) == {1: 1.0}


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        ({"temperature": -1.0}, "--temperature"),
        ({"temperature": math.nan}, "--temperature"),
        ({"top_p": 0.0}, "--top-p"),
        ({"top_p": 1.1}, "--top-p"),
    ],
)
def test_an_error_names_the_option_that_is_out_of_range(wrong: dict[str, Any], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        Sampling(**wrong)


def test_an_error_describes_input_that_does_not_fit_the_model() -> None:
    model, several = small_model(), small_model(instruments=2)
    for wrong, message in (
        (make_codes(2, 9), "not integers"),
        (make_codes(2, 8, codebooks=4), "not integers"),
        (torch.zeros(2, 3, 8), "not integers"),
        (make_codes(3, 8) + 15, "0 to 19"),
        (make_codes(3, 8) - 1, "a code is -1"),
        (None, "mixture tokens: none given"),
    ):
        with pytest.raises(DoseError, match=message):
            generate(model, Condition(tokens=wrong), FRAMES)
    levels = make_mixtures().levels
    assert levels is not None
    for wrong, message in (
        (None, "mixture levels: none given"),
        (levels.float(), "not bytes"),
        (levels[..., 1:], r"not bytes \[windows, 2, 16, 8\]"),
        (levels[:, :, 1:], "not bytes"),
    ):
        for condition in ("mel", "ear"):
            with pytest.raises(DoseError, match=message):
                generate(small_model(condition=condition), Condition(levels=wrong), FRAMES)
    with pytest.raises(DoseError, match="none given"):
        generate(several, make_mixtures(), FRAMES)
    for classes in ([0, 1], [0, 1, 2]):
        with pytest.raises(DoseError, match="not all of 0 to 1"):
            generate(several, make_mixtures(), FRAMES, instruments=torch.tensor(classes))


def test_bfloat16_is_supported() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        generated = generate(peaked_model(), make_mixtures(), FRAMES, TRIES)
    assert generated.codes.shape == (3, len(TRIES), 3, FRAMES)
    assert bool(torch.isfinite(generated.log_probability).all())


def test_generating_keeps_the_training_mode() -> None:
    model = small_model(dropout=0.5).train()
    first, second = (generate(model, make_mixtures(), FRAMES).codes for _ in range(2))
    assert torch.equal(first, second)
    assert model.training


@pytest.mark.parametrize(
    ("several", "condition"), [(False, "tokens"), (True, "tokens"), (True, "mel"), (False, "ear"), (True, "ear")]
)
def test_learned_pairs_are_returned(several: bool, condition: str) -> None:
    """Eight random pairs; a model of several instruments gets each mixture twice, with another one-shot for each."""
    torch.manual_seed(0)
    model = small_model(instruments=2 if several else 1, width=64, feed_forward=128, condition=condition)
    pairs = make_batch(8, frames=10)
    if several:
        levels = make_levels(4).repeat(2, 1, 1, 1)
        classes = torch.tensor([0] * 4 + [1] * 4)
        pairs = replace(pairs, mixtures=pairs.mixtures[:4].repeat(2, 1, 1), levels=levels, instruments=classes)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(300):
        losses = compute_losses(model, pairs, LossSettings())
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        if losses.to_dict()["full"] < 0.02:
            break
    generated = generate(
        model, pairs.condition, 10, [Sampling(), Sampling(seed=1, temperature=0.1)], instruments=pairs.instruments
    )
    assert torch.equal(generated.codes[:, 0], pairs.targets)
    assert torch.equal(generated.best, pairs.targets)
    assert float(generated.log_probability.min()) > -0.1
