"""The loop that fits a codec: crops -> reconstruction -> losses -> step; checkpoints that a killed run goes on from."""

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

from rmod_pipeline.codec.checkpoint import CodecCheckpoint, codec_checkpoint_bytes, load_codec_model
from rmod_pipeline.codec.codec import weights_digest
from rmod_pipeline.codec.descript import new_model
from rmod_pipeline.errors import BuildError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.training.codec.adversary import Adversary
from rmod_pipeline.training.codec.average import Average
from rmod_pipeline.training.codec.codebooks import fit_codebooks, perplexity, quantize, some_depths
from rmod_pipeline.training.codec.crops import Crops, held_out
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
HELD_OUT = 24
"""Mixtures, and as many one-shots, that the kept weights are measured on."""

FITTED_ON = 200
"""Batches of latents that the codebooks are fitted to."""

CLIP = 10.0
"""The steepest grad_norm that a step follows."""

PATH_GAIN = 1.6
"""What makes a new model's output about as loud as its input."""


@dataclass(slots=True, kw_only=True)
class CodecProgress:
    """Where a training stands."""

    step: int = 0
    seconds: float = 0.0
    fits: int = 0
    """How often the codebooks were fitted; before the first time, the decoder is given what the encoder makes."""
    energy: float = 1.0
    """Mean variance of the latents at the latest fit."""

    def share(self, schedule: CodecSchedule) -> float:
        """Return how much of the budget is spent, 0..1 and beyond."""
        if schedule.steps is not None:
            return self.step / schedule.steps
        return self.seconds / (60.0 * float(schedule.minutes or math.inf))


def codec_learning_rate(schedule: CodecSchedule, progress: CodecProgress) -> float:
    """Return the learning rate: a linear warm-up, then half a cosine down to its final share."""
    warm = min(1.0, (progress.step + 1) / schedule.warm_up_steps)
    share = min(progress.share(schedule), 1.0)
    cosine = schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * share))
    return schedule.learning_rate * warm * cosine


def mel_share(recipe: CodecRecipe, progress: CodecProgress) -> float:
    """Return how much of its weight the mel distance has: little until the codebooks come in, then ever more."""
    begin, full = recipe.schedule.free, max(recipe.losses.mel_full, recipe.schedule.free + 1e-9)
    risen = min(max((progress.share(recipe.schedule) - begin) / (full - begin), 0.0), 1.0)
    return recipe.losses.mel_begins + (1 - recipe.losses.mel_begins) * risen


