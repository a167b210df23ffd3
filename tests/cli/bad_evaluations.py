"""Bad input about evaluations by recipes: the cases and their remedies, as those of `bad_input.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import soundfile
import yaml

from rmod_pipeline.evaluation.votes import digest_trials
from tests.cli.bad_input_world import DONE, Arguments, Case, World, text_file
from tests.cli.mending import Fault, Mend, again, option
from tests.tiny_build import RATE

Act = Callable[[World], Arguments]


def write_evaluation(world: World, *systems: dict[str, Any], **changes: Any) -> Arguments:
    """Write a recipe of an evaluation of kicks, and return its command."""
    sets = [{"name": "tiny", "data": "out", "split": "valid"}]
    content = {"kinds": ["kick"], "sets": sets, "systems": [*systems, {"system": "silence"}], "listen": 0, **changes}
    (world / "table.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return ["evaluate", world / "table.yaml", "--device", "cpu"]


def evaluating(*systems: dict[str, Any], **changes: Any) -> Act:
    return lambda world: write_evaluation(world.built(), *systems, **changes)


def change(edit: Callable[[dict[str, Any]], object]) -> Mend:
    """Edit the recipe, and give the command again."""

    def rewrite(world: World) -> None:
        content = yaml.safe_load((world / "table.yaml").read_text())
        edit(content)
        (world / "table.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    return again(rewrite)


def without_first_system(content: dict[str, Any]) -> None:
    del content["systems"][0]


def broken_answers(world: World) -> Arguments:
    """Write answers of which one is missing and one is text."""
    world.built()
    text_file(world / "answers" / "valid-00000001.kick.wav")
    soundfile.write(world / "answers" / "valid-00000009.kick.wav", np.ones(100), RATE)
    return write_evaluation(world, {"system": "answers", "name": "theirs", "folder": "answers"})


def empty_song_folder(world: World) -> Arguments:
    text_file(world.built() / "songs" / "readme.txt")
    return write_evaluation(world, sets=[{"name": "songs", "songs": "songs"}])


def votes_of_another_test(world: World) -> Arguments:
    votes = {"test": "blind-tiny", "trials": 3, "votes": {"0": "A"}}
    (world / "votes.json").write_text(json.dumps(votes))
    (world / "evaluation").mkdir()
    (world / "evaluation" / "blind-tiny-key.json").write_text('{"trials": []}')
    return ["evaluate", "--votes", world / "votes.json", "--out", world / "evaluation"]


def _right_votes(fault: Fault) -> Arguments:
    votes = {"test": "blind-tiny", "key": digest_trials([]), "votes": {}}
    (fault.world / "votes.json").write_text(json.dumps(votes))
    return fault.arguments


def _named_answers(fault: Fault) -> Arguments:
    soundfile.write(fault.world / "kicks" / "valid-00000000.kick.wav", np.ones(100), RATE)
    return fault.option("--answers", f"theirs={fault.world / 'kicks'}")


def unnamed_answers(world: World) -> Arguments:
    (world.built() / "kicks").mkdir()
    return ["evaluate", "--data", world.out, "--split", "valid", "--answers", world / "kicks", "--pairs", 1]


EVALUATION_CASES = [
    Case(
        name="an evaluation of a system that does not exist",
        act=evaluating({"system": "magic"}),
        says=("table.yaml", "unknown system 'magic'", "systems are codec, chance"),
    ),
    Case(
        name="an evaluation with two systems of one name",
        act=evaluating({"system": "silence"}),
        says=("two systems are called silence", "give each another `name`"),
    ),
    Case(
        name="a system that builds upon none before it",
        act=evaluating({"system": "another", "of": "DOSE"}),
        says=("`of: DOSE` names no system that stands before it",),
    ),
    Case(
        name="an evaluation on a data set that is not there",
        act=evaluating(sets=[{"name": "none", "data": "none"}]),
        says=("none", "->"),
    ),
    Case(
        name="a recipe and `--data`",
        act=lambda world: [*evaluating()(world), "--data", world.out],
        says=("--data", "which names its test sets", "leave --data out"),
    ),
    Case(name="evaluate without `--data`", act=lambda _: ["evaluate"], says=("--data: is missing", "->")),
    Case(
        name="a codec at another rate than the test set",
        act=evaluating({"system": "codec"}),
        says=("the set tiny: audio at 22050 Hz", "->"),
    ),
    Case(
        name="an ear at another rate than the test set",
        act=evaluating({"system": "slice", "name": "cut", "onsets": "found"}),
        says=("the set tiny: has 22050 Hz", "hears with an ear for 44100 Hz", "->"),
    ),
    Case(
        name="a system of stems on a set without stems",
        act=evaluating({"system": "slice", "name": "cut", "separation": "stems"}),
        says=("the set tiny: has no stems", "->"),
    ),
    Case(
        name="an embedding without its weights",
        act=evaluating(embeddings=[{"name": "yamnet"}]),
        says=("YAMNet: needs weights, which rmod does not ship", "->"),
    ),
    Case(
        name="answers that are missing and unreadable",
        act=broken_answers,
        says=("Without an answer",),
        code=DONE,
    ),
    Case(name="a folder without songs", act=empty_song_folder, says=("songs: no songs here", "->")),
    Case(name="answers without a name", act=unnamed_answers, says=("--answers", "has no name", "NAME=DIR")),
    Case(
        name="votes of another blind test",
        act=votes_of_another_test,
        says=("votes.json: not the votes of this test", "->"),
    ),
]

EVALUATION_MENDS: dict[str, Sequence[Mend]] = {
    "an evaluation of a system that does not exist": [change(without_first_system)],
    "an evaluation with two systems of one name": [
        change(lambda content: content["systems"][0].update(name="quiet")),
    ],
    "a system that builds upon none before it": [change(without_first_system)],
    "an evaluation on a data set that is not there": [
        change(lambda content: content.update(sets=[{"name": "tiny", "data": "out", "split": "valid"}])),
    ],
    "a recipe and `--data`": [option("--data")],
    "evaluate without `--data`": [
        lambda fault: ["evaluate", "--data", fault.world.built().out, "--split", "valid", "--pairs", "1"],
    ],
    "a codec at another rate than the test set": [change(without_first_system)],
    "an ear at another rate than the test set": [change(without_first_system)],
    "a system of stems on a set without stems": [change(without_first_system)],
    "an embedding without its weights": [change(lambda content: content.update(embeddings=[{"name": "ear"}]))],
    "answers that are missing and unreadable": [option("--pairs", 1)],
    "a folder without songs": [
        change(lambda content: content.update(sets=[{"name": "tiny", "data": "out", "split": "valid"}])),
    ],
    "answers without a name": [_named_answers],
    "votes of another blind test": [_right_votes],
}
