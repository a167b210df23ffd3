"""Laws of the network: items do not depend on each other, and levels on the level of the one-shot."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.ear.loss import EarBatch, compute_ear_losses
from rmod_pipeline.ear.model import Ear, describe_levels
from rmod_pipeline.ear.recipe import EarLossSettings, EarSize
from rmod_pipeline.ear.spectrum import FRAMES

SIZE = EarSize(
    bands=16,
    channels=(4, 4),
    width=8,
    layers=1,
    describer_width=8,
    describer_layers=1,
    description_frames=5,
    embedding=4,
)


@pytest.fixture(scope="module")
def ear() -> Ear:
    torch.manual_seed(0)
    return Ear(SIZE, ("kick", "snare", "hihat")).eval()


def random_levels(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 220, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def test_a_mixture_is_heard_alike_in_any_batch(ear: Ear) -> None:
    levels = random_levels(1, 4, 2, 16, 50)
    together, alone = ear.listen(levels), ear.listen(levels[2:3])
    torch.testing.assert_close(together.hit_logits[2:3], alone.hit_logits)
    hits, classes = torch.tensor([[3, 20, -1]]), torch.tensor([1])
    description = ear.describe(together, hits.expand(4, -1), classes.expand(4))
    torch.testing.assert_close(description.levels[2:3], ear.describe(alone, hits, classes).levels)
    torch.testing.assert_close(description.embedding.norm(dim=1), torch.ones(4))


@given(st.integers(-60, 35))
def test_a_description_does_not_depend_on_the_level(steps: int) -> None:
    levels = random_levels(2, 1, 2, 16, 9).clamp(60, 219)
    louder = (levels.int() + steps).to(torch.uint8)
    torch.testing.assert_close(describe_levels(louder, 5), describe_levels(levels, 5))


def test_only_what_sounds_after_the_hits_is_described(ear: Ear) -> None:
    """The levels far from any hit change the encoder's norm alone, the levels after a hit the description itself."""
    levels = random_levels(3, 1, 2, 16, 50)
    hits, classes = torch.tensor([[10]]), torch.tensor([0])
    heard = ear.listen(levels)
    changed = ear.listen(levels)
    raw = changed.levels.clone()
    raw[..., 10:15] += 1
    after = ear.describe(type(changed)(raw, changed.encoded, changed.hit_logits), hits, classes).levels
    raw = changed.levels.clone()
    raw[..., 20:] += 1
    far = ear.describe(type(changed)(raw, changed.encoded, changed.hit_logits), hits, classes).levels
    own = ear.describe(heard, hits, classes).levels
    torch.testing.assert_close(far, own)
    assert not torch.allclose(after, own)


def test_learning_lowers_every_loss() -> None:
    torch.manual_seed(0)
    model, settings = Ear(SIZE.model_copy(update={"spectrum": 6}), ("kick", "hihat")), EarLossSettings(heard=0.0)
    batch = EarBatch(
        levels=random_levels(4, 6, 2, 16, 40),
        hits=torch.tensor([[[2, 20], [10, -1]]] * 6),
        targets=random_levels(5, 6, 2, 2, 16, FRAMES),
    )
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    before = compute_ear_losses(model, batch, settings)
    for _ in range(60):
        optimizer.zero_grad()
        compute_ear_losses(model, batch, settings).total.backward()
        optimizer.step()
    after = compute_ear_losses(model, batch, settings)
    for name, part in after.parts.items():
        assert bool((part < 0.8 * before.parts[name]).all()), name
