"""Bad input about features, ears and picked sounds: the cases and their remedies, as those of `bad_input.py`."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from rmod_pipeline.ear.checkpoint import SHIPPED_EAR, EarCheckpoint, encode_ear_checkpoint
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.pipeline.configure import add_features
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.windows.feature_family import feature_names
from rmod_pipeline.training.recipes import load_training_recipe
from tests.cli.bad_input_world import Arguments, Case, World, text_file
from tests.cli.mending import Fault, Mend, again, option, proposed
from tests.cli.model_commands import cut, write_song
from tests.tiny_build import RATE, make_job, on_disk
from tests.tiny_ear import SIZE, make_ear
from tests.training.ear.ear_examples import write_recipe

Act = Callable[[World], Arguments]

SCHEDULE = {"steps": 2, "check_every_steps": 2}


def featured(world: World) -> World:
    """Build the tiny data set with features."""
    run_build(add_features(make_job(world.library, world.out)), local_executor(1), BuildProgress())
    return world


def train_ear(world: World, *options: object, **changes: Any) -> Arguments:
    """Return the command that trains a small ear; ``changes`` are those of its recipe."""
    recipe = write_recipe(world.folder, schedule=SCHEDULE, **changes)
    given = ["--data", world.out, "--out", world / "new", "--device", "cpu", "--workers", 0]
    return ["train", recipe, *given, *options]


def training(*options: object, **changes: Any) -> Act:
    return lambda world: train_ear(featured(world), *options, **changes)


def damaged_description(world: World) -> Arguments:
    (name,) = feature_names(featured(world).out)
    path = on_disk(world.out / "features" / name / "features.json")
    path.write_text(path.read_text().replace("log-mel-1", "log-mel-9"))
    return train_ear(world)


def pick(world: World, *options: object) -> Arguments:
    """Return the command that picks one kick from the tiny library."""
    chosen = [] if "--instrument" in options else ["--instrument", "kick"]
    few = ["--windows", 1, *([] if "--picks" in options else ["--picks", 1])]
    return [
        "extract", world / "song.wav", "--out", world / "drums", "--library", world.library, "--device", "cpu",
        *chosen, *few, *options,
    ]  # fmt: skip


def picking(*options: object) -> Act:
    def act(world: World) -> Arguments:
        write_song(world.folder)
        return pick(world, *options)

    return act


def earlier_ear(path: Path) -> None:
    """Write an ear as earlier versions trained them."""
    ear = make_ear(size=SIZE.model_copy(update={"spectrum": 0}))
    recipe = load_training_recipe("ear")
    assert isinstance(recipe, EarRecipe)
    recipe = recipe.model_copy(update={"model": ear.model.size})
    checkpoint = EarCheckpoint(recipe=recipe, features=ear.features, state=ear.model.state_dict())
    path.write_bytes(encode_ear_checkpoint(checkpoint))


def with_ear(make: Callable[[Path], object]) -> Act:
    def act(world: World) -> Arguments:
        make(world / "my.pth")
        return picking("--ear", world / "my.pth")(world)

    return act


def cut_ear(path: Path) -> None:
    shutil.copy(SHIPPED_EAR, path)
    cut(path)


def silent_song(world: World) -> Arguments:
    soundfile.write(world / "song.wav", np.zeros(RATE), RATE)
    return pick(world)


EAR_CASES = [
    Case(
        name="train an ear without features",
        act=lambda world: train_ear(world.built()),
        says=("no features here", "`rmod features", "->"),
    ),
    Case(
        name="features that another rmod describes",
        act=damaged_description,
        says=("features.json: not the description of features that this rmod makes", "log-mel-1", "->"),
    ),
    Case(
        name="an ear for other bands",
        act=training(model={"bands": 32}),
        says=("features of 64 bands, the recipe has model.bands 32", "set model.windows: 2 and model.bands: 64"),
    ),
    Case(
        name="an ear of a drum that the data set lacks",
        act=training(instruments=["kick", "clap"]),
        says=("no features of clap; there are kick, snare", "-> remove clap"),
    ),
    Case(
        name="an ear that counts fewer hits than there are",
        act=training(most_hits=2),
        says=("up to 3 hits of snare in a mixture", "set most_hits: 3"),
    ),
    Case(name="train an ear with `--codec mini`", act=training("--codec", "mini"), says=("--codec", "leave it out")),
    Case(
        name="train an ear with `--ear`",
        act=training("--ear", SHIPPED_EAR),
        says=("--ear", "leave it out, or start from it: --begin-from"),
    ),
    Case(
        name="a text after `--ear`",
        act=with_ear(text_file),
        says=("my.pth: text, not a checkpoint", "-> give an ear", "or leave --ear out"),
    ),
    Case(
        name="an ear that was cut",
        act=with_ear(cut_ear),
        says=("my.pth: not a checkpoint, or a broken one", "or leave --ear out"),
    ),
    Case(
        name="an ear that expects no spectra",
        act=with_ear(earlier_ear),
        says=(
            "my.pth: expects no spectrum",
            "train it again: 'rmod train ear --data OUT --out models'",
            "or leave it out",
        ),
    ),
    Case(
        name="pick a drum that the ear does not hear",
        act=picking("--instrument", "tom"),
        says=("hears kick, snare, hihat, not tom", "-> choose other instruments"),
    ),
    Case(
        name="pick a drum that the library lacks",
        act=picking("--instrument", "hihat"),
        says=("no hihat to pick; there are bass, kick, snare", "or choose others: --instrument NAME"),
    ),
    Case(
        name="pick from a silent song", act=silent_song, says=("song.wav: silent", "-> give a song that can be heard")
    ),
    Case(
        name="generate without a model",
        act=picking("--answer", "generated"),
        says=("--checkpoint: is missing", "-> give a DOSE model, or --answer picked"),
    ),
    Case(
        name="a codec without a model",
        act=picking("--codec", "mini"),
        says=("--codec: is of no use without --checkpoint", "-> leave it out"),
    ),
    Case(name="`--picks 0`", act=picking("--picks", 0), says=("--picks: 0 is out of range", "-> give 1 to")),
    Case(name="`--layers 9`", act=picking("--layers", 9), says=("--layers: 9 is out of range", "-> give 1 to 3")),
]


def make_as_told(fault: Fault) -> Arguments:
    """Give the command in the hint, then the same command again."""
    fault.run(*fault.command())
    return fault.arguments


def remake_features(fault: Fault) -> Arguments:
    """Remove the two folders that the hint names, and make the features by its command."""
    match = re.search(r"remove (\S+) and (\S+), and", fault.hint)
    assert match, fault.message
    for folder in match.groups():
        shutil.rmtree(folder)
    return make_as_told(fault)


def with_recipe(**changes: Any) -> Mend:
    return again(functools.partial(_rewrite, changes=changes))


def _rewrite(world: World, changes: dict[str, Any]) -> None:
    write_recipe(world.folder, schedule=SCHEDULE, **changes)


_OWN_EAR: Sequence[Mend] = [option("--ear"), option("--ear", SHIPPED_EAR)]

EAR_MENDS: dict[str, Sequence[Mend]] = {
    "train an ear without features": [make_as_told],
    "features that another rmod describes": [remake_features],
    "an ear for other bands": [with_recipe(model={"windows": 2, "bands": 64})],
    "an ear of a drum that the data set lacks": [with_recipe(instruments=["kick"])],
    "an ear that counts fewer hits than there are": [with_recipe(most_hits=3)],
    "train an ear with `--codec mini`": [option("--codec")],
    "train an ear with `--ear`": [option("--ear")],
    "a text after `--ear`": _OWN_EAR,
    "an ear that was cut": _OWN_EAR,
    "an ear that expects no spectra": _OWN_EAR,
    "pick a drum that the ear does not hear": [proposed("--instrument", r"hears (\w+)")],
    "pick a drum that the library lacks": [option("--instrument", "snare")],
    "pick from a silent song": [again(lambda world: write_song(world.folder))],
    "generate without a model": [option("--answer", "picked")],
    "a codec without a model": [option("--codec")],
    "`--picks 0`": [proposed("--picks", r"give (\d+) to")],
    "`--layers 9`": [proposed("--layers", r"to (\d+)")],
}
