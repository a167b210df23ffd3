"""Commands that train and use the smallest models, in a world that has a data set with tokens, a codec and a model."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import soundfile
import yaml

from rmod_pipeline import api
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from tests.cli.bad_input_world import Arguments, World
from tests.dose.test_dose_reference import make_published_state, save_checkpoint
from tests.tiny_build import RATE, make_job, make_library
from tests.tiny_codec import TINY, save_tiny, with_tokens
from tests.tiny_dose import make_song
from tests.training.training_examples import train_models, write_recipe

SHAPE = {"codebooks": 2, "codebook_size": 16}
CODEC_SHAPE = {"n_codebooks": 2, "codebook_size": 16}
SCHEDULE = {"steps": 2, "check_every_steps": 1}


@functools.cache
def _shared_models() -> tempfile.TemporaryDirectory[str]:
    """Make a data set with tokens, their codec, trained models and a song, once; the folder ends with the process."""
    folder = tempfile.TemporaryDirectory(prefix="rmod-models-")
    world = World(Path(folder.name))
    job = make_job(make_library(world.library.parent), world.out)
    run_build(with_tokens(job, weights(world.folder)), local_executor(1), BuildProgress())
    train_models(world.out, world / "models", changes={"model": SHAPE, "schedule": SCHEDULE})
    api.train_codec(codec_recipe_of(world), library=world.library, out=world / "trained", progress=False)
    shutil.rmtree(world / "trained" / "material")
    write_song(world.folder)
    return folder


def models(world: World) -> World:
    """Put the data set, its codec, the trained models and the song into a world."""
    shutil.copytree(_shared_models().name, world.folder, dirs_exist_ok=True)
    return world


def weights(folder: Path, name: str = "codec.pth", **changes: Any) -> Path:
    return save_tiny(folder / name, **{"sample_rate": RATE, **CODEC_SHAPE, **changes})


def write_song(folder: Path, seconds: float = 2.0, name: str = "song.wav") -> Path:
    hits = {"kick": [0.1, 1.0]} if seconds > 1 else {}
    soundfile.write(folder / name, make_song(seconds, hits, RATE), RATE, subtype="FLOAT")
    return folder / name


def recipe_of(world: World, **changes: Any) -> Path:
    """Write the recipe of a model, with changes."""
    model, schedule = {**SHAPE, **changes.pop("model", {})}, {**SCHEDULE, **changes.pop("schedule", {})}
    return write_recipe(world.folder, model=model, schedule=schedule, **changes)


def train(world: World, *options: object, **changes: Any) -> Arguments:
    """Return the command that trains a model of kicks; ``changes`` are those of its recipe."""
    out = [] if "--out" in options else ["--out", world / "new"]
    data = [] if "--data" in options else ["--data", world.out]
    return ["train", recipe_of(world, **changes), *data, *out, "--device", "cpu", "--workers", 0, *options]


def extract(world: World, *options: object, **given: object) -> Arguments:
    """Return the command that extracts kicks, with one window and one try."""
    models_of, codec = given.get("checkpoint", world / "models"), given.get("codec", world / "codec.pth")
    chosen = ["--codec", codec] if codec else []
    wanted = ["--checkpoint", models_of, "--out", world / "drums", *chosen, "--device", "cpu"]
    settings = {"--windows": 1, "--tries": 1, **dict(zip(options[::2], options[1::2], strict=True))}
    return ["extract", world / "song.wav", *wanted, *(word for setting in settings.items() for word in setting)]


def evaluate(world: World, *options: object, **given: object) -> Arguments:
    """Return the command that evaluates the model of kicks on one pair."""
    codec, split = given.get("codec", world / "codec.pth"), given.get("split", "valid")
    chosen = ["--codec", codec] if codec else []
    few = ["--split", split, "--pairs", 1, "--tries", 0, "--device", "cpu"]
    return ["evaluate", world / "models/kick.pth", "--data", world.out, *few, *chosen, *options]


def codec_recipe_of(world: World, **changes: Any) -> Path:
    """Write the recipe of a codec that is trained in two steps; ``changes`` are those of its shape and sounds."""
    shape = {**TINY, "sample_rate": RATE, **CODEC_SHAPE, **changes.pop("shape", {})}
    mixes = {"mixes": {str(world.recipe()): 1}, "held_out_mixes": 1, "crop_frames": 1024}
    recipe = {
        "name": "small",
        "shape": shape,
        "sounds": {"licences": ["CC0-1.0", "CC-BY-4.0"], **mixes, **changes.pop("sounds", {})},
        "losses": {"windows": [64, 256], "mels": [5, 10]},
        "schedule": {"steps": 2, "batch": 1, "warm_up_steps": 1, "fits": 1},
    }
    (world / "codec.yaml").write_text(yaml.safe_dump(recipe))
    return world / "codec.yaml"


def train_codec(world: World, *options: object, **changes: Any) -> Arguments:
    """Return the command that trains a codec; ``changes`` are those of its recipe."""
    recipe = codec_recipe_of(world, **changes)
    return ["codec", "train", recipe, "--library", world.library, "--out", world / "trained", *options]


def published(world: World, name: str = "kick.ckpt", seed: int = 0, **others: Any) -> Path:
    """Write a small checkpoint with the names of the published ones."""
    return save_checkpoint(world / name, make_published_state(seed), **others)


def import_model(world: World, checkpoint: Path, *options: object) -> Arguments:
    return ["dose", "import", checkpoint, "--out", world / "imported", *options]


def cut(path: Path, size: int = 1000) -> None:
    """Keep only the beginning of a file."""
    path.write_bytes(path.read_bytes()[:size])