class CodecTrainer:
    """A codec in the making, in a folder that holds all that it takes to go on.

    One that begins from another codec has its encoder and codebooks, which rest, and trains the decoder alone: its
    tokens are the other's, and sound better. Raises BuildError for a codec of another shape than the recipe's,
    CodecError for one whose weights do not fit it.
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
        self.kwargs = {key: _listed(value) for key, value in recipe.shape.model_dump().items()}
        self.begun_from = begin_from and weights_digest(begin_from)
        if begin_from:
            _check_shape(begin_from, self.kwargs, recipe)
            self.model = load_codec_model(begin_from).to(device).train()
            self.model.encoder.requires_grad_(False)
            self.model.quantizer.requires_grad_(False)
        else:
            self.model = begin_lively(new_model(**self.kwargs)).to(device).train()
        for quantizer in self.model.quantizer.quantizers:
            # Computed, and left alone: see `quantize`.
            quantizer.in_proj.requires_grad_(False)
            quantizer.out_proj.requires_grad_(False)
        self.average = Average(self.model, new_model(**self.kwargs).to(device), recipe.schedule.average)
        rate = recipe.schedule.learning_rate
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=rate, betas=(0.8, 0.99), weight_decay=0.0)
        self.mel = MelDistance(recipe.shape.sample_rate, recipe.losses.windows, recipe.losses.mels).to(device)
        self.adversary = Adversary.of(recipe, device)
        self.crops = Crops(train, recipe.sounds, recipe.seed)
        self.held_out = held_out(valid, 2 * recipe.sounds.crop_frames, HELD_OUT)
        self.progress = CodecProgress(fits=recipe.schedule.fits if begin_from else 0)
        if (out / STATE).exists():
            self._resume()

    def run(
        self, tell: Callable[[dict[str, Any]], None], on_step: Callable[[float, int], None] = lambda _share, _step: None
    ) -> None:
        """Train until the budget is spent; every few minutes keep a checkpoint and tell how good it is.

        ``on_step`` is told after every step how much of the budget is spent, 0..1, and the number of steps.
        """
        schedule, since, check = self.recipe.schedule, time.monotonic(), self.progress.seconds
        losses: list[dict[str, float]] = []
        while self.progress.share(schedule) < 1:
            losses.append(self.step())
            on_step(self.progress.share(schedule), self.progress.step)
            now = time.monotonic()
            self.progress.seconds += now - since
            since = now
            if self.progress.seconds - check > 60 * schedule.check_minutes:
                self.keep(losses, tell)
                losses, check, since = [], self.progress.seconds, time.monotonic()
        self.keep(losses, tell)

    def step(self) -> dict[str, float]:
        """Take one step; return the parts of its loss."""
        schedule, weights, step = self.recipe.schedule, self.recipe.losses, self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = codec_learning_rate(schedule, self.progress)
        if self.progress.fits < schedule.fits_by(self.progress.share(schedule)):
            self._fit_codebooks()
        audio = self.crops.batch(step, schedule.batch).to(self.device)
        with torch.set_grad_enabled(not self.begun_from):
            latent, pulls = self._quantize(self.model.encoder(audio))
        made = self.model.decode(latent)
        parts = {
            "mel": self.mel(made[:, 0], audio[:, 0]),
            "waveform": waveform_distance(made[:, 0], audio[:, 0]),
            **({"spectral": spectral_difference(made[:, 0], audio[:, 0])} if weights.spectral else {}),
            **pulls,
            **self.adversary.losses(made, audio),
        }
        scale = {} if self.begun_from else {"mel": mel_share(self.recipe, self.progress)}
        loss = torch.stack([getattr(weights, name) * scale.get(name, 1.0) * part for name, part in parts.items()]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        steepness = torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        if not bool(torch.isfinite(steepness)):
            hint = f"{self.out / STATE} holds the training before it; lower schedule.learning_rate and go on"
            raise BuildError(self.out, f"the loss or its grad_norm is no number at step {step}", hint)
        self.optimizer.step()
        self.average.follow(self.model, step)
        self.progress.step += 1
        return {**{name: float(part.detach()) for name, part in parts.items()}, "grad_norm": float(steepness)}

    def _quantize(self, latent: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what the decoder is given, and the codebooks' losses."""
        if not self.progress.fits:
            return latent, {}
        shape = self.recipe.shape
        generator = torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.progress.step)
        depths = some_depths(len(latent), shape.n_codebooks, shape.quantizer_dropout, generator).to(latent.device)
        rounded = quantize(self.model, latent, self.progress.energy, depths)
        if self.begun_from:
            return rounded.latent, {}
        return rounded.latent, {"codebook": rounded.codebook, "commitment": rounded.commitment}

    @torch.no_grad()
    def _fit_codebooks(self) -> None:
        """Compute the codebooks from what the encoder makes of crops, and give the average the same."""
        batches = (
            self.crops.batch(self.progress.step + place, self.recipe.schedule.batch) for place in range(FITTED_ON)
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

    def keep(self, losses: list[dict[str, float]], tell: Callable[[dict[str, Any]], None]) -> None:
        """Write the weights and all that it takes to go on, and tell how things stand."""
        report: dict[str, Any] = {"step": self.progress.step, "minutes": round(self.progress.seconds / 60, 2)}
        if losses:
            report["train"] = {name: round(mean_of(losses, name), 4) for name in losses[-1]}
        report["held_out"] = self.measure()
        self._save()
        with (self.out / LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(report) + "\n")
        tell(report)

    @torch.no_grad()
    def measure(self) -> dict[str, Any]:
        """Return how well the averaged weights reconstruct sounds of kits they never saw."""
        found: dict[str, Any] = {}
        model, all_codes = self.average.model, []
        for name, audio in zip(("mix", "one_shot"), self.held_out, strict=True):
            made = []
            for part in audio.split(8):
                latent = model.encoder(part.to(self.device))
                quantized, codes, *_ = model.quantizer(latent)
                all_codes.append(codes.cpu())
                made.append(model.decode(quantized if self.progress.fits else latent)[:, 0])
            both, wanted = torch.cat(made), audio[:, 0].to(self.device)
            found[f"{name}_mel"] = round(float(self.mel(both, wanted)), 4)
            found[f"{name}_si_sdr_db"] = round(float(signal_to_distortion_db(both, wanted).median()), 2)
        found["perplexity"] = [round(each) for each in perplexity(torch.cat(all_codes), model.codebook_size)]
        return found

    def _save(self) -> None:
        about = {"name": self.recipe.name, "version": self.recipe.version, "steps": self.progress.step}
        about |= {"begun_from": self.begun_from} if self.begun_from else {}
        weights = codec_checkpoint_bytes(self.average.model.state_dict(), self.kwargs, about, half=True)
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
                "adversary": self.adversary.state(),
            },
            stream,
        )
        publish_bytes(stream.getvalue(), self.out / STATE, self.out)

    def _resume(self) -> None:
        path = self.out / STATE
        state = torch.load(path, map_location=self.device, weights_only=True)
        if state["shape"] != self.kwargs:
            raise BuildError(path, "a training of a codec of another shape", "choose another --out")
        if state.get("begun_from") != self.begun_from:
            raise BuildError(path, "a training that began from another codec, or from none", "choose another --out")
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.adversary.restore(state["adversary"])
        self.progress = CodecProgress(**{name: state[name] for name in ("step", "seconds", "fits", "energy")})
        logger.info("going on from step %d, %.1f minutes", self.progress.step, self.progress.seconds / 60)


@torch.no_grad()
def begin_lively(model: Any) -> Any:
    """Return a new model with its path from sound to sound made so loud that the sound arrives.

    With PyTorch's own start it comes out at a twentieth of its level, and learning begins a hundred steps later. The
    residual units' convolutions stay as they are: they add to the path.
    """
    units = [each for each in model.modules() if type(each).__name__ == "ResidualUnit"]
    added = {id(part) for unit in units for part in unit.modules()}
    for part in (*model.encoder.modules(), *model.decoder.modules()):
        if hasattr(part, "weight_g") and id(part) not in added:
            part.weight_g.mul_(PATH_GAIN)
    return model


def mean_of(losses: list[dict[str, float]], name: str) -> float:
    """Return the mean of one part of the loss over the steps that had it."""
    found = [each[name] for each in losses if name in each]
    return sum(found) / len(found)


def _check_shape(begin_from: CodecCheckpoint, kwargs: dict[str, Any], recipe: CodecRecipe) -> None:
    have = {key: _listed(value) for key, value in begin_from.kwargs.items()}
    for key, wanted in kwargs.items():
        # How the codebooks were dropped in training is no part of what a codec is.
        if key != "quantizer_dropout" and have.get(key) != wanted:
            found = f"has {key} {have.get(key)}, the recipe {recipe.name} has shape.{key} {wanted}"
            raise BuildError(begin_from.path, found, f"set shape.{key}: {have.get(key)} in the recipe")


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
