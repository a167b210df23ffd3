"""Models that hear: what they are given matters, and what they are not given does not; the ear stays as it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, read_dose_checkpoint, write_checkpoint
from rmod_pipeline.dose.condition import Condition, compute_levels
from rmod_pipeline.dose.generation import generate
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.layout import ABSENT, delay_target
from rmod_pipeline.dose.loss import compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import LossSettings
from rmod_pipeline.ear.hits import find_hit_frames
from rmod_pipeline.errors import DoseError
from tests.dose.dose_examples import (
    CODEC,
    EAR_INSTRUMENTS,
    EAR_SIZE,
    FRAMES,
    MEL,
    SIZE,
    make_batch,
    make_codes,
    make_condition,
    make_levels,
    small_hearing,
    small_model,
    small_recipe,
)

LEARNED = LossSettings()
WINDOW = SIZE["condition_frames"]
HEARD = ("mel", "ear")


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    torch.manual_seed(0)
    yield


def logits_of(model: Dose, condition: Condition, instruments: Tensor | None = None) -> Tensor:
    """Return the logits of every target row for fixed codes."""
    target = delay_target(make_codes(len(condition), FRAMES, 5))
    inside = torch.ones(len(condition), FRAMES, dtype=torch.bool)
    heard = model.listen(condition, instruments, inside)
    first = model.embed_condition(condition)
    rows = torch.cat([first, model.embed_target(target, heard)], dim=1)
    with torch.no_grad():
        return model.compute_logits(model.compute_hidden(rows, instruments))[:, first.shape[1] :]


@pytest.mark.parametrize("condition", ["tokens", *HEARD])
def test_only_what_the_model_is_given_matters(condition: str) -> None:
    model, given = small_model(condition=condition).eval(), make_condition(2)
    plain = logits_of(model, given)
    other_tokens = logits_of(model, replace(given, tokens=make_codes(2, WINDOW, 9)))
    other_levels = logits_of(model, replace(given, levels=make_levels(2, 9)))
    uses_tokens = condition == "tokens"
    assert torch.equal(plain, other_tokens) is not uses_tokens
    assert torch.equal(plain, other_levels) is uses_tokens
    alone = Condition(tokens=given.tokens) if uses_tokens else Condition(levels=given.levels)
    assert torch.equal(logits_of(model, alone), plain), "the other part is not needed"


def hit_logits(model: Dose, levels: Tensor) -> Tensor:
    """Return the log odds of the model's own instrument."""
    assert model.listener is not None
    with torch.no_grad():
        heard: Tensor = model.listener.ear.listen(levels).hit_logits[:, model.listener.classes[0]]
    return heard


def test_what_sounds_after_the_hits_matters_for_the_frame_that_it_belongs_to() -> None:
    model = small_model(condition="ear").eval()
    assert model.listener is not None
    levels = make_levels(1, 3, frames=40)
    known = torch.tensor([[10, 30]])
    inside = torch.ones(1, FRAMES, dtype=torch.bool)
    plain = model.listener(levels, None, inside, known)
    # The ear hears frames nearby, so hide it: only the levels themselves are pooled here.
    model.listener.ear.encoder.into.weight.mul_(0)
    plain = model.listener(levels, None, inside, known)
    between, after = levels.clone(), levels.clone()
    between[..., 20:30] = 255 - between[..., 20:30]
    after[..., 12] = 255 - after[..., 12]
    assert torch.equal(model.listener(between, None, inside, known), plain), "no hit sounds as long as that"
    changed = (model.listener(after, None, inside, known) != plain).any(2)[0]
    # Two layers of width 3 see two frames on each side.
    assert changed.tolist() == [True] * 5 + [False] * (FRAMES - 5)


def test_a_model_finds_the_hits_of_its_own_instrument() -> None:
    levels = make_levels(2, 4)
    model = small_model(2, condition="ear").eval()
    kick, snare = (logits_of(model, Condition(levels=levels), torch.tensor([each, each])) for each in (0, 1))
    assert not torch.equal(kick, snare)
    single = small_model(condition="ear").eval()
    assert single.listener is not None
    heard = find_hit_frames(hit_logits(single, levels), 4)
    inside = torch.ones(2, FRAMES, dtype=torch.bool)
    by_ear = single.listener(levels, None, inside)
    torch.testing.assert_close(single.listener(levels, None, inside, heard), by_ear)
    none = torch.full_like(heard, -1)
    assert torch.equal(single.listener(levels, None, inside, none), by_ear), "without known hits the heard ones count"
    one = torch.stack([none[0], (heard[1] + 1).where(heard[1] >= 0, -1)])
    mixed = single.listener(levels, None, inside, one)
    assert torch.equal(mixed[0], by_ear[0])
    assert not torch.allclose(mixed[1], by_ear[1])


