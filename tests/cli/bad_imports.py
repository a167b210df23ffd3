"""Bad input about folders of pairs: a group of the cases of `bad_input.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.cli.bad_input_world import DONE, FOUND, Arguments, Case, World
from tests.tiny_pairs import RATE, SECONDS, make_sounds, write_pairs, write_sound


def importing(world: World, *options: object) -> Arguments:
    """Return the command that imports the pairs of the world."""
    settings = ["--sample-rate", RATE, "--seconds", SECONDS]
    return ["import-pairs", world / "pairs", "--out", world / "imported", *settings, *options]


def with_pairs(act: Callable[[Path], object] = lambda _: None, *options: object) -> Callable[[World], Arguments]:
    """Write pairs, do something to their folder, and return the command that imports them."""

    def do(world: World) -> Arguments:
        act(write_pairs(world / "pairs"))
        return importing(world, *options)

    return do


def imported(world: World) -> World:
    """Import the pairs of the world."""
    from tests.tiny_pairs import import_tiny

    import_tiny(write_pairs(world / "pairs"), world / "imported")
    return world


def with_table(text: str) -> Callable[[World], Arguments]:
    def do(world: World) -> Arguments:
        write_pairs(world / "pairs")
        (world / "about.csv").write_text(text, encoding="utf-8")
        return importing(world, "--table", world / "about.csv")

    return do


def only_mixtures(root: Path) -> None:
    for path in [*root.glob("*.kick.wav"), *root.glob("*.snare.wav")]:
        path.unlink()


def without_names(root: Path) -> None:
    for number, path in enumerate(sorted(root.iterdir())):
        path.rename(root / f"{number}.wav")


def all_silent(root: Path) -> None:
    for path in root.glob("*.kick.wav"):
        write_sound(path, np.zeros((100, 1), np.int16))


def render_an_import(world: World) -> Arguments:
    from rmod_pipeline.reading.pairs import read_pair

    imported(world)
    world.pair.write_bytes(read_pair(world / "imported", "test-00000000").members["json"])
    return world.render()


def into_another(world: World) -> Arguments:
    imported(world)
    write_sound(world / "pairs" / "2.kick.wav", make_sounds(9)["kick"])
    return importing(world)


def into_a_build(world: World) -> Arguments:
    world.built()
    write_pairs(world / "pairs")
    return [*importing(world), "--out", world.out]


CASES = [
    Case(
        name="import a folder that is not there",
        act=importing,
        says=("pairs: no such folder", "->"),
    ),
    Case(
        name="import files whose names say no sound",
        act=with_pairs(without_names),
        says=("no mixtures here", "KEY.mix.wav", "->"),
    ),
    Case(
        name="import mixtures without one-shots",
        act=with_pairs(only_mixtures),
        says=("3 mixtures, and no one-shots", "->"),
    ),
    Case(
        name="ask for a kind that no pair has",
        act=with_pairs(lambda _: None, "--kinds", "kick,clap"),
        says=("--kinds: no clap beside any mixture", "there are kick, snare", "->"),
    ),
    Case(
        name="import a split that there is not",
        act=with_pairs(lambda _: None, "--split", "tests"),
        says=("unknown 'tests' (did you mean 'test'?)", "->"),
    ),
    Case(
        name="import under a licence that is none",
        act=with_pairs(lambda _: None, "--licence", "all rights!"),
        says=("--licence", "is not an SPDX identifier", "->"),
    ),
    Case(
        name="import at a rate that no recipe may have",
        act=with_pairs(lambda _: None, "--sample-rate", 4_000),
        says=("--sample-rate", "8000 or more", "->"),
    ),
    Case(name="a table without keys", act=with_table("name,licence\n2,MIT\n"), says=("no column 'key'", "->")),
    Case(
        name="a table with a split that there is not",
        act=with_table("key,split\n2,tests\n"),
        says=("about.csv, line 2, column split", "'tests' is not a split", "->"),
    ),
    Case(name="import into the folder of another import", act=into_another, says=("holds another data set", "->")),
    Case(name="import into the folder of a build", act=into_a_build, says=("holds another data set", "->")),
    Case(
        name="a one-shot that is no sound, among others",
        act=with_pairs(lambda root: (root / "2.kick.wav").write_text("no sound")),
        says=("Left out: unreadable kick 1", "2 test", "pairs.csv"),
        code=DONE,
    ),
    Case(
        name="a pair without its mixture, among others",
        act=with_pairs(lambda root: (root / "2.mix.wav").unlink()),
        says=("Left out: no mixture 1", "2 test", "pairs.csv"),
        code=DONE,
    ),
    Case(
        name="import pairs of which every kick is silent",
        act=with_pairs(all_silent),
        says=("0 test", "Left out: silent kick 3", "pairs.csv"),
        code=FOUND,
    ),
    Case(
        name="render imported pairs again",
        act=lambda world: ["verify", imported(world) / "imported", "--rerender", 1],
        says=("--rerender", "were imported from files", "->"),
    ),
    Case(name="render an imported pair", act=render_an_import, says=("is an imported pair", "rmod preview", "->")),
]
