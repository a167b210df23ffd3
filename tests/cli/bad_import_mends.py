"""The remedies of the cases of `bad_imports.py`."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence

from tests.cli.bad_input_world import Arguments
from tests.cli.mending import Fault, Mend, edited, option, other_out, proposed
from tests.tiny_pairs import write_pairs


def _write_pairs(fault: Fault) -> Arguments:
    """Put pairs with names as the hint gives them into the folder."""
    shutil.rmtree(fault.world / "pairs", ignore_errors=True)
    write_pairs(fault.world / "pairs")
    return fault.arguments


def _replace_listed(fault: Fault) -> Arguments:
    """Replace the files of the pairs that pairs.csv says were left out, and import into another folder."""
    with (fault.world / "imported" / "pairs.csv").open(encoding="utf-8", newline="") as file:
        left_out = [row["original_key"] for row in csv.DictReader(file) if row["status"] == "left out"]
    assert left_out
    write_pairs(fault.world / "pairs", keys=tuple(left_out))
    return fault.option("--out", fault.world / "again")


def _preview(fault: Fault) -> Arguments:
    return [*fault.command({"OUT": fault.world / "imported"}), "--split", "test", "--no-open"]


MENDS: dict[str, Sequence[Mend]] = {
    "import a folder that is not there": [_write_pairs],
    "import files whose names say no sound": [_write_pairs],
    "import mixtures without one-shots": [_write_pairs],
    "ask for a kind that no pair has": [option("--kinds", "kick,snare")],
    "import a split that there is not": [proposed("--split", r"did you mean '(\w+)'")],
    "import under a licence that is none": [option("--licence", "CC-BY-4.0")],
    "import at a rate that no recipe may have": [option("--sample-rate", 44_100)],
    "a table without keys": [edited("about.csv", "name", "key")],
    "a table with a split that there is not": [edited("about.csv", "tests", "test")],
    "import into the folder of another import": [other_out],
    "import into the folder of a build": [other_out],
    "a one-shot that is no sound, among others": [_replace_listed],
    "a pair without its mixture, among others": [_replace_listed],
    "import pairs of which every kick is silent": [_replace_listed],
    "render imported pairs again": [option("--rerender")],
    "render an imported pair": [_preview],
}
