"""How near is near: the distance, and a model beside guesses that do not listen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.spectral_distance import distance_from_mean, spectral_distance
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, write_checkpoint
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.evaluation.compare import SYSTEMS, compare
from rmod_pipeline.evaluation.condition_use import measure_condition_use
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.shards.token_family import choose_family


def hits(count: int, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(count, 8192, generator=torch.Generator().manual_seed(seed))
    return noise * torch.exp(-torch.arange(8192) / 1500)


def test_equal_sounds_are_at_no_distance_whatever_their_level() -> None:
    sound = hits(3)
    torch.testing.assert_close(spectral_distance(sound, 0.25 * sound), torch.zeros(3), atol=1e-4, rtol=0)


def test_the_distance_is_the_same_both_ways_and_grows_with_what_is_wrong() -> None:
    sound, other = hits(1), hits(1, seed=1)
    torch.testing.assert_close(spectral_distance(sound, other), spectral_distance(other, sound))
    mixed = [float(spectral_distance(sound + share * other, sound)) for share in (0.01, 0.1, 1.0)]
    assert mixed == sorted(mixed)
    assert float(spectral_distance(torch.zeros_like(sound), sound)) > mixed[-1]


def test_the_nearest_to_the_mean_is_the_nearest_to_all_others() -> None:
    several = torch.cat([hits(4), hits(2, seed=1) + 0.1 * hits(2, seed=2)])
    pairwise = torch.stack([spectral_distance(each.expand_as(several), several).mean() for each in several])
    from_mean = distance_from_mean(several)
    assert int(from_mean.argmin()) == int(pairwise.argmin())
    # A squared distance: what separates the two is the spread of all, the same for each.
    torch.testing.assert_close(pairwise - from_mean, from_mean.mean().expand(6))


@pytest.fixture
def checkpoint(tiny_tokens: Path, tiny_weights: Path) -> DoseCheckpoint:
    """A model that was never trained, for the small data set."""
    codec = open_codec(str(tiny_weights), device="cpu")
    size = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "dropout": 0.0, "condition_frames": 44}
    recipe = DoseRecipe.model_validate(
        {
            "name": "tiny",
            "instruments": ["kick", "snare"],
            "one_model": True,
            "target_frames": {"kick": 90, "snare": 90},
            "model": size,
            "schedule": {"steps": 1},
        }
    )
    torch.manual_seed(0)
    state = Dose(recipe.model, 2).state_dict()
    return DoseCheckpoint(recipe=recipe, instruments=("kick", "snare"), codec=codec.identity.to_dict(), state=state)


def test_every_way_is_measured_on_every_pair(tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint) -> None:
    codec, family = open_codec(str(tiny_weights), device="cpu", batch=4), choose_family(tiny_tokens)
    told: list[int] = []
    found = list(compare(tiny_tokens, "valid", checkpoint, codec, family, on_pairs=told.append))
    assert [each.instrument for each in found] == ["kick", "snare"]
    assert sum(told) == 4
    for each in found:
        assert len(each.keys) == 2
        assert all(len(each.distances[way]) == 2 for way in SYSTEMS)
        assert each.nearer_than("extracted") == 0
        assert 0 <= each.nearer_than("coded chance") <= 1
        assert each.distances["coded chance"] != each.distances["chance"]
        assert each.distances["extracted"] != each.distances["another's"]
        assert each.mean("silence") > 0
    again = list(compare(tiny_tokens, "valid", checkpoint, codec, family))
    assert [each.distances for each in again] == [each.distances for each in found]
    for each in compare(tiny_tokens, "valid", checkpoint, codec, family, tries=0):
        assert each.distances["extracted"] == each.distances["greedy"], "the only try there is"


def test_the_command_prints_a_table_and_writes_every_distance(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    path = write_checkpoint(checkpoint, tmp_path)
    asked = ["--data", tiny_tokens, "--split", "valid", "--codec", tiny_weights, "--pairs", 1]
    said = rmod("evaluate", path, *asked, "--json", tmp_path / "distances.json")
    assert said.code == 0, said
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in said.out.splitlines() if "│" in line}
    assert list(rows) == list(SYSTEMS)
    assert all(re.fullmatch(r"\d\.\d{3} \(\d+%\)", cell.strip()) for way in SYSTEMS[1:] for cell in rows[way])
    assert "with another pair's mixture" in said.out
    assert "valid-00000000" in (tmp_path / "distances.json").read_text()


def test_a_model_that_knows_its_mixtures_is_told_from_one_that_does_not(
    tiny_tokens: Path, checkpoint: DoseCheckpoint
) -> None:
    family = choose_family(tiny_tokens)
    for each in measure_condition_use(tiny_tokens, "valid", checkpoint, family):
        assert abs(each.full - each.full_with_other_mixture) < 0.1, "an untrained model hears nothing"
    model = load_dose_model(checkpoint).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    pairs = list(load_tokens(tiny_tokens, "valid", family.name))
    batch = TokenBatch(
        mixtures=torch.from_numpy(np.stack([pair["codes"]["mix"] for pair in pairs])),
        targets=torch.from_numpy(np.stack([pair["codes"]["kick"] for pair in pairs])),
        lengths=torch.tensor([pair["frames"]["kick"] for pair in pairs]),
        instruments=torch.zeros(len(pairs), dtype=torch.int64),
    )
    for _ in range(150):
        optimizer.zero_grad()
        compute_losses(model, batch, checkpoint.recipe.loss).total.backward()
        optimizer.step()
    kick, _ = measure_condition_use(tiny_tokens, "valid", replace(checkpoint, state=model.state_dict()), family)
    assert kick.full_with_other_mixture > 1.2 * kick.full
    assert kick.onset_with_other_mixture > 3 * kick.onset, "what comes first is known from the mixture alone"


def test_a_model_of_another_codec_is_refused(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    codec = {**checkpoint.codec, "sha256": "0" * 64}
    other = DoseCheckpoint(recipe=checkpoint.recipe, instruments=("kick", "snare"), codec=codec, state=checkpoint.state)
    path = write_checkpoint(other, tmp_path)
    said = rmod("evaluate", path, "--data", tiny_tokens, "--codec", tiny_weights, "--split", "valid")
    assert said.code == 2
    assert "sha256" in said.err
