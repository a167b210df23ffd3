"""Bad input about grooves: a group of the cases of `bad_input.py`, and their remedies."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.cli.bad_input_world import FOUND, Arguments, Case, World, text_file
from tests.cli.mending import Fault, Mend, again, edited, option, proposed
from tests.tiny_build import RECIPE
from tests.tiny_grooves import rock, write_folder, write_grooves, write_performance

MAP = "name: mine\nkeys:\n  kick: [36]\n  snare: [36, 38]\n  hihat: [42]\n"


def manifest(world: World) -> Path:
    """Write performances and their manifest."""
    return write_grooves(world / "grooves", bars=2)


def changed_rows(world: World, change: Callable[[list[dict[str, str]]], object]) -> Path:
    """Return the manifest with a change of its rows."""
    path = world / "grooves" / "grooves.csv"
    if not path.exists():
        manifest(world)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def build(world: World, *options: object, grid: int = 22_050) -> Arguments:
    """Return the command that builds a pair of each split with grooves."""
    lines = f"seconds: 1.0\ngrid: {grid}\npatterns: {{source: grooves}}"
    recipe = world.recipe(lambda text: text.replace("seconds: 1.0", lines, 1))
    return world.build(*options, recipe=recipe, pairs="train=1,valid=1")


def build_with(change: Callable[[list[dict[str, str]]], object]) -> Callable[[World], Arguments]:
    return lambda world: build(world, "--grooves", changed_rows(world, change))


def scan(world: World, *options: object) -> Arguments:
    return ["patterns", "scan", world / "midi", "--out", world / "midi.csv", *options]


def scan_folder(*options: object) -> Callable[[World], Arguments]:
    def act(world: World) -> Arguments:
        write_folder(world / "midi", bars=1)
        return scan(world, *options)

    return act


def scan_text(world: World) -> Arguments:
    text_file(world / "midi" / "beat.mid", "no MIDI")
    return scan(world)


def scan_waltz_among_others(world: World) -> Arguments:
    write_folder(world / "midi", bars=1)
    write_performance(world / "midi" / "waltz.mid", rock(1), metres={0: (3, 4)})
    return scan(world)


def scan_with_map(world: World) -> Arguments:
    text_file(world / "mine.yaml", MAP)
    write_folder(world / "midi", bars=1)
    return scan(world, "--map", world / "mine.yaml")


def change_files(world: World) -> Path:
    """Change every performance after the scan, of which kick and snare alone are played."""
    text_file(world / "grooves" / "mine.yaml", "name: mine\nkeys: {kick: [36], snare: [38]}\n")
    path = changed_rows(world, lambda rows: [row.update(map="mine.yaml", kinds="kick 4, snare 4") for row in rows])
    for each in path.parent.rglob("*.mid"):
        each.write_bytes(each.read_bytes() + b"x")
    return path


def long_mixture(world: World) -> Arguments:
    """Ask for mixtures of a minute, of performances that are shorter."""
    path = manifest(world)
    lines = "seconds: 60.0\ngrid: 1323000\npatterns: {source: grooves}"
    recipe = world.recipe(lambda text: text.replace("seconds: 1.0", lines, 1))
    return world.build("--grooves", path, recipe=recipe, pairs="train=1")


def random_recipe(world: World) -> Arguments:
    return world.build("--grooves", manifest(world), pairs="train=1,valid=1")


def hum_a_groove(world: World) -> Arguments:
    path = manifest(world)
    text = RECIPE.replace("seconds: 1.0", "seconds: 1.0\ngrid: 22050\npatterns: {source: grooves}", 1)
    text = text.replace("hits: [1, 2]", "humanise: {velocity: 3}", 1)
    return world.build("--grooves", path, recipe=text_file(world / "tiny.yaml", text), pairs="train=1,valid=1")


GROOVE_CASES = [
    Case(name="scan a folder of MIDI that is not there", act=scan, says=("midi", "no such folder", "->")),
    Case(name="scan a text file called `.mid`", act=scan_text, says=("midi.csv", "no file can be used", "not MIDI")),
    Case(
        name="scan a waltz among grooves", act=scan_waltz_among_others, says=("dropped 1: metre 3/4",), code=0
    ),
    Case(name="a map that is none", act=scan_folder("--map", "rolland_td"), says=("--map", "did you mean", "->")),
    Case(name="a map with a key of two kinds", act=scan_with_map, says=("mine.yaml", "line 4", "both kick and snare")),
    Case(
        name="the splits of a source that proposes none",
        act=scan_folder("--splits", "hints"),
        says=("--splits", "no file has a split", "->"),
    ),
    Case(name="grooves that are not named", act=build, says=("--grooves", "names none", "->")),
    Case(name="no such manifest of grooves", act=lambda world: build(world, "--grooves", world / "none.csv"),
         says=("none.csv", "no such file", "->")),
    Case(name="grooves for a recipe of random hits", act=random_recipe, says=("--grooves", "plays random hits", "->")),
    Case(
        name="a metre that a spreadsheet took for a date",
        act=build_with(lambda rows: rows[0].update(metre="04-Apr")),
        says=("line 2, column metre", "'04-Apr' is not 4/4", "->"),
    ),
    Case(
        name="a drummer whom a hand has put on two sides of a split",
        act=build_with(lambda rows: [row.update(split="valid") for row in rows[::2]]),
        says=("group drummer/", "is in", "->"),
    ),
    Case(name="a grid that is too coarse for grooves", act=lambda world: build(
        world, "--grooves", manifest(world), grid=1920), says=("grid", "too coarse for grooves", "->")),
    Case(name="random deviations of grooves", act=hum_a_groove, says=("humanise", "grooves keep the timing", "->")),
    Case(name="mixtures longer than every performance", act=long_mixture, says=("no performance of 60 s", "->")),
    Case(
        name="a performance that changed since the scan",
        act=lambda world: build(world, "--grooves", change_files(world)),
        says=(".mid", "has changed since grooves.csv", "->"),
        code=FOUND,
    ),
]  # fmt: skip


def _scan_again(fault: Fault) -> Arguments:
    """Scan the folder again, and build into another one."""
    folder = fault.world / "grooves"
    shares = ("--splits", "50/25/25")
    fault.run("patterns", "scan", folder / "midi", "--out", folder / "grooves.csv", *shares)
    return fault.option("--out", fault.world / "other")


def _put_back(fault: Fault) -> Arguments:
    """Write the file that is missing as it was."""
    folder = fault.world / "grooves" / "midi"
    write_folder(fault.world / "same", bars=2)
    shutil.copytree(fault.world / "same", folder, dirs_exist_ok=True)
    return fault.arguments


def _write_the_proposed_grid(fault: Fault) -> Arguments:
    match = re.search(r"write grid: (\d+)", fault.message)
    assert match, fault.message
    recipe = fault.world / "tiny.yaml"
    recipe.write_text(recipe.read_text().replace("grid: 1920", f"grid: {match[1]}"))
    return fault.arguments


def _longer_performances(fault: Fault) -> Arguments:
    write_grooves(fault.world / "grooves", bars=40)
    return fault.arguments


def _cells(column: str, value: Callable[[dict[str, str]], str]) -> Mend:
    """Edit the cells of a column."""
    return again(lambda world: changed_rows(world, lambda rows: [row.update({column: value(row)}) for row in rows]))


_written = again(lambda world: write_folder(world / "midi", bars=1))
_named = again(manifest)

GROOVE_MENDS: dict[str, Sequence[Mend]] = {
    "scan a folder of MIDI that is not there": (_written,),
    "scan a text file called `.mid`": (_written,),
    "scan a waltz among grooves": (again(lambda _world: None),),
    "a map that is none": (proposed("--map", r"did you mean '(\w+)'"),),
    "a map with a key of two kinds": (edited("mine.yaml", "[36, 38]", "[38]"),),
    "the splits of a source that proposes none": (proposed("--splits", r"three numbers: ([\d/]+)"),),
    "grooves that are not named": (lambda fault: [*fault.arguments, "--grooves", manifest(fault.world)],),
    "no such manifest of grooves": (
        lambda fault: (
            fault.run(*fault.command({"DIR": write_folder(fault.world / "midi", bars=2)}), "--splits", "50/25/25"),
            fault.arguments,
        )[1],
    ),
    "grooves for a recipe of random hits": (option("--grooves"),),
    "a metre that a spreadsheet took for a date": (_cells("metre", lambda _row: "4/4"),),
    "a drummer whom a hand has put on two sides of a split": (
        _cells("split", lambda row: "train" if row["drummer"] in ("ann", "bob", "cid") else "valid"),
        _scan_again,
    ),
    "a grid that is too coarse for grooves": (_write_the_proposed_grid,),
    "random deviations of grooves": (edited("tiny.yaml", "humanise: {velocity: 3}", "hits: 1"),),
    "mixtures longer than every performance": (_longer_performances,),
    "a performance that changed since the scan": (_put_back, _scan_again),
}
