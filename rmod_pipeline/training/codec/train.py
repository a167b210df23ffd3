"""Train a codec: crops, reconstruction, losses, step; and checkpoints from which an interrupted training resumes."""

from __future__ import annotations

import io
import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.codec.checkpoint import (
    CodecCheckpoint,
    load_codec_model,
    new_network,
    serialize_codec_checkpoint,
)
from rmod_pipeline.codec.identity import weights_digest
from rmod_pipeline.codec.torch_support import read_weights_file, unpickle_weights
from rmod_pipeline.errors import BuildError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.codec.adversary import Adversary
from rmod_pipeline.training.codec.codebooks import draw_depths, fit_codebooks, perplexity, quantize
from rmod_pipeline.training.codec.crops import Crops, cut_held_out
from rmod_pipeline.training.codec.losses import (
    MelDistance,
    signal_to_distortion_db,
    spectral_difference,
    waveform_distance,
)
from rmod_pipeline.training.codec.material import Material
from rmod_pipeline.training.codec.recipe import CodecRecipe, CodecSchedule

logger = logging.getLogger(__name__)

WEIGHTS, STATE, LOG = "codec.pth", "state.pt", "log.jsonl"
STATE_KEYS = {"shape", "step", "seconds", "fits", "energy", "model", "average", "optimizer", "adversary"}
HELD_OUT = 24
"""Mixtures, and one-shots, on which the averaged weights are measured."""

FIT_BATCHES = 200
"""Batches of latents that the codebooks are fitted to."""

MAX_GRAD_NORM = 10.0
"""Larger gradients are scaled down to this norm."""

PATH_GAIN = 1.6
"""Gain per convolution that makes the output of a new model about as loud as its input."""


@dataclass(slots=True, kw_only=True)
class CodecProgress:
    """Progress of a training."""

    step: int = 0
    seconds: float = 0.0
    fits: int = 0
    """Codebook fits so far; before the first one, the decoder gets the latents of the encoder unquantized."""
    energy: float = 1.0
    """Mean variance of the latents at the latest fit."""

    def share(self, schedule: CodecSchedule) -> float:
        """Return the share of the budget that is used; it may exceed 1."""
        if schedule.steps is not None:
            return self.step / schedule.steps
        return self.seconds / (60.0 * float(schedule.minutes or math.inf))


