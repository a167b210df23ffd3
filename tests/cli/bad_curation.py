"""Bad input to what listens to folders of sounds: a group of the cases of `bad_input.py`, and their remedies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.cli.bad_input_world import FOUND, Arguments, Case, World, text_file
from tests.cli.mending import Fault, Mend, again, option, proposed
from tests.library.library_sounds import hit, write_sound


def sounds(world: World, count: int = 6) -> Path:
    """Write a few drums whose names say nothing, and return their folder."""
    for number in range(count):
        write_sound(world / "pack" / f"Sample {number}.wav", hit(number, 0.15))
    return world / "pack"


def classify(world: World, *options: object) -> Arguments:
    return ["classify", sounds(world), *options]


def classify_text(world: World) -> Arguments:
    text_file(sounds(world) / "Sample 9.wav")
    return ["classify", world / "pack"]


RECIPE = """kind: classifier
name: small
model: {channels: [4, 8], width: 12, embedding: 8, seconds: 0.5}
variation: {copies: 0}
schedule: {steps: 2, check_every_steps: 2, batch: 8}
"""


def train(world: World, *options: object) -> Arguments:
    recipe = text_file(world / "small.yaml", RECIPE)
    return ["classify", "train", recipe, "--library", world.library, "--out", world / "models", *options]


def organise(world: World, *options: object) -> Arguments:
    return ["library", "organise", sounds(world), *options]


CURATION_CASES = [
    Case(
        name="classify a folder that is not there",
        act=lambda world: ["classify", world / "pack"],
        says=("pack", "no such file or folder", "give files or folders"),
    ),
    Case(
        name="classify a text file among sounds",
        act=classify_text,
        says=("Sample 9.wav", "not readable as audio"),
        code=FOUND,
    ),
    Case(
        name="a list of classes in an unknown format",
        act=lambda world: classify(world, "--format", "xml"),
        says=("xml", "table, csv, json"),
    ),
    Case(
        name="a text file as a classifier",
        act=lambda world: classify(world, "--model", text_file(world / "sounds.pth")),
        says=("sounds.pth", "not a checkpoint", "--model"),
    ),
    Case(
        name="a classifier for a scan that does not listen",
        act=lambda world: [
            *("library", "scan", sounds(world), "--out", world / "pack.csv"),
            *("--model", text_file(world / "sounds.pth")),
        ],
        says=("--model", "--listen"),
    ),
    Case(
        name="scan sounds whose names say nothing",
        act=lambda world: ["library", "scan", sounds(world), "--out", world / "pack.csv"],
        says=("pack.csv", "kind unknown"),
    ),
    Case(
        name="train a classifier by a recipe that is not there",
        act=lambda world: ["classify", "train", "sound", "--library", world.library, "--out", world / "models"],
        says=("sound", "no such classifier recipe", "sounds"),
    ),
    Case(
        name="train a classifier on a class of licences that is none",
        act=lambda world: train(world, "--licences", "permisive"),
        says=("--licences", "permisive", "permissive"),
    ),
    Case(
        name="search for a sound that is not there",
        act=lambda world: ["library", "near", world / "kick.wav", "--library", world.library],
        says=("kick.wav", "no such file"),
    ),
    Case(
        name="organise a folder into itself",
        act=lambda world: organise(world, "--to", world / "pack" / "tidy"),
        says=("tidy", "lies in the source", "--to"),
    ),
    Case(
        name="organise by a field that is none",
        act=lambda world: organise(world, "--to", world / "tidy", "--pattern", "{kinds}/{name}"),
        says=("kinds", "kind"),
    ),
    Case(
        name="undo what was not organised",
        act=lambda world: ["library", "organise", "--undo", world / "organised.csv"],
        says=("organised.csv", "no such file"),
    ),
    Case(
        name="a drum kit from a folder that is not there",
        act=lambda world: ["kit", "make", world / "pack", "--out", world / "kit"],
        says=("pack", "no such folder"),
    ),
    Case(
        name="a drum kit with a pad that is none",
        act=lambda world: ["kit", "make", sounds(world), "--out", world / "kit", "--kinds", "kicks"],
        says=("--kinds", "kicks", "kick"),
    ),
]


def _organised(fault: Fault) -> Arguments:
    """Organise, and undo that."""
    fault.run("library", "organise", sounds(fault.world), "--to", fault.world / "tidy")
    return ["library", "organise", "--undo", fault.world / "tidy" / "organised.csv"]


_written = again(sounds)
_without_model = option("--model")

CURATION_MENDS: dict[str, Sequence[Mend]] = {
    "classify a folder that is not there": (_written,),
    "classify a text file among sounds": (again(lambda world: (world / "pack" / "Sample 9.wav").unlink()),),
    "a list of classes in an unknown format": (lambda fault: fault.option("--format", "json"),),
    "a text file as a classifier": (_without_model,),
    "a classifier for a scan that does not listen": (
        lambda fault: ["library", "scan", fault.world / "pack", "--out", fault.world / "pack.csv", "--listen"],
    ),
    "scan sounds whose names say nothing": (lambda fault: [*fault.arguments, "--listen"],),
    "train a classifier by a recipe that is not there": (
        lambda fault: [*fault.arguments[:2], text_file(fault.world / "small.yaml", RECIPE), *fault.arguments[3:]],
    ),
    "train a classifier on a class of licences that is none": (proposed("--licences", r"did you mean '(\w+)'"),),
    "search for a sound that is not there": (again(lambda world: write_sound(world / "kick.wav", hit(1, 0.15))),),
    "organise a folder into itself": (lambda fault: fault.option("--to", fault.world / "tidy"),),
    "organise by a field that is none": (lambda fault: fault.option("--pattern", "{kind}/{name}"),),
    "undo what was not organised": (_organised,),
    "a drum kit from a folder that is not there": (_written,),
    "a drum kit with a pad that is none": (lambda fault: fault.option("--kinds", "kick,snare,hihat_closed"),),
}
