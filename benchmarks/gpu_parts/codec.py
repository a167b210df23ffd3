"""Part codec: train the small codec with its adversarial losses, and measure it beside the one that rmod ships."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from codec_quality import FRAMES, KINDS, MELS, WINDOWS, Batch, coded, describe, explained, windows
from torch import Tensor

from gpu_parts.clock import Clock, OutOfTimeError
from gpu_parts.files import split_file
from gpu_parts.options import Options
from gpu_parts.results import Results
from rmod_pipeline.codec import open_codec
from rmod_pipeline.codec.spectral_distance import spectral_distance
from rmod_pipeline.codec.torch_support import flush_denormals
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.training.codec.losses import MelDistance, signal_to_distortion_db
from rmod_pipeline.training.codec.material import Material, prepare_material
from rmod_pipeline.training.codec.recipe import CodecRecipe, load_codec_recipe, with_minutes
from rmod_pipeline.training.codec.train import WEIGHTS, CodecTrainer

RECIPE, SHIPPED = "mini_adversarial", "mini"
TRAINING = "codec"
"""Folder of the training."""

QUALITY_SHARE = 0.15
"""Share of the time after the sounds are rendered that is kept for the figures on held-out sounds."""

CHECKS = 6
"""Validations during the training."""

VALIDATIONS, QUALITY = "Held-out losses during the training", "Held-out sounds of other kits, beside the shipped codec"


def list_measured(_options: Options) -> list[str]:
    """Return the names in the working folder under which this part makes what it measures. Rendered sounds stay."""
    return [TRAINING]


def run_codec(options: Options, results: Results, clock: Clock) -> None:
    """Render the sounds, train, measure, and pack the checkpoint."""
    library, recipe = load_library(options.library), change_recipe(load_codec_recipe(RECIPE), options)
    folder, material = options.work / TRAINING, options.work / "material"
    valid, train = (prepare_material(recipe, [library], split, material) for split in ("valid", "train"))
    results.figure("sounds rendered after, in s", clock.spent)
    clock.check()
    if recipe.schedule.minutes is not None:
        minutes = (1 - QUALITY_SHARE) * clock.left / 60
        changes = {"check_minutes": minutes / CHECKS}
        recipe = with_minutes(recipe, minutes)
        recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update=changes)})
    folder.mkdir(parents=True, exist_ok=True)
    started = clock.spent
    with flush_denormals():
        trainer = CodecTrainer(recipe, train, valid, folder, options.device)
        try:
            trainer.run(lambda report: _report(results, report), lambda _share, _step: clock.check())
        except OutOfTimeError as error:
            results.skip("the rest of the training", str(error))
    results.figure("training steps", trainer.progress.step)
    results.figure("steps per second", trainer.progress.step / max(clock.spent - started, 1e-9))
    weights = folder / WEIGHTS
    if not weights.exists():
        results.skip("held-out figures", "there was no time for a first checkpoint")
        return
    # First the weights, which take no time.
    packed = split_file(weights, options.out, WEIGHTS)
    results.figure("checkpoint", f"{len(packed.parts)} part(s); to join: {packed.command}")
    test = prepare_material(recipe, [library], "test", material)
    measure_quality(options, results, clock, test, {"trained": str(weights), SHIPPED: SHIPPED})


def change_recipe(recipe: CodecRecipe, options: Options) -> CodecRecipe:
    """Return the recipe with the changes of a miniature."""
    content = recipe.model_dump()
    # The licences of the library were chosen when it was made.
    content["sounds"]["licences"] = sorted(
        {each.licence for each in load_library(options.library).assets if each.licence}
    )
    for part, changes in options.sizes.codec_changes.items():
        content[part] |= changes
    return CodecRecipe.model_validate(content)


def measure_quality(
    options: Options, results: Results, clock: Clock, material: Material, names: Mapping[str, str]
) -> None:
    """Add a row per codec and kind of sound: the figures of docs/lab/codec-quality.md."""
    mel = MelDistance(44_100, WINDOWS, MELS)
    for label, name in names.items():
        codec = open_codec(name, device=options.device, precision="fp32", batch=4)
        for kind in KINDS:
            if not clock.left:
                results.skip(f"{label}, {kind}", "no time left")
                continue
            chosen = windows(material, kind, codec)[: options.sizes.quality_sounds]
            sounds = {kind: np.stack([each.audio for each in chosen])}
            lengths = {kind: [each.frames * codec.identity.hop for each in chosen]}
            made = coded(codec, sounds, lengths)[kind]
            row: dict[str, Any] = {
                "codec": label,
                "kind": kind,
                "sounds": len(chosen),
                **distances(made, sounds[kind], mel),
            }
            if kind != "mix":
                softer = {kind: sounds[kind] * np.float32(0.25)}
                row |= explain(made, coded(codec, softer, lengths)[kind], sounds[kind])
            results.row(QUALITY, row)


def distances(made: Batch, wanted: Batch, mel: MelDistance) -> dict[str, float]:
    """Return the mean mel and spectral distances, and the median distortion."""
    one, other = torch.from_numpy(made), torch.from_numpy(wanted)
    return {
        "mel": float(mel(one, other)),
        "spectral": float(spectral_distance(one, other).mean()),
        "SI-SDR, dB": float(signal_to_distortion_db(one, other).median()),
    }


def explain(made: Batch, softer: Batch, wanted: Batch) -> dict[str, float]:
    """Return how much of what tells one-shots apart comes back: in all, 12 dB below, and in the first 35 ms."""
    full, low, true = (described(each) for each in (made, softer, wanted))
    return {
        "explained": explained(full, true),
        "12 dB below": explained(low, true),
        "first 35 ms": explained(full[:, :, :3], true[:, :, :3]),
    }


def described(batch: Batch) -> Tensor:
    """Return the descriptions of one-shots; a short one is padded with silence."""
    least = FRAMES * 512
    return describe(np.pad(batch, ((0, 0), (0, max(least - batch.shape[1], 0)))))


def _report(results: Results, report: Mapping[str, Any]) -> None:
    held_out = {name: value for name, value in report["held_out"].items() if name != "perplexity"}
    results.row(VALIDATIONS, {"step": report["step"], "minutes": report["minutes"], **held_out})
