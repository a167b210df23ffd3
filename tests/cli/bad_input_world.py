"""The small world that bad input is tried in: a library, a recipe and, once built, a data set, in one folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.tiny_build import RECIPE, make_job

DONE, FOUND, MISTAKE = 0, 1, 2

Arguments = Sequence[object]


@dataclass(frozen=True, slots=True)
class World:
    """A folder of its own with a library, a recipe and, once built, a data set."""

    folder: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def library(self) -> Path:
        return self / "library" / "library.csv"

    @property
    def out(self) -> Path:
        return self / "out"

    @property
    def pair(self) -> Path:
        return self / "pair.json"

    def recipe(self, change: Callable[[str], str] = lambda text: text) -> Path:
        path = self / "tiny.yaml"
        path.write_text(change(RECIPE))
        return path

    def build(self, *options: object, pairs: str = "train=10,valid=2", **changes: Any) -> Arguments:
        """Return the command that builds, or goes on with, the tiny data set."""
        recipe, library, out = (changes.get(name) for name in ("recipe", "library", "out"))
        wanted = ["--library", library or self.library, "--out", out or self.out, "--pairs", pairs]
        return ["build", recipe or self.recipe(), *wanted, "--shard-size", changes.get("shard_size", 3), *options]

    def built(self) -> World:
        """Build the tiny data set."""
        from rmod_pipeline.pipeline.executors.local import local_executor
        from rmod_pipeline.pipeline.run import run_build
        from rmod_pipeline.pipeline.scheduler import BuildProgress

        run_build(make_job(self.library, self.out), local_executor(1), BuildProgress())
        return self

    def spec(self, change: Callable[[dict[str, Any]], object]) -> Arguments:
        """Write a pair's JSON with a change, and return the command that renders it."""
        from rmod_pipeline.reading.pairs import list_keys, read_pair

        self.built()
        described = next(
            content
            for content in (read_pair(self.out, key).description() for key in list_keys(self.out))
            if content["spec"]["loops"]
        )
        change(described["spec"])
        self.pair.write_text(json.dumps(described))
        return self.render()

    def render(self) -> Arguments:
        return ["render", self.pair, "--library", self.library, "--out", self / "listen"]

    def manifest(self, change: Callable[[list[dict[str, str]]], object]) -> Path:
        """Edit the manifest's rows."""
        with self.library.open() as file:
            rows = list(csv.DictReader(file))
        change(rows)
        with self.library.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return self.library

    def sound(self, name: str = "kick/train-0.wav") -> Path:
        return self.library.parent / name


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is wrong, what one then asks for, and what is to come of it."""

    name: str
    act: Callable[[World], Arguments]
    says: tuple[str, ...]
    """Words that the message holds: the datum, what was found, the remedy."""
    code: int = MISTAKE
    finished: int = field(default=-1)
    """How many shards stand there afterwards, where that matters."""
    mends: Sequence[Callable[[Any], Arguments]] = ()
    """Each follows one of the remedies in the message, and returns the command that then succeeds."""


def text_file(path: Path, text: str = "this is no sound") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
