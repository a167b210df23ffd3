"""Write a notebook that loads, plays and plots pairs of a release, and trains for a minute."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from rmod_pipeline.releases.card.markdown import escape_markdown
from rmod_pipeline.releases.facts import FamilyFacts, ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.shards.layout import AUDIO

NOTEBOOK = "look-and-train.ipynb"
"""The file of the notebook in the folder of a release."""

_MARKER = "# %%"
_PLACE = re.compile(r"@([A-Z]+)@")


def write_notebook(folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
    """Write the notebook into the folder of a release, without outputs."""
    text = json.dumps(make_notebook(request, facts), indent=1, ensure_ascii=False)
    (folder / NOTEBOOK).write_text(text + "\n", encoding="utf-8")


def make_notebook(request: ReleaseRequest, facts: ReleaseFacts) -> dict[str, Any]:
    """Return the notebook, format 4.5, for the sound of a release, or for its tokens where it holds no sound."""
    family = facts.families[0]
    parts = _read_parts("notebook_audio.txt" if family.name == AUDIO else "notebook_tokens.txt")
    # Cut into cells before anything of the user is filled in: a title must not begin a cell.
    cells = _fill(_read("notebook.txt"), parts).split(_MARKER)[1:]
    values = _make_values(request, facts, family)
    return {
        "cells": [_make_cell(number, _fill(text, values)) for number, text in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _make_values(request: ReleaseRequest, facts: ReleaseFacts, family: FamilyFacts) -> dict[str, str]:
    """Return what stands at each place of the templates. Text becomes a literal of Python, or escaped Markdown."""
    return {
        "TITLE": escape_markdown(request.title),
        "TARGETS": repr(list(facts.targets)),
        "FIRST": escape_markdown(facts.targets[0]),
        "SLUG": repr(request.name),
        "REJECTS": ", and one per attempt that was rejected" if request.pairs is None else "",
        "FAMILY": repr(family.name),
        "ENDING": facts.audio_format if family.name == AUDIO else "npy",
        "RATE": repr(facts.sample_rate),
        "ENTRIES": repr(int(family.codec["codebook_size"]) if family.codec else 0),
    }


def _make_cell(number: int, text: str) -> dict[str, Any]:
    is_markdown = text.startswith(" [markdown]")
    body = text.partition("\n")[2].strip("\n")
    if is_markdown:
        body = "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.splitlines())
    cell: dict[str, Any] = {
        "cell_type": "markdown" if is_markdown else "code",
        "id": f"cell-{number:02d}",
        "metadata": {},
    }
    if not is_markdown:
        cell |= {"execution_count": None, "outputs": []}
    return {**cell, "source": body.splitlines(keepends=True)}


def _fill(text: str, values: dict[str, str]) -> str:
    """Put values into their places; a place of which there is no value stays."""
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), text)


def _read_parts(name: str) -> dict[str, str]:
    """Return the parts of a template by name; each begins with a line ``@@ NAME``."""
    parts = re.split(r"^@@ ([A-Z]+)\n", _read(name), flags=re.MULTILINE)[1:]
    return {part: text.rstrip("\n") for part, text in zip(parts[::2], parts[1::2], strict=True)}


def _read(name: str) -> str:
    return (files("rmod_pipeline.releases.sites") / "templates" / name).read_text(encoding="utf-8")