class MovingAverage:
    """An exponential moving average of a model's weights, which reconstructs better than the weights of any one step.

    ``twin`` is another model of the same shape; it becomes the average.
    """

    def __init__(self, model: Any, twin: Any, decay: float) -> None:
        twin.load_state_dict(model.state_dict())
        self.model = twin.eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: Any, step: int) -> None:
        """Move towards the model; quickly in the first steps, so that no random first weights remain."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            average.lerp_(weight, share)


class CodecTrainer:
    """The training of a codec in a folder, which holds all that is needed to resume it.

    A training that begins from another codec freezes encoder and codebooks and trains the decoder alone: tokens stay
    the same and sound better. Raises BuildError for a codec whose shape differs from the recipe's, CodecError for one
    whose weights do not fit.
    """

    def __init__(
        self,
        recipe: CodecRecipe,
        train: Material,
        valid: Material,
        out: Path,
        device: str = "cpu",
        *,
        begin_from: CodecCheckpoint | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.out, self.device = recipe, out, device
        self.kwargs = {key: _tuple_to_list(value) for key, value in recipe.shape.model_dump().items()}
        self.begun_from = begin_from and weights_digest(begin_from)
        self.model = _make_model(recipe, self.kwargs, begin_from).to(device).train()
        self.average = MovingAverage(self.model, new_network(self.kwargs).to(device), recipe.schedule.average)
        rate = recipe.schedule.learning_rate
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.8, 0.99), weight_decay=0.0)
        self.mel = MelDistance(recipe.shape.sample_rate, recipe.losses.windows, recipe.losses.mels).to(device)
        self.adversary = Adversary.of(recipe, device)
        self.crops = Crops(train, recipe.sounds, recipe.seed)
        self.held_out = cut_held_out(valid, 2 * recipe.sounds.crop_frames, HELD_OUT)
        self.progress = CodecProgress(fits=recipe.schedule.fits if begin_from else 0)
        if (out / STATE).exists():
            self._resume()

    def run(
        self,
        on_report: Callable[[dict[str, Any]], None],
        on_step: Callable[[float, int], None] = lambda _share, _step: None,
    ) -> None:
        """Train until the budget is used; write a checkpoint every few minutes and report the held-out losses.

        ``on_step`` gets the share of the budget that is used and the number of steps, after every step.
        """
        schedule, last_time, last_check = self.recipe.schedule, time.monotonic(), self.progress.seconds
        losses: list[dict[str, float]] = []
        while self.progress.share(schedule) < 1:
            losses.append(self.step())
            on_step(self.progress.share(schedule), self.progress.step)
            now = time.monotonic()
            self.progress.seconds += now - last_time
            last_time = now
            if self.progress.seconds - last_check > 60 * schedule.check_minutes:
                self.save_and_report(losses, on_report)
                losses, last_check, last_time = [], self.progress.seconds, time.monotonic()
        self.save_and_report(losses, on_report)

    def step(self) -> dict[str, float]:
        """Take one training step; return the parts of its loss and the gradient norm."""
        schedule, step = self.recipe.schedule, self.progress.step
        # The decoder of a spectral codec draws the place of its noise.
        torch.manual_seed(self._step_seed())
        for group in self.optimizer.param_groups:
            group["lr"] = codec_learning_rate(schedule, self.progress)
        if self.progress.fits < schedule.fits_by(self.progress.share(schedule)):
            self._fit_codebooks()
        audio = self.crops.batch(step, schedule.batch).to(self.device)
        with torch.set_grad_enabled(not self.begun_from):
            latent, quantizer_losses = self._quantize(self.model.encoder(audio))
        parts = self._compute_losses(self.model.decode(latent), audio, quantizer_losses)
        weights, scale = self.recipe.losses, {} if self.begun_from else {"mel": mel_share(self.recipe, self.progress)}
        loss = torch.stack([getattr(weights, name) * scale.get(name, 1.0) * part for name, part in parts.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
        if not bool(torch.isfinite(grad_norm)):
            hint = "lower schedule.learning_rate, and give the same command again"
            if (self.out / STATE).exists():
                hint += f": it resumes from {self.out / STATE}"
            raise BuildError(self.out, f"the loss or its gradient is not finite at step {step}", hint)
        self.optimizer.step()
        self.average.update(self.model, step)
        self.progress.step += 1
        return {**{name: float(part.detach()) for name, part in parts.items()}, "grad_norm": float(grad_norm)}

    def _compute_losses(
        self, reconstruction: Tensor, audio: Tensor, quantizer_losses: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the unweighted parts of the loss for a reconstruction of audio, both [n, 1, frames]."""
        parts = {
            "mel": self.mel(reconstruction[:, 0], audio[:, 0]),
            "waveform": waveform_distance(reconstruction[:, 0], audio[:, 0]),
        }
        if self.recipe.losses.spectral:
            parts["spectral"] = spectral_difference(reconstruction[:, 0], audio[:, 0])
        return {**parts, **quantizer_losses, **self.adversary.losses(reconstruction, audio)}

    def _quantize(self, latent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the decoder's input [n, latent_dim, times] and the losses of the codebooks."""
        if not self.progress.fits:
            return latent, {}
        shape = self.recipe.shape
        generator = torch.Generator().manual_seed(self._step_seed())
        depths = draw_depths(len(latent), shape.n_codebooks, shape.quantizer_dropout, generator).to(latent.device)
        quantized = quantize(self.model, latent, self.progress.energy, depths)
        if self.begun_from:
            return quantized.latent, {}
        return quantized.latent, {"codebook": quantized.codebook, "commitment": quantized.commitment}

    def _step_seed(self) -> int:
        """Return the seed of what this step draws: a resumed training draws the same."""
        return (self.recipe.seed * 1_000_003 + self.progress.step) % 2**63

    @torch.no_grad()
    def _fit_codebooks(self) -> None:
        """Compute the codebooks from latents of crops, and copy them to the averaged model."""
        batches = (
            self.crops.batch(self.progress.step + number, self.recipe.schedule.batch) for number in range(FIT_BATCHES)
        )
        latents = torch.cat(
            [self.model.encoder(batch.to(self.device)).transpose(1, 2).flatten(0, 1).cpu() for batch in batches]
        )
        generator = torch.Generator().manual_seed(self.recipe.seed)
        self.model.to("cpu")
        missing = fit_codebooks(self.model, latents, generator)
        self.model.to(self.device)
        self.average.model.quantizer.load_state_dict(self.model.quantizer.state_dict())
        for quantizer in self.model.quantizer.quantizers:
            self.optimizer.state.pop(quantizer.codebook.weight, None)
        self.progress.energy = float(latents.var(0).mean())
        self.progress.fits = self.recipe.schedule.fits_by(self.progress.share(self.recipe.schedule))
        logger.info("codebooks fitted: energy missing after each %s", [round(share, 3) for share in missing])

    def save_and_report(self, losses: list[dict[str, float]], on_report: Callable[[dict[str, Any]], None]) -> None:
        """Write the weights and the state, append the losses to the log, and report them."""
        report: dict[str, Any] = {"step": self.progress.step, "minutes": round(self.progress.seconds / 60, 2)}
        if losses:
            report["train"] = {name: round(_mean_of(losses, name), 4) for name in losses[-1]}
        report["held_out"] = self.measure()
        with report_unwritable(self.out, kind=BuildError):
            self._save()
            with (self.out / LOG).open("a", encoding="utf-8") as log:
                log.write(json.dumps(report) + "\n")
        on_report(report)

    @torch.no_grad()
    def measure(self) -> dict[str, Any]:
        """Return how well the averaged weights reconstruct sounds of the valid split."""
        measured: dict[str, Any] = {}
        model, all_codes = self.average.model, []
        for name, audio in zip(("mix", "one_shot"), self.held_out, strict=True):
            decoded = []
            for part in audio.split(8):
                latent = model.encoder(part.to(self.device))
                quantized, codes, *_ = model.quantizer(latent)
                all_codes.append(codes.cpu())
                decoded.append(model.decode(quantized if self.progress.fits else latent)[:, 0])
            reconstruction, target = torch.cat(decoded), audio[:, 0].to(self.device)
            measured[f"{name}_mel"] = round(float(self.mel(reconstruction, target)), 4)
            measured[f"{name}_si_sdr_db"] = round(float(signal_to_distortion_db(reconstruction, target).median()), 2)
        measured["perplexity"] = [round(value) for value in perplexity(torch.cat(all_codes), model.codebook_size)]
        return measured

    def _save(self) -> None:
        about = {"name": self.recipe.name, "version": self.recipe.version, "steps": self.progress.step}
        about |= {"begun_from": self.begun_from} if self.begun_from else {}
        weights = serialize_codec_checkpoint(self.average.model.state_dict(), self.kwargs, about, half=True)
        publish_bytes(weights, self.out / WEIGHTS, self.out)
        stream = io.BytesIO()
        torch.save(
            {
                "shape": self.kwargs,
                "begun_from": self.begun_from,
                "step": self.progress.step,
                "seconds": self.progress.seconds,
                "fits": self.progress.fits,
                "energy": self.progress.energy,
                "model": self.model.state_dict(),
                "average": self.average.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "adversary": self.adversary.state_dict(),
            },
            stream,
        )
        publish_bytes(stream.getvalue(), self.out / STATE, self.out)

    def _resume(self) -> None:
        path = self.out / STATE
        state = _read_state(path)
        if state["shape"] != self.kwargs:
            raise BuildError(path, "a training of a codec of another shape", "choose another --out")
        if state.get("begun_from") != self.begun_from:
            raise BuildError(path, "a training that began from another codec, or from none", "choose another --out")
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.adversary.load_state_dict(state["adversary"])
        self.progress = CodecProgress(**{name: state[name] for name in ("step", "seconds", "fits", "energy")})
        logger.info("resuming at step %d, after %.1f minutes", self.progress.step, self.progress.seconds / 60)


def _read_state(path: Path) -> dict[str, Any]:
    """Read the state of a training. Raises BuildError for any other file."""
    hint = "remove it to start this training from the beginning, or choose another --out"
    try:
        state: Any = unpickle_weights(read_weights_file(path, BuildError, hint), path, BuildError)
    except BuildError as error:
        raise BuildError(path, error.found, hint) from error
    if not isinstance(state, dict) or STATE_KEYS - state.keys():
        raise BuildError(path, "not the complete state of a training", hint)
    return state


def codec_learning_rate(schedule: CodecSchedule, progress: CodecProgress) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to its final share."""
    warm_up = min(1.0, (progress.step + 1) / schedule.warm_up_steps)
    share = min(progress.share(schedule), 1.0)
    cosine = schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * share))
    return schedule.learning_rate * warm_up * cosine


def mel_share(recipe: CodecRecipe, progress: CodecProgress) -> float:
    """Return the share of the mel weight that counts now: constant until the first codebook fit, then rising to 1."""
    begin, full = recipe.schedule.free, max(recipe.losses.mel_full, recipe.schedule.free + 1e-9)
    risen = min(max((progress.share(recipe.schedule) - begin) / (full - begin), 0.0), 1.0)
    return recipe.losses.mel_begins + (1 - recipe.losses.mel_begins) * risen


@torch.no_grad()
def _amplify_path(model: Any) -> Any:
    """Raise the gain of a new model's path from input to output, so that its output is about as loud as its input.

    With PyTorch's own first weights the output has a twentieth of the level, and learning starts a hundred steps later.
    The convolutions of residual units are left alone, because they add to the path.
    """
    units = [module for module in model.modules() if type(module).__name__ == "ResidualUnit"]
    residual = {id(part) for unit in units for part in unit.modules()}
    for part in (*model.encoder.modules(), *model.decoder.modules()):
        if hasattr(part, "weight_g") and id(part) not in residual:
            part.weight_g.mul_(PATH_GAIN)
    return model


def _make_model(recipe: CodecRecipe, kwargs: dict[str, Any], begin_from: CodecCheckpoint | None) -> Any:
    """Return a new model, or the given codec with frozen encoder and codebooks."""
    if begin_from:
        _check_shape(begin_from, kwargs, recipe)
        model = load_codec_model(begin_from)
        model.encoder.requires_grad_(False)
        model.quantizer.requires_grad_(False)
    else:
        model = _amplify_path(new_network(kwargs))
    for quantizer in model.quantizer.quantizers:
        # Projections are computed and not trained: see `quantize`.
        quantizer.in_proj.requires_grad_(False)
        quantizer.out_proj.requires_grad_(False)
    return model


def _check_shape(begin_from: CodecCheckpoint, kwargs: dict[str, Any], recipe: CodecRecipe) -> None:
    existing = {key: _tuple_to_list(value) for key, value in begin_from.kwargs.items()}
    if existing.get("architecture") != kwargs.get("architecture"):
        names = [each.get("architecture", "dac.DAC") for each in (existing, kwargs)]
        found = f"its network is {names[0]}, but that of the recipe {recipe.name} is {names[1]}"
        raise BuildError(begin_from.path, found, "give a recipe whose shape is that of the codec")
    for key, expected in kwargs.items():
        # The dropout of codebooks in training does not affect the codec.
        if key != "quantizer_dropout" and existing.get(key) != expected:
            found = f"has {key} {existing.get(key)}, but the recipe {recipe.name} has shape.{key} {expected}"
            raise BuildError(begin_from.path, found, f"set shape.{key}: {existing.get(key)} in the recipe")


def _mean_of(losses: list[dict[str, float]], name: str) -> float:
    """Return the mean of one part of the loss over the steps that have it."""
    values = [parts[name] for parts in losses if name in parts]
    return sum(values) / len(values)


def _tuple_to_list(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
