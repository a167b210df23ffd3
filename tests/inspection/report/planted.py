"""Build a small data set in which three mistakes are planted, and one without."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.compose import pair as compose
from rmod_pipeline.compose.chain import compose_chain
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.pipeline import shard
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.recipe import DrumRanges, Recipe
from rmod_pipeline.recipe.load import parse_recipe
from rmod_pipeline.render.measure import measure_mix
from rmod_pipeline.render.pair import Pair, render_pair, render_pairs
from rmod_pipeline.spec import Note
from tests.tiny_build import RATE, RECIPE, make_job, make_library

SINGLE_SOUNDS = RECIPE.replace("{max_seconds: 0.3}", "{max_seconds: 0.3, layering: {none: 1}}")
COUNTS = {"train": 120, "valid": 40, "test": 10}
CLIPPED = "train-00000007"
BIASED = {"snare hits", "kick inserts 0 gain gain_db"}
ORIGINAL, COPY = "kick/train-0", "kick/renamed"


def build(manifest: Path, out: Path, counts: dict[str, int] | None = None) -> Path:
    """Build a data set of single sounds."""
    job = make_job(manifest, out, recipe=parse_recipe(SINGLE_SOUNDS), counts=counts or COUNTS, shard_size=50)
    run_build(job, local_executor(1), BuildProgress())
    return out


def build_with_mistakes(folder: Path) -> tuple[Path, Path]:
    """Return the manifest of a library with a leak, and a data set with a biased draw and a clipped pair too."""
    manifest = plant_leak(make_library(folder / "library"))
    with pytest.MonkeyPatch.context() as patch:
        bias_draws(patch)
        clip_one_pair(patch)
        return manifest, build(manifest, folder / "out")


def plant_leak(manifest: Path) -> Path:
    """Put a sound of train into valid: renamed, 3 dB louder, re-encoded as MP3."""
    library = load_library(manifest)
    original = library.by_id[ORIGINAL]
    audio, rate = soundfile.read(manifest.parent / original.path, dtype="float32")
    path = f"{COPY}.mp3"
    soundfile.write(manifest.parent / path, audio * 10 ** (3 / 20), rate, format="MP3", subtype="MPEG_LAYER_III")
    data = (manifest.parent / path).read_bytes()
    frames = soundfile.info(manifest.parent / path).frames
    copy = replace(
        original,
        id=COPY,
        path=path,
        split="valid",
        kit="another kit",
        group="another group",
        sha256=hashlib.sha256(data).hexdigest(),
        frames=frames,
    )
    assets: list[Asset] = [*library.assets, copy]
    write_manifest(manifest, sorted(assets, key=lambda asset: asset.id))
    return manifest


def bias_draws(patch: pytest.MonkeyPatch) -> None:
    """Never let the gain of the kick fall below the middle of its range, and the snare never play three hits."""
    compose_notes = compose.compose_notes

    def narrow(chain: Any, draw: Any) -> Any:
        effects = compose_chain(chain, draw)
        if len(effects) == 1 and isinstance(effects[0], Gain):
            return (replace(effects[0], gain_db=max(effects[0].gain_db, -9.0)),)
        return effects

    def fewer(ranges: DrumRanges, recipe: Recipe, draw: Any) -> tuple[Note, ...]:
        notes: tuple[Note, ...] = compose_notes(ranges, recipe, draw)
        return notes if len(notes) < 3 else (notes[0], notes[2])

    patch.setattr(compose, "compose_chain", narrow)
    patch.setattr(compose, "compose_notes", fewer)


def clip_one_pair(patch: pytest.MonkeyPatch) -> None:
    """Amplify one mixture by 40 dB, and clip it."""

    def clip(pair: Pair) -> Pair:
        if pair.spec.key != CLIPPED:
            return pair
        mix = np.clip(pair.mix.astype(np.float64) * 100, -32768, 32767).astype(np.int16)
        return replace(pair, mix=mix, measured=replace(pair.measured, mix=measure_mix(mix, RATE)))

    def clip_all(*arguments: Any, **options: Any) -> list[Pair]:
        return [clip(pair) for pair in render_pairs(*arguments, **options)]

    patch.setattr(shard, "render_pair", lambda *arguments: clip(render_pair(*arguments)))
    patch.setattr(shard, "render_pairs", clip_all)
