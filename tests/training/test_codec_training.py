"""Training a codec: codebooks are fitted, crops are reproducible, and the loop learns, resumes and is reproducible."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

torch.set_num_threads(1)

from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.checkpoint import read_codec_checkpoint
from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.errors import AssetError, BuildError, CodecError, LibraryError, RecipeError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.storage.folders import shipped_folder
from rmod_pipeline.training.codec.codebooks import draw_depths, fit_codebooks, perplexity, quantize
from rmod_pipeline.training.codec.crops import Crops
from rmod_pipeline.training.codec.losses import (
    MelDistance,
    signal_to_distortion_db,
    spectral_difference,
    waveform_distance,
)
from rmod_pipeline.training.codec.material import (
    Clip,
    Material,
    _read_one_shots,
    prepare_material,
    select_licences,
    to_mono,
)
from rmod_pipeline.training.codec.recipe import CodecRecipe, CodecSchedule, CodecSounds, load_codec_recipe, with_minutes
from rmod_pipeline.training.codec.train import (
    LOG,
    STATE,
    WEIGHTS,
    CodecProgress,
    CodecTrainer,
    _read_state,
    codec_learning_rate,
)

SHAPE = {
    "encoder_dim": 2,
    "encoder_rates": [8, 8],
    "latent_dim": 12,
    "decoder_dim": 16,
    "decoder_rates": [8, 8],
    "n_codebooks": 3,
    "codebook_size": 16,
    "codebook_dim": 4,
}


def small_recipe(**schedule: object) -> CodecRecipe:
    return CodecRecipe.model_validate(
        {
            "name": "small",
            "shape": SHAPE,
            "sounds": {"licences": ["CC0-1.0"], "mixes": {"quick": 1}, "held_out_mixes": 1, "crop_frames": 1024},
            "losses": {"windows": [64, 256], "mels": [5, 10]},
            "schedule": {"steps": 12, "batch": 2, "warm_up_steps": 2, "fits": 2, "free": 0.3, **schedule},
        }
    )


def make_material(seed: int = 0) -> Material:
    samples = (8000 * np.sin(np.arange(40_000) * 0.05)).astype(np.int16)
    samples += np.random.default_rng(seed).integers(-500, 500, samples.size).astype(np.int16)
    clips = (Clip("mix", 0, 20_000), Clip("kick", 20_000, 6_000), Clip("snare", 26_000, 700), Clip("tom", 26_700, 900))
    return Material(samples=samples, clips=clips)


def test_fitted_codebooks_represent_the_latents() -> None:
    torch.manual_seed(0)
    model = new_model(**SHAPE).eval()
    latents = torch.randn(4000, 12) @ torch.randn(12, 12) + 3
    missing = fit_codebooks(model, latents, torch.Generator().manual_seed(0))
    assert missing == sorted(missing, reverse=True)
    assert missing[-1] < 0.5
    with torch.no_grad():
        quantized, codes, *_ = model.quantizer(latents.t()[None])
    missing_energy = (quantized[0].t() - latents).square().sum() / (latents - latents.mean(0)).square().sum()
    assert float(missing_energy) == pytest.approx(missing[-1], rel=1e-3)
    assert min(perplexity(codes, 16)) > 8


def test_quantizing_in_training_agrees_with_the_codec() -> None:
    torch.manual_seed(0)
    model = new_model(**SHAPE).eval()
    latents = torch.randn(2, 12, 50)
    fit_codebooks(model, torch.randn(4000, 12), torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = model.quantizer(latents)[0]
        first = model.quantizer(latents, n_quantizers=1)[0]
        torch.testing.assert_close(quantize(model, latents, 1.0).latent, expected)
        some = quantize(model, latents, 1.0, torch.tensor([1, 3])).latent
    torch.testing.assert_close(some, torch.stack([first[0], expected[1]]))


def test_gradients_reach_only_encoder_and_entries() -> None:
    torch.manual_seed(0)
    model = new_model(**SHAPE)
    latents = torch.randn(2, 12, 50, requires_grad=True)
    rounded = quantize(model, latents, 1.0)
    (rounded.latent.square().sum() + rounded.codebook).backward()
    torch.testing.assert_close(latents.grad, 2 * rounded.latent.detach())
    assert all(each.codebook.weight.grad is not None for each in model.quantizer.quantizers)
    assert all(each.in_proj.weight_v.grad is None for each in model.quantizer.quantizers)


def train_spectral(out: Path, steps: list[int]) -> dict[str, torch.Tensor]:
    """Train a small spectral codec up to each number of steps in turn, resumed in between; return its weights."""
    shape = {"architecture": "spectral", "hop": 64, "encoder_width": 8, "encoder_blocks": 1, "latent_dim": 32}
    shape |= {"decoder_width": 8, "decoder_blocks": 1, "step_width": 8, "step_blocks": 1, "codebook_size": 16}
    for count in steps:
        recipe = small_recipe(steps=12)
        recipe = CodecRecipe.model_validate({**recipe.model_dump(), "shape": {**shape, "codebook_dim": 4}})
        trainer = CodecTrainer(recipe, make_material(), make_material(1), out)
        while trainer.progress.step < count:
            trainer.step()
        trainer.save_and_report([], lambda _report: None)
        torch.rand(3)  # what else draws numbers has no effect
    return {name: value.clone() for name, value in trainer.model.state_dict().items()}


def test_a_resumed_training_of_a_spectral_codec_is_the_whole_one(tmp_path: Path) -> None:
    whole, resumed = train_spectral(tmp_path / "a", [12]), train_spectral(tmp_path / "b", [5, 12])
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("changes", [{"hop": 2048}, {"sample_rate": 8000}, {"latent_dim": 32, "hop": 960}])
def test_a_spectral_shape_without_room_for_more_than_the_waveform_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="the waveform alone takes"):
        CodecRecipe.model_validate({**small_recipe().model_dump(), "shape": {"architecture": "spectral", **changes}})


def test_a_share_of_the_depths_is_not_full() -> None:
    depths = draw_depths(40, 9, 0.5, torch.Generator().manual_seed(0))
    assert bool((depths[20:] == 9).all())
    assert set(depths[:20].tolist()) <= set(range(1, 10))
    assert float(depths[:20].float().mean()) < 8


def test_codebooks_are_fitted_at_regular_intervals() -> None:
    schedule = small_recipe(steps=100, free=0.2, settled=0.8, fits=4).schedule
    counts = [schedule.fits_by(share / 100) for share in range(100)]
    assert counts == sorted(counts)
    assert [counts.index(count) for count in range(5)] == [0, 20, 40, 60, 80]


def test_perplexity_counts_evenly_used_entries() -> None:
    codes = torch.stack([torch.arange(8), torch.zeros(8, dtype=torch.long)])[None]
    assert perplexity(codes, 16) == pytest.approx([8, 1], abs=1e-4)


def test_crops_are_reproducible_and_do_not_clip() -> None:
    sounds = CodecSounds(licences=("CC0-1.0",), mixes={}, crop_frames=1024, gain_db=(0, 12))
    one, other = (Crops(make_material(), sounds, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.batch(5, 4), other.batch(5, 4))
    assert not np.array_equal(one.batch(5, 4), Crops(make_material(), sounds, seed=4).batch(5, 4))
    many = one.batch(0, 64)
    assert many.shape == (64, 1, 1024)
    assert float(many.abs().max()) <= 1.0 + 1e-6


def test_equal_sounds_have_no_distance() -> None:
    sound = torch.sin(torch.arange(4096) * 0.1)[None]
    mel = MelDistance(44_100, [64, 256], [5, 10])
    assert float(mel(sound, sound)) == 0
    assert float(mel(0.1 * sound, sound)) == pytest.approx(float(mel(sound, 0.1 * sound)))
    loud = torch.randn(1, 4096, generator=torch.Generator().manual_seed(0))
    assert float(mel(0.1 * loud, loud)) == pytest.approx(1, abs=0.05)
    assert float(waveform_distance(torch.zeros_like(sound), sound)) == pytest.approx(0, abs=0.01)
    assert float(waveform_distance(sound, sound)) == pytest.approx(-3)
    assert float(signal_to_distortion_db(0.3 * sound, sound)) > 60
    loud = loud * sound.std() / loud.std()
    assert float(signal_to_distortion_db(sound + loud, sound)) == pytest.approx(0, abs=0.5)


def test_a_lost_attack_changes_the_spectra() -> None:
    noise = torch.randn(1, 8192, generator=torch.Generator().manual_seed(0))
    hit = noise * torch.exp(-torch.arange(8192) / 800)
    dull = hit.clone()
    dull[:, :64] *= 0.1
    assert float(spectral_difference(hit, hit)) == 0
    assert float(spectral_difference(dull, hit)) > 0
    assert float(spectral_difference(0.1 * hit, hit)) > float(spectral_difference(0.5 * hit, hit))
    # The level of both does not matter.
    assert float(spectral_difference(0.2 * dull, 0.2 * hit)) == pytest.approx(
        float(spectral_difference(dull, hit)), rel=1e-3
    )
    assert float(spectral_difference(torch.zeros(1, 8192), torch.zeros(1, 8192))) == 0


def test_the_learning_rate_rises_then_falls() -> None:
    schedule = small_recipe(steps=100, warm_up_steps=10, learning_rate=1.0).schedule
    rates = [codec_learning_rate(schedule, CodecProgress(step=step)) for step in range(100)]
    assert rates[:9] == sorted(rates[:9])
    assert rates[12:] == sorted(rates[12:], reverse=True)
    assert rates[-1] == pytest.approx(schedule.final_rate, abs=0.01)


def test_a_training_learns_resumes_and_writes_a_codec(tmp_path: Path) -> None:
    recipe = small_recipe()
    reports: list[Any] = []
    trainer = CodecTrainer(recipe, make_material(), make_material(1), tmp_path)
    before = trainer.measure()["mix_mel"]
    trainer.run(reports.append)
    assert reports[-1]["step"] == 12
    assert trainer.progress.fits == 2
    longer = small_recipe(steps=80)
    CodecTrainer(longer, make_material(), make_material(1), tmp_path).run(reports.append)
    assert reports[-1]["step"] == 80
    assert reports[-1]["held_out"]["mix_mel"] < before
    assert len((tmp_path / LOG).read_text().splitlines()) == 2
    codec = open_codec(str(tmp_path / WEIGHTS), device="cpu")
    assert (codec.identity.hop, codec.identity.codebooks) == (64, 3)
    assert codec.encode(np.zeros((1, 640), np.float32)).shape == (1, 3, 10)


def test_two_trainings_of_one_seed_are_equal(tmp_path: Path) -> None:
    for name in ("one", "other"):
        CodecTrainer(small_recipe(), make_material(), make_material(1), tmp_path / name).run(lambda _report: None)
    one, other = (torch.load(tmp_path / name / STATE, weights_only=True)["model"] for name in ("one", "other"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_training_a_decoder_further_does_not_change_the_tokens(tmp_path: Path) -> None:
    recipe = small_recipe(steps=40)
    CodecTrainer(recipe, make_material(), make_material(1), tmp_path / "first").run(lambda _report: None)
    first = read_codec_checkpoint(tmp_path / "first" / WEIGHTS)
    losses = recipe.losses.model_copy(update={"spectral": 10.0, "adversarial": 0.0})
    sounds = recipe.sounds.model_copy(update={"crop_frames": 2048})
    further = recipe.model_copy(update={"losses": losses, "sounds": sounds})
    reports: list[Any] = []
    for steps in (20, 30):
        # The second training resumes the first.
        schedule = recipe.schedule.model_copy(update={"steps": steps})
        longer = further.model_copy(update={"schedule": schedule})
        CodecTrainer(longer, make_material(), make_material(1), tmp_path / "second", begin_from=first).run(
            reports.append
        )
    assert [each["step"] for each in reports] == [20, 30]
    assert "spectral" in reports[0]["train"]
    assert "codebook" not in reports[0]["train"]
    one, other = (open_codec(str(tmp_path / name / WEIGHTS), device="cpu") for name in ("first", "second"))
    sound = np.random.default_rng(0).uniform(-1, 1, (2, 6400)).astype(np.float32)
    np.testing.assert_array_equal(one.encode(sound), other.encode(sound))
    assert not np.array_equal(one.decode(one.encode(sound)), other.decode(one.encode(sound)))
    assert one.identity.sha256 != other.identity.sha256
    assert read_codec_checkpoint(tmp_path / "second" / WEIGHTS).about["begun_from"] == one.identity.sha256


def test_crops_that_are_too_short_for_the_losses_are_refused() -> None:
    content = small_recipe().model_dump()
    with pytest.raises(ValueError, match=r"crop_frames is 1024, but the losses' largest window needs more than 1024"):
        CodecRecipe.model_validate({**content, "losses": {**content["losses"], "spectral": 1.0}})


def test_a_decoder_cannot_be_trained_further_in_another_shape_or_folder(tmp_path: Path) -> None:
    CodecTrainer(small_recipe(steps=2), make_material(), make_material(1), tmp_path / "first").run(lambda _report: None)
    first = read_codec_checkpoint(tmp_path / "first" / WEIGHTS)
    other = CodecRecipe.model_validate({**small_recipe().model_dump(), "shape": {**SHAPE, "latent_dim": 16}})
    with pytest.raises(BuildError, match="latent_dim 12"):
        CodecTrainer(other, make_material(), make_material(1), tmp_path / "other", begin_from=first)
    broken = replace(first, state={name: first.state[name] for name in list(first.state)[1:]})
    with pytest.raises(CodecError, match="the weights do not fit the model in their metadata"):
        CodecTrainer(small_recipe(), make_material(), make_material(1), tmp_path / "other", begin_from=broken)
    with pytest.raises(BuildError, match="began from another codec, or from none"):
        CodecTrainer(small_recipe(), make_material(), make_material(1), tmp_path / "first", begin_from=first)


def test_sounds_under_other_licences_are_not_used() -> None:
    library = load_library(shipped_folder("manifests") / "builtin.csv")
    marked = tuple(
        replace(asset, licence="CC-BY-4.0") if index % 2 else asset for index, asset in enumerate(library.assets)
    )
    kept = select_licences(replace(library, assets=marked), ["CC0-1.0"])
    assert {asset.licence for asset in kept.assets} == {"CC0-1.0"}
    assert len(kept.assets) == (len(marked) + 1) // 2
    with pytest.raises(LibraryError, match="no sound under a licence that the recipe allows"):
        select_licences(library, ["MIT"])


@pytest.mark.slow
def test_material_is_rendered_once_from_its_split(tmp_path: Path) -> None:
    recipe, library = small_recipe(), load_library("builtin")
    material = prepare_material(recipe, [library], "valid", tmp_path)
    kinds = [clip.kind for clip in material.clips]
    assert kinds.count("mix") == 1
    # One target of each drum, and the one-shots of the split.
    assert kinds.count("kick") == len(library.select("kick", "valid")) + 1
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    cached = prepare_material(recipe, [library], "valid", tmp_path)
    np.testing.assert_array_equal(material.samples, cached.samples)
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert sum(clip.frames for clip in material.clips) == material.samples.size


def test_mono_is_rounded_to_16_bits() -> None:
    np.testing.assert_array_equal(to_mono(np.array([[1, 3, -5], [1, 4, -5]], np.int16)), [1, 4, -5])


def test_an_error_names_the_wrong_part_of_a_recipe(tmp_path: Path) -> None:
    assert load_codec_recipe("mini").shape.n_codebooks == 9
    assert with_minutes(load_codec_recipe("mini"), 5).schedule.minutes == 5
    with pytest.raises(RecipeError, match="did you mean 'mini'"):
        load_codec_recipe("minu")
    path = tmp_path / "wrong.yaml"
    content = small_recipe().model_dump(mode="json")
    for part, value in (("shape", {**SHAPE, "decoder_rates": [2, 2]}), ("schedule", {"steps": 3, "minutes": 3})):
        path.write_text(json.dumps({**content, part: value}))
        with pytest.raises(RecipeError, match=part):
            load_codec_recipe(str(path))


@pytest.mark.parametrize(
    ("part", "values", "found"),
    [
        ("losses", {"windows": [128], "mels": [10, 40]}, "1 windows, but 2 numbers of mels"),
        ("schedule", {"steps": 9, "free": 0.7, "settled": 0.5}, "must be above `free`"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(part: str, values: dict[str, object], found: str) -> None:
    content = small_recipe(steps=9).model_dump()
    with pytest.raises(ValidationError, match=found):
        CodecRecipe.model_validate({**content, part: {**content[part], **values}})


def test_a_budget_in_minutes_is_used_by_time() -> None:
    schedule = CodecSchedule(minutes=2)
    assert CodecProgress(step=99, seconds=30).share(schedule) == 0.25
    assert CodecProgress(step=3).share(small_recipe(steps=6).schedule) == 0.5


def test_an_incomplete_state_is_refused(tmp_path: Path) -> None:
    torch.save({"step": 3}, tmp_path / STATE)
    with pytest.raises(BuildError, match="not the complete state of a training"):
        _read_state(tmp_path / STATE)


def test_a_one_shot_that_cannot_be_read_is_skipped(caplog: pytest.LogCaptureFixture) -> None:
    def read(asset: str) -> np.ndarray:
        if asset == "bad":
            raise AssetError("bad.wav", "no such file", "")
        return np.full((1, 9), 0.5, np.float32)

    assets = [SimpleNamespace(id="bad"), SimpleNamespace(id="good")]
    library = SimpleNamespace(select=lambda kind, _: assets if kind == "kick" else [])
    store: Any = SimpleNamespace(library=library, sample_rate=44_100, read=read)
    assert [(kind, int(pcm.max())) for kind, pcm in _read_one_shots(store, "train")] == [("kick", 32767)]
    assert "skipped: bad.wav" in caplog.text


def test_a_gradient_that_is_not_finite_ends_the_training_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = CodecTrainer(small_recipe(steps=2), make_material(), make_material(1), tmp_path)
    trainer.run(lambda _report: None)
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda *_: torch.tensor(float("nan")))
    with pytest.raises(BuildError, match="not finite at step 2") as caught:
        trainer.step()
    assert "lower schedule.learning_rate" in caught.value.hint and STATE in caught.value.hint


def test_a_training_saves_every_few_minutes(tmp_path: Path) -> None:
    reports: list[Any] = []
    recipe = small_recipe(steps=3, check_minutes=1e-9)
    CodecTrainer(recipe, make_material(), make_material(1), tmp_path).run(reports.append)
    assert [report["step"] for report in reports][:3] == [1, 2, 3]