def test_training_uses_the_known_hits_of_a_share_of_the_items_and_evaluation_none() -> None:
    batch = replace(make_batch(2), hits=torch.tensor([[0, 5], [2, -1]]))
    other = replace(batch, hits=torch.tensor([[1, 6], [3, -1]]))

    def losses(model: Dose) -> list[float]:
        with torch.no_grad():
            return [float(compute_losses(model, each, LEARNED).full) for each in (batch, other)]

    never, always = (small_model(condition="ear", hits_known=share) for share in (0.0, 1.0))
    assert len(set(losses(always.train()))) == 2
    assert len(set(losses(never.train()))) == 1, "all hits are heard"
    assert len(set(losses(always.eval()))) == 1
    assert losses(always.eval())[0] == losses(never.eval())[0]


@pytest.mark.parametrize("condition", HEARD)
def test_a_short_window_in_a_batch_has_the_loss_that_it_has_alone(condition: str) -> None:
    model, alone = small_model(condition=condition).eval(), make_batch(1, frames=4)
    padded = torch.nn.functional.pad(alone.targets, (0, 5), value=ABSENT)
    levels = alone.levels
    assert levels is not None
    both = replace(
        alone,
        mixtures=alone.mixtures.expand(2, -1, -1),
        targets=padded.expand(2, -1, -1),
        lengths=torch.tensor([4, 4]),
        levels=levels.expand(2, -1, -1, -1),
    )
    with torch.no_grad():
        expected, found = (float(compute_losses(model, each, LEARNED).full) for each in (alone, both))
    assert found == pytest.approx(expected, rel=1e-5)


def test_no_training_changes_the_ear() -> None:
    model = small_model(condition="ear", condition_dropout=0.2, history_dropout=0.5).train()
    assert model.listener is not None
    ear = model.listener.ear
    before = {name: value.clone() for name, value in ear.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    batch = replace(make_batch(3), hits=torch.tensor([[0, 5], [2, -1], [-1, -1]]))
    for _ in range(2):
        compute_losses(model.train(), batch, LEARNED).total.backward()
        optimizer.step()
    assert not any(part.training for part in ear.modules())
    assert all(parameter.grad is None for parameter in ear.parameters())
    assert all(torch.equal(value, before[name]) for name, value in ear.state_dict().items())
    trained = [*model.listener.layers.parameters(), *(model.mel or ear).parameters()]
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in trained)


@pytest.mark.parametrize("condition", HEARD)
def test_dropout_of_levels_acts_in_training_only(condition: str) -> None:
    batch, model = make_batch(4), small_model(condition=condition, condition_dropout=0.9)
    with torch.no_grad():
        first, second = (float(compute_losses(model.train(), batch, LEARNED).full) for _ in range(2))
        assert first != second
        plain = small_model(condition=condition).eval()
        both = [float(compute_losses(each, batch, LEARNED).full) for each in (model.eval(), plain)]
    assert both[0] == both[1]


@pytest.mark.parametrize("condition", HEARD)
def test_a_new_model_predicts_nearly_uniformly(condition: str) -> None:
    model = small_model(condition=condition)
    with torch.no_grad():
        full = float(compute_losses(model, make_batch(4), LEARNED).full)
    assert full == pytest.approx(torch.tensor(21.0).log().item(), rel=0.02)


def test_bfloat16_hears_the_same_hits() -> None:
    model, given = small_model(condition="ear").eval(), make_condition(3)
    assert model.listener is not None
    inside = torch.ones(3, FRAMES, dtype=torch.bool)
    exact = model.listen(given, None, inside)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.listen(given, None, inside)
    assert exact is not None
    assert found is not None
    torch.testing.assert_close(found.float(), exact, atol=0.02, rtol=0.1)


def make_checkpoint(condition: str, **changes: Any) -> DoseCheckpoint:
    model = small_model(3, condition=condition)
    names = ["kick", "snare", "hihat"]
    recipe = small_recipe(instruments=names, one_model=True, model={**SIZE, "condition": condition})
    fields = {"recipe": recipe, "instruments": tuple(names), "codec": CODEC, "hearing": small_hearing(condition, 3)}
    return DoseCheckpoint(**{**fields, "state": model.state_dict(), **changes})


