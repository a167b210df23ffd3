"""Evaluation: the spectral distance, a model compared with simpler systems, and its use of the mixture."""

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
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation import compare as compare_module
from rmod_pipeline.evaluation.compare import SYSTEMS, Comparison, compare
from rmod_pipeline.evaluation.condition_use import measure_condition_use
from rmod_pipeline.evaluation.evaluate import Evaluation
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.token_family import choose_family


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


@pytest.mark.long
def test_every_system_is_compared_on_every_pair(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint
) -> None:
    codec, family = open_codec(str(tiny_weights), device="cpu", batch=4), choose_family(tiny_tokens)
    counts: list[int] = []
    comparisons = list(compare(tiny_tokens, "valid", checkpoint, codec, family, on_pairs=counts.append, tries=2))
    assert [each.instrument for each in comparisons] == ["kick", "snare"]
    assert sum(counts) == 4
    for each in comparisons:
        assert len(each.keys) == 2
        assert all(len(each.distances[system]) == 2 for system in SYSTEMS)
        assert each.nearer_than("extracted") == 0
        assert 0 <= each.nearer_than("coded chance") <= 1
        assert each.distances["coded chance"] != each.distances["chance"]
        assert each.distances["extracted"] != each.distances["another's"]
        assert each.mean("silence") > 0
    repeated = list(compare(tiny_tokens, "valid", checkpoint, codec, family, tries=2))
    assert [each.distances for each in repeated] == [each.distances for each in comparisons]
    for each in compare(tiny_tokens, "valid", checkpoint, codec, family, tries=0):
        assert each.distances["extracted"] == each.distances["greedy"], "there is only one try"


def test_the_command_prints_a_table_and_writes_every_distance(
    tiny_tokens: Path, tiny_weights: Path, checkpoint: DoseCheckpoint, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    path = write_checkpoint(checkpoint, tmp_path)
    options = ["--data", tiny_tokens, "--split", "valid", "--codec", tiny_weights, "--pairs", 1]
    result = rmod("evaluate", path, *options, "--json", tmp_path / "distances.json")
    assert result.code == 0, result
    rows = {line.split("│")[1].strip(): line.split("│")[2:4] for line in result.out.splitlines() if "│" in line}
    assert list(rows) == list(SYSTEMS)
    assert all(re.fullmatch(r"\d\.\d{3} \(\d+%\)", cell.strip()) for system in SYSTEMS[1:] for cell in rows[system])
    assert "with another pair's mixture" in result.out
    assert "valid-00000000" in (tmp_path / "distances.json").read_text()


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


def test_an_evaluation_is_a_table_of_every_system() -> None:
    distances: dict[str, tuple[float, ...]] = {**dict.fromkeys(SYSTEMS, (1.0, 3.0)), "extracted": (0.5, 4.0)}
    kick = Comparison(instrument="kick", keys=("a", "b"), distances=distances)
    evaluation = Evaluation(comparisons=(kick, replace(kick, instrument="snare")), condition_use=())
    assert evaluation["snare"].instrument == "snare"
    with pytest.raises(KeyError, match="cowbell"):
        evaluation["cowbell"]
    table = evaluation.table()
    assert [row["system"] for row in table] == [*SYSTEMS, *SYSTEMS]
    assert table[1 + SYSTEMS.index("silence") - 1] == {
        "system": "silence",
        "instrument": "kick",
        "distance": 2.0,
        "model_nearer": 0.5,
    }


def test_a_data_set_that_cannot_be_evaluated_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_module, "list_keys", lambda *_: [])
    with pytest.raises(ShardError, match="split valid: all of its pairs were rejected"):
        compare_module._list_all_keys(Path("out"), "valid")
    for members, built in ({}, "with audio"), ({"mix.wav": b""}, "from a recipe with a kick"):
        with pytest.raises(ShardError, match="contains no audio of its kick") as caught:
            compare_module._decode_sound(StoredPair(key="a", members=members), "kick", 9)
        assert built in caught.value.hint
