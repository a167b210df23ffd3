"""Evaluation: the spectral distance, one model compared with simpler systems, and its use of the mixture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rmod_pipeline import api
from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.spectral_distance import distance_from_mean, spectral_distance
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, write_checkpoint
from rmod_pipeline.dose.loss import TokenBatch, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.evaluation.figures.condition_use import measure_condition_use
from rmod_pipeline.evaluation.votes import digest_trials, read_trials
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.shards.token_family import choose_family

MODEL_SYSTEMS = [
    *("DOSE", "another's", "agreed", "greedy"),
    *("sliced, known hit", "chance", "typical", "coded chance", "codec", "silence"),
]
"""The systems of a model on a data set at another rate than that of the ear."""


def make_hits(count: int, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(count, 8192, generator=torch.Generator().manual_seed(seed))
    return noise * torch.exp(-torch.arange(8192) / 1500)


def test_equal_sounds_have_no_distance_at_any_level() -> None:
    sound = make_hits(3)
    torch.testing.assert_close(spectral_distance(sound, 0.25 * sound), torch.zeros(3), atol=1e-4, rtol=0)


def test_the_distance_is_symmetric_and_grows_with_the_error() -> None:
    sound, other = make_hits(1), make_hits(1, seed=1)
    torch.testing.assert_close(spectral_distance(sound, other), spectral_distance(other, sound))
    mixed = [float(spectral_distance(sound + share * other, sound)) for share in (0.01, 0.1, 1.0)]
    assert mixed == sorted(mixed)
    assert float(spectral_distance(torch.zeros_like(sound), sound)) > mixed[-1]


def test_the_nearest_to_the_mean_is_the_nearest_to_all_others() -> None:
    several = torch.cat([make_hits(4), make_hits(2, seed=1) + 0.1 * make_hits(2, seed=2)])
    pairwise = torch.stack([spectral_distance(each.expand_as(several), several).mean() for each in several])
    from_mean = distance_from_mean(several)
    assert int(from_mean.argmin()) == int(pairwise.argmin())
    # Squared distances: the two differ by the spread of all sounds, which is the same for each.
    torch.testing.assert_close(pairwise - from_mean, from_mean.mean().expand(6))


@pytest.fixture
def checkpoint(tiny_tokens: Path, tiny_weights: Path) -> DoseCheckpoint:
    """An untrained model for the small data set."""
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


def evaluate(rmod: Callable[..., Any], path: Path, weights: Path, *options: object) -> Any:
    return rmod("evaluate", path, "--codec", weights, "--split", "valid", "--tries", 1, *options)


@pytest.mark.long
def test_a_model_is_compared_with_simpler_systems(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path
) -> None:
    path = write_checkpoint(checkpoint, tmp_path)
    results = api.evaluate(
        path, data=tiny_tokens, split="valid", codec=str(tiny_weights), tries=2, device="cpu", progress=False
    )
    assert results.systems("pairs") == MODEL_SYSTEMS
    own = results.cell("pairs", "DOSE", "kick").sha256
    assert results.cell("pairs", "another's", "kick").sha256 == (own[1], own[0])
    assert results.cell("pairs", "coded chance", "kick").sha256 != results.cell("pairs", "chance", "kick").sha256
    (losses,) = results.condition_use.values()
    assert [each.instrument for each in losses] == ["kick", "snare"]
    one_try = api.evaluate(
        path, data=tiny_tokens, split="valid", codec=str(tiny_weights), tries=0, device="cpu", progress=False
    )
    kick = one_try.cell("pairs", "DOSE", "kick")
    assert kick.sha256 == one_try.cell("pairs", "greedy", "kick").sha256, "there is only one try"


def test_the_command_prints_tables_and_writes_every_file(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    path = write_checkpoint(checkpoint, tmp_path)
    options = ["--data", tiny_tokens, "--pairs", 2, "--out", tmp_path / "out", "--json", tmp_path / "figures.json"]
    result = evaluate(rmod, path, tiny_weights, *options)
    assert result.code == 0, result
    rows = {line.split("│")[1].strip() for line in result.out.splitlines() if line.startswith("│")}
    assert set(MODEL_SYSTEMS) <= rows
    assert "– stands for too few pairs: FAD-ear: " in " ".join(result.out.split())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *("evaluation.html", "evaluation.md", "evaluation.json", "items.parquet", "work"),
        *("listen-pairs.html", "blind-pairs.html", "blind-pairs-key.json"),
    }
    content = json.loads((tmp_path / "figures.json").read_text())
    keys = {row["key"] for row in content["items"]}
    assert keys == {"valid-00000000", "valid-00000001"}
    assert {row["system"] for row in content["items"]} == set(MODEL_SYSTEMS)
    again = evaluate(rmod, path, tiny_weights, *options)
    assert again.out == result.out, "a resumed evaluation says the same"
    votes = {
        "test": "blind-pairs",
        "key": digest_trials(read_trials(tmp_path / "out/blind-pairs-key.json")),
        "votes": {"0": "A"},
    }
    (tmp_path / "votes.json").write_text(json.dumps(votes))
    counted = rmod("evaluate", "--votes", tmp_path / "votes.json", "--out", tmp_path / "out")
    assert counted.code == 0, counted
    assert "of 1 (p = 1.000)" in counted.out


def test_a_trained_model_uses_the_mixture_and_an_untrained_one_does_not(
    tiny_tokens: Path, checkpoint: DoseCheckpoint
) -> None:
    family = choose_family(tiny_tokens)
    for each in measure_condition_use(tiny_tokens, "valid", checkpoint, family):
        assert abs(each.full - each.full_with_other_mixture) < 0.1, "an untrained model does not use the mixture"
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
    assert kick.onset_with_other_mixture > 3 * kick.onset, "only the mixture tells the first codes"


def test_a_model_of_another_codec_is_refused(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    codec = {**checkpoint.codec, "sha256": "0" * 64}
    other = DoseCheckpoint(recipe=checkpoint.recipe, instruments=("kick", "snare"), codec=codec, state=checkpoint.state)
    path = write_checkpoint(other, tmp_path)
    result = rmod("evaluate", path, "--data", tiny_tokens, "--codec", tiny_weights, "--split", "valid")
    assert result.code == 2
    assert "sha256" in result.err