@pytest.mark.parametrize("condition", ["tokens", *HEARD])
def test_a_checkpoint_holds_all_that_its_model_needs(condition: str, tmp_path: Path) -> None:
    written = make_checkpoint(condition)
    read = read_dose_checkpoint(write_checkpoint(written, tmp_path))
    assert read.hearing == written.hearing
    model, classes = load_dose_model(read), torch.tensor([2, 0])
    before, after = (
        generate(each, make_condition(2), FRAMES, instruments=classes).codes
        for each in (small_model(3, condition=condition), model)
    )
    assert torch.equal(before, after)
    if model.listener is not None:
        assert not any(parameter.requires_grad for parameter in model.listener.ear.parameters())
        assert model.listener.classes == (1, 0, 2)


def test_a_checkpoint_of_tokens_does_not_say_how_it_hears(tmp_path: Path) -> None:
    content = torch.load(write_checkpoint(make_checkpoint("tokens"), tmp_path), weights_only=True)
    assert set(content["metadata"]) == {"recipe", "instruments", "codec", "progress"}


@pytest.mark.parametrize("layout", ["aligned", "delayed"])
def test_a_checkpoint_may_call_the_layout_the_condition(layout: str, tmp_path: Path) -> None:
    recipe = small_recipe(model={**SIZE, "layout": layout})
    state = small_model(layout=layout).state_dict()
    path = write_checkpoint(DoseCheckpoint(recipe=recipe, instruments=("kick",), codec=CODEC, state=state), tmp_path)
    content = torch.load(path, weights_only=True)
    old = content["metadata"]["recipe"]["model"]
    del old["layout"], old["hits_known"]
    old["condition"] = layout
    torch.save(content, path)
    read = read_dose_checkpoint(path)
    assert (read.recipe.model.layout, read.recipe.model.condition) == (layout, "tokens")
    read.require_size(recipe.model)
    codes = [
        generate(each, make_condition(2), FRAMES).codes for each in (load_dose_model(read), small_model(layout=layout))
    ]
    assert torch.equal(*codes)


@pytest.mark.parametrize(
    ("condition", "hearing", "message"),
    [
        ("mel", None, "does not say how the model hears"),
        ("mel", {"mel": {**MEL.to_dict(), "format": "other"}}, "its format is not log-mel-1"),
        ("ear", {"mel": MEL.to_dict()}, "does not say which ear"),
        ("ear", {"mel": MEL.to_dict(), "ear": {"size": {}}}, "its ear has no instruments"),
        ("ear", {"mel": MEL.to_dict(), "ear": {"size": {"bands": 1}, "instruments": []}}, "how the model hears"),
        (
            "ear",
            {"mel": MEL.to_dict(), "ear": {"size": EAR_SIZE.model_dump(mode="json"), "instruments": ["kick"]}},
            "hears kick, not snare",
        ),
    ],
)
def test_an_error_describes_a_checkpoint_that_does_not_say_how_it_hears(
    condition: str, hearing: Any, message: str, tmp_path: Path
) -> None:
    path = write_checkpoint(make_checkpoint(condition), tmp_path)
    content = torch.load(path, weights_only=True)
    content["metadata"]["hearing"] = hearing
    torch.save(content, path)
    with pytest.raises(DoseError, match=message):
        read_dose_checkpoint(path)


def test_an_error_names_an_instrument_that_the_ear_does_not_hear() -> None:
    with pytest.raises(DoseError, match=r"ear\.pth: hears snare and kick and hihat, not kik \(did you mean 'kick'"):
        Hearing.with_ear(MEL, EAR_SIZE, EAR_INSTRUMENTS, ("snare", "kik"), "ear.pth")


def test_another_condition_is_another_model() -> None:
    with pytest.raises(DoseError, match="a model with condition mel, the recipe asks for ear"):
        make_checkpoint("mel").require_size(make_checkpoint("ear").recipe.model)
    make_checkpoint("ear").require_size(small_recipe(model={**SIZE, "condition": "ear", "hits_known": 0.9}).model)


def test_levels_of_sounds_are_those_of_their_definition() -> None:
    sounds = torch.randn(2, 4 * MEL.hop, generator=torch.Generator().manual_seed(0)).numpy()
    levels = compute_levels(MEL, list(sounds))
    assert (levels.dtype, levels.shape) == (torch.uint8, (2, 2, 16, 4))
    assert torch.equal(levels[1], torch.from_numpy(MEL.compute(sounds[1])))
