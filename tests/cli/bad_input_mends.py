"""The remedies of the cases of `bad_input.py`, each as something that a test can do."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.cli.bad_curation import CURATION_MENDS
from tests.cli.bad_ears import EAR_MENDS
from tests.cli.bad_evaluations import EVALUATION_MENDS
from tests.cli.bad_grooves import GROOVE_MENDS
from tests.cli.bad_import_mends import MENDS as IMPORT_MENDS
from tests.cli.bad_input_world import MISTAKE, Arguments, World
from tests.cli.bad_model_mends import MENDS as MODEL_MENDS
from tests.cli.bad_release_mends import MENDS as RELEASE_MENDS
from tests.cli.bad_token_mends import MENDS as TOKEN_MENDS
from tests.cli.mending import (
    Fault,
    Mend,
    again,
    argument,
    as_meant,
    cell,
    edited,
    listed_key,
    option,
    other_out,
    proposed,
    removed,
    restored_library,
    scanned_again,
    stored_pair,
)

ONE_SHARD = ("--shards", "0:1", "--no-space-check")
"""Options that keep the builds of the tests small; the remedy is another option."""

_SOUNDS = argument(2, lambda world: world.library.parent)
_AT_LEAST = r"give (\d+) or more"
_PAIRS = proposed("--pairs", r"--pairs ([a-z0-9=,]+)", *ONE_SHARD)
_STORED = (stored_pair,)


def _replace_reported_files(fault: Fault) -> Arguments:
    """Replace the files that the report names by sounds."""
    report = Path(fault.hint.removesuffix("names each file\n").strip())
    with report.open() as file:
        names = [row["path"] for row in csv.DictReader(file) if row["finding"] == "dropped"]
    assert names
    for name in names:
        shutil.copy(fault.world.sound(), fault.world / "sounds" / Path(name).name)
    return fault.arguments


def _add_column(world: World) -> None:
    world.manifest(lambda rows: [row.update(licence="CC0-1.0") for row in rows])


def _scan_as_told(fault: Fault) -> Arguments:
    fault.run(*fault.command({"DIR": fault.world.library.parent}), "--splits", "40/30/30")
    return fault.arguments


def _put_build_json_back(fault: Fault) -> Arguments:
    fault.run(*fault.option("--out", fault.world / "other"))
    shutil.copy(fault.world / "other" / "build.json", fault.world.out)
    return fault.arguments


def _library_of_the_pair(fault: Fault) -> Arguments:
    """Use the library that the pair was built from: the one that has its sounds under the ids of the spec."""
    spec = json.loads(fault.world.pair.read_text())["spec"]
    used = {layer["sha256"]: layer["asset"] for drum in spec["drums"] for layer in drum["layers"]}
    used |= {loop["sha256"]: loop["asset"] for loop in spec["loops"]}
    fault.world.manifest(lambda rows: [row.update(id=used.get(row["sha256"], row["id"])) for row in rows])
    return fault.arguments


def _remake_shard(fault: Fault) -> Arguments:
    removed(fault)
    fault.run(*fault.world.build())
    return fault.arguments


def _other_engine(fault: Fault) -> Arguments:
    """Use the other engine where its package is installed; elsewhere its message says how to install that."""
    other = re.search(r"or (\w+) where its package is installed", fault.hint)
    assert other, fault.message
    if find_spec("pymixconsole"):
        return fault.option("--engine", other[1])
    said = fault.run(*fault.option("--engine", other[1]), codes=(MISTAKE,))
    assert "pip install" in said.err
    return fault.option("--engine")


def _open_pair(fault: Fault) -> Arguments:
    key = fault.run(*fault.command()).out.split()[0]
    return ["show", fault.world.out, key, "--json"]


MENDS: dict[str, dict[str, Sequence[Mend]]] = {
    "Sounds and manifests": {
        "scan a folder that is not there": [_SOUNDS],
        "scan a file": [_SOUNDS],
        "scan an empty folder": [_SOUNDS],
        "scan a text file called `.wav`": [_replace_reported_files],
        "scan a text file called `.wav` among sounds": [option("--splits", "70/15/15")],
        "a manifest with an absolute path": [cell("path", lambda row: f"{row['id']}.wav")],
        "a manifest with a path through `..`": [cell("path", lambda row: f"{row['id']}.wav")],
        "a manifest with one id twice": [cell("id", lambda _: "another")],
        "a manifest without a column": [again(_add_column)],
        "no such manifest": [_scan_as_told],
        "the built-in kit, spelt otherwise": [proposed("--library", r"did you mean '(\w+)'")],
        "too few one-shots to layer": [restored_library],
        "a group of sounds that a hand has put on two sides of a split": [
            again(
                lambda world: world.manifest(
                    lambda rows: [row.update(split="valid") for row in rows if row["group"] == "valid-0-kick"]
                )
            ),
            again(
                lambda world: world.manifest(
                    lambda rows: [row.update(group="own") for row in rows if row["id"] == "kick/train-0"]
                )
            ),
        ],
        "a source file that vanished since the scan": [restored_library, scanned_again],
        "a source file that changed since the scan": [restored_library, scanned_again],
        "a source with NaN samples": [scanned_again],
        "a source with infinite samples": [scanned_again],
    },
    "Recipes": {
        "no such recipe": [argument(1, World.recipe)],
        "an unknown key": [as_meant("tiny.yaml", "hit:".removesuffix(":"))],
        "an unknown effect": [as_meant("tiny.yaml", "limitr")],
        "a negative probability": [edited("tiny.yaml", "-0.6", "0.6")],
        "a range out of order": [edited("tiny.yaml", "[-6, -12]", "[-12, -6]")],
        "a kind that the library lacks": [as_meant("tiny.yaml", "snares")],
        "a kind called mix, as the mixture is": [edited("tiny.yaml", "mix:", "bass:")],
        "text that is no YAML": [edited("tiny.yaml", "drums: [", "drums:")],
    },
    "A folder that holds another data set": {
        "of another seed": [other_out, option("--seed", 0)],
        "of another shard size": [other_out, option("--shard-size", 3)],
        "of other numbers of pairs": [other_out, option("--pairs", "train=10,valid=2")],
        "in another format": [other_out, option("--format", "wav")],
        "of another recipe": [other_out, again(World.recipe)],
        "of a recipe with its drums in another order": [other_out, again(World.recipe)],
        "of another library": [other_out, restored_library],
        "with receipts of another data set": [other_out, again(lambda world: shutil.rmtree(world.out))],
        "without its build.json": [other_out, _put_build_json_back],
        "with half a build.json": [other_out, _put_build_json_back],
    },
    "Options of a build": {
        "`--out` is a file": [other_out],
        "`--out` below a file": [other_out],
        "more pairs than the disk has room for": [option("--pairs", "train=3")],
        "`--pairs train=-5`": [_PAIRS],
        "`--pairs train=abc`": [_PAIRS],
        "`--pairs train=0`": [_PAIRS],
        "`--pairs foo=3`": [_PAIRS],
        "`--pairs tain=3`": [_PAIRS],
        "`--pairs train=1,train=2`": [_PAIRS],
        "`--pairs` with 5,000 digits": [_PAIRS],
        "`--workers 0`": [proposed("--workers", _AT_LEAST, *ONE_SHARD)],
        "`--workers -1`": [proposed("--workers", _AT_LEAST, *ONE_SHARD)],
        "`--workers two`": [option("--workers", 1)],
        "`--shard-size 0`": [proposed("--shard-size", _AT_LEAST, *ONE_SHARD)],
        "more shards than six digits can number": [proposed("--shard-size", _AT_LEAST, *ONE_SHARD)],
        "`--format mp3`": [proposed("--format", "choose (wav) or flac"), proposed("--format", "choose wav or (flac)")],
        "`--engine foo`": [proposed("--engine", r"use (\w+)"), _other_engine],
        "`--cache-gb nan`": [proposed("--cache-gb", r"give ([\d.]+) or more")],
        "`--cache-gb -1`": [proposed("--cache-gb", r"give ([\d.]+) or more")],
        "an unknown option": [lambda fault: [word.replace("--worker", "--workers") for word in fault.arguments]],
    },
    "Grooves": GROOVE_MENDS,
    "Codecs and tokens": TOKEN_MENDS,
    "Models": MODEL_MENDS,
    "Features, ears and picked sounds": EAR_MENDS,
    "Folders of sounds by ear": CURATION_MENDS,
    "Folders of pairs": IMPORT_MENDS,
    "Evaluations": EVALUATION_MENDS,
    "Looking at a data set": {
        "verify a folder without a data set": [argument(1, lambda world: world.built().out)],
        "verify a folder that is not there": [argument(1, lambda world: world.built().out)],
        "render again when the library has moved": [option("--library", Path("elsewhere/library.csv"))],
        "show a key that is not there": [listed_key(2)],
        "show what is no key": [argument(2, lambda _: "train-00000002")],
        "show a pair of a tar cut in half": [_remake_shard],
        "ask for the JSON of no pair": [_open_pair],
    },
    "Releases and reports": RELEASE_MENDS,
    "A pair's JSON, to render": {
        "no such file": _STORED,
        "a folder": _STORED,
        "a file that is no JSON": _STORED,
        "a file that is no text": _STORED,
        "a list": _STORED,
        "a hundred thousand brackets": _STORED,
        "a mixture of 2^28 frames": _STORED,
        "a loop repeated every 2^28 frames": _STORED,
        "a split called `../../x`": _STORED,
        "a kind called `../../x`": _STORED,
        "a kind called mix": [edited("pair.json", '"kind": "mix"', '"kind": "another"')],
        "a kind with 200 letters": [edited("pair.json", "k" * 200, "k")],
        "two tracks of one name": _STORED,
        "an unknown effect": _STORED,
        "an unknown engine": [edited("pair.json", "steam", "pedalboard")],
        "a gain that is no number": _STORED,
        "a gain beyond all bounds": _STORED,
        "hits beyond the grid": _STORED,
        "a sound that the library lacks": [_library_of_the_pair],
        "a loop that the library lacks": [_library_of_the_pair],
        "a sound with another checksum": [restored_library],
        "a sound whose file has changed": [restored_library],
        "`--out` is a file": [other_out],
    },
}
