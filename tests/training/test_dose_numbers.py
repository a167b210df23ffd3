"""The numbers of a training: optimizer, learning rate, first weights, unigram baseline, mean losses."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest
import torch

from rmod_pipeline.codec import open_codec
from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseSchedule
from rmod_pipeline.errors import RmodError
from rmod_pipeline.training.dose.examples import Collate
from rmod_pipeline.training.dose.initialization import initialize_from_codebooks
from rmod_pipeline.training.dose.unigram import (
    CodeCounts,
    count_codes,
    cross_entropy_of_counts,
    mean_losses,
    unigram_losses,
)
from rmod_pipeline.training.loop.checkpointing import PlainFileIO, _describe_changes
from rmod_pipeline.training.loop.examples import LoaderError
from rmod_pipeline.training.loop.loaders import hide_connection_errors
from rmod_pipeline.training.loop.optimizer import Muon, learning_rate_at, orthogonalize
from rmod_pipeline.training.loop.trainer import keep_keyboard_interrupt
from tests.training.training_examples import make_recipe, read_state, train_models


def test_muon_updates_the_matrices_of_the_layers_and_adamw_the_rest(tiny_tokens: Path, tmp_path: Path) -> None:
    train_models(tiny_tokens, tmp_path, changes={"schedule": {"optimizer": "muon"}}, until=2)
    model = load_dose_model(read_dose_checkpoint(tmp_path / "kick.pth"))
    names = [name for name, _ in model.named_parameters()]
    state = read_state(tmp_path)["optimizer_states"][0]
    # Muon stores one number per weight, AdamW two.
    order = [*_matrices(names), *(name for name in names if name not in _matrices(names))]
    states = {order[index]: set(weight_state) for index, weight_state in state["state"].items()}
    assert set(states) == set(names)
    assert {name for name, weight_state in states.items() if "momentum_buffer" in weight_state} == set(_matrices(names))
    muon, adamw = state["param_groups"]
    assert muon["lr"] == pytest.approx(20 * adamw["lr"])


def test_muon_agrees_with_torchs_own() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((48, 16), (16, 48), (16, 16)):
        ours, reference = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
        kinds = ((Muon, ours), (torch.optim.Muon, reference))
        optimizers = [kind([weight], lr=0.02, weight_decay=0.01) for kind, weight in kinds]
        for _ in range(5):
            gradient = torch.randn(shape, generator=generator)
            for optimizer, weight in zip(optimizers, (ours, reference), strict=True):
                weight.grad = gradient.clone()
                optimizer.step()
        # torch computes in bfloat16.
        torch.testing.assert_close(ours, reference, atol=5e-3, rtol=0)
        spread = torch.linalg.svdvals(orthogonalize(gradient))
        assert 0.3 < float(spread.min()) < float(spread.max()) < 1.3


def _matrices(names: list[str]) -> list[str]:
    return [name for name in names if re.fullmatch(r"blocks\.\d+\.(attention|feed_forward)\.\w+\.weight", name)]


def test_similar_codes_start_with_similar_weights(tiny_weights: Path) -> None:
    codec = open_codec(str(tiny_weights), device="cpu")
    codebooks, size = codec.codebooks(), make_recipe().model
    assert codebooks.entries.shape == (9, 1024, 8)
    assert codebooks.latents.shape[:2] == (9, 1024)
    torch.manual_seed(0)
    model, noise = Dose(size.model_copy(update={"width": 256})), Dose(size.model_copy(update={"width": 256}))
    initialize_from_codebooks(model, codec, seed=0)
    alike = torch.from_numpy(codebooks.entries[0] @ codebooks.entries[0].T)
    near, far = alike > 0.9, alike < 0.0
    near.fill_diagonal_(False)
    for start, least in ((model, 0.3), (noise, 0.0)):
        weights = dict(start.named_parameters())
        embeddings, outputs = weights["tokens.0.weight"][1:], start.head.weight[1:1025]
        for vectors in (embeddings, outputs):
            rows = torch.nn.functional.normalize(vectors - vectors.mean(0), dim=1)
            similarity = rows @ rows.T
            difference = (similarity[near].mean() - similarity[far].mean()).item()
            assert difference > least if least else abs(difference) < 0.02
    same_seed, other_seed = (Dose(size.model_copy(update={"width": 256})) for _ in range(2))
    for start, seed in ((same_seed, 0), (other_seed, 1)):
        start.load_state_dict(noise.state_dict())
        initialize_from_codebooks(start, codec, seed=seed)
    assert not torch.equal(same_seed.head.weight, other_seed.head.weight)
    assert torch.equal(same_seed.head.weight[0], other_seed.head.weight[0]), "token 0 has no entry in the codebook"


def test_the_unigram_losses_agree_with_a_calculation_by_hand() -> None:
    # One codebook of three entries, which occur 3, 1 and 0 times: with one added to each, 4/7, 2/7 and 1/7.
    nats, codes = cross_entropy_of_counts(torch.tensor([[3, 1, 0]]), torch.tensor([[1, 0, 2]])).tolist()
    assert codes == 3
    assert nats == pytest.approx(-(math.log(4 / 7) + 2 * math.log(1 / 7)))
    # Each of two codebooks is predicted by its own frequencies.
    both = cross_entropy_of_counts(torch.tensor([[3, 1, 0], [0, 0, 0]]), torch.tensor([[1, 0, 2], [0, 5, 0]]))
    assert both.tolist() == pytest.approx([nats + 5 * math.log(3), 8])
    train = {"kick": CodeCounts(torch.tensor([[3, 1, 0]]), torch.tensor([[1, 0, 0]]))}
    valid = {"kick": CodeCounts(torch.tensor([[1, 0, 2]]), torch.tensor([[0, 0, 0]]))}
    assert unigram_losses(train, valid) == {
        name: {"full": pytest.approx(nats / 3), "onset": 0.0} for name in ("all", "kick")
    }


def test_codes_are_counted_where_the_loss_counts_them() -> None:
    codes = torch.tensor([[[0, 1, 2, 2], [3, 3, 3, 0]]])  # two codebooks, four frames, of which three hold sound
    counts = count_codes(codes, torch.tensor([3]), 4, masked=False)
    assert counts.full.tolist() == [[1, 1, 2, 0], [1, 0, 0, 3]]
    assert counts.onset.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]], "two of the first codebook, one of the second"
    assert count_codes(codes, torch.tensor([3]), 4, masked=True).full.tolist() == [[1, 1, 1, 0], [0, 0, 0, 3]]


def test_mean_losses_weigh_instruments_by_their_codes() -> None:
    sums = torch.tensor([[[8.0, 4], [1, 1]], [[2, 1], [0, 0]]], dtype=torch.float64)
    assert mean_losses(sums, ["kick", "hihat"]) == {
        "all": {"full": 2.0, "onset": 1.0},
        "kick": {"full": 2.0, "onset": 1.0},
        "hihat": {"full": 2.0, "onset": 0.0},
    }


def test_the_learning_rate_follows_the_schedule() -> None:
    schedule = DoseSchedule(steps=100, warm_up_steps=10, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate_at(schedule, step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1.0
    assert rates[100] == pytest.approx(0.1)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert {learning_rate_at(DoseSchedule(steps=100), step) for step in range(101)} == {1e-4}


def test_muon_leaves_a_weight_without_a_gradient_alone() -> None:
    used, unused = (torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2))
    optimizer = Muon([{"params": [used, unused]}], lr=0.1, weight_decay=0.1)
    used.grad = torch.eye(2)
    optimizer.step()
    assert not torch.equal(used, torch.ones(2, 2))
    assert torch.equal(unused, torch.ones(2, 2))


def test_what_a_state_does_not_store_has_not_changed() -> None:
    current = {"packages": {"torch": "2"}, "machine": {"processor": "x86"}}
    assert list(_describe_changes({"packages": {"torch": "1"}}, current)) == ["torch 2 instead of 1"]


def test_a_worker_is_silent_about_its_main_process_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    hide_connection_errors(0)
    for error in (BrokenPipeError("gone"), ValueError("a fault")):
        sys.excepthook(type(error), error, None)
    assert capsys.readouterr().err == "ValueError: a fault\n"


def test_only_an_exit_for_ctrl_c_is_an_interrupt() -> None:
    with pytest.raises(SystemExit), keep_keyboard_interrupt():
        raise SystemExit(3)


def test_a_state_is_removed_once(tmp_path: Path) -> None:
    state = tmp_path / "state.ckpt"
    state.touch()
    for _ in range(2):
        PlainFileIO(tmp_path).remove_checkpoint(state)
        assert not state.exists()


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory with 4 pairs on a device"),
        (OSError(5, "Input/output error", "/elsewhere/a.tar"), "cannot be read: Input/output error"),
    ],
)
def test_what_ends_a_training_is_named(
    error: Exception, found: str, tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("lightning.Trainer.fit", fail)
    with pytest.raises(RmodError, match=found):
        train_models(tiny_tokens, tmp_path)


def test_an_error_among_examples_is_that_of_the_batch() -> None:
    error = LoaderError("a.tar", "damaged", "")
    assert Collate(9)([error]) is error
