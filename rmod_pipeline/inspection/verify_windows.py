"""Verify what is computed from windows of sounds, tokens or features: receipts, files, shapes, and whose they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from rmod_pipeline.errors import RmodError
from rmod_pipeline.inspection.findings import ExpectedContent, Finding, VerifyReport
from rmod_pipeline.inspection.shard_checks import check_receipt_and_files, matches_index
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.windows.family import WindowFamily
from rmod_pipeline.storage import Location, StoreError

Family = TypeVar("Family", bound=WindowFamily)


class WindowCheck(ABC, Generic[Family]):
    """Check every family of one sort of a data set, and add the results to the report."""

    top: ClassVar[str]
    """The folder of the families, and the word for their content."""
    description: ClassVar[str]
    """The name of the file that describes a family."""
    command: ClassVar[str]
    """The command that makes them beside the build, as messages name it."""

    def __init__(self, out: Location, expected: ExpectedContent, report: VerifyReport) -> None:
        self._layout, self._expected, self._report = Layout(out).with_listing(), expected, report

    @property
    @abstractmethod
    def counts(self) -> dict[str, int]:
        """The number of pairs by family, in the report."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of the families."""

    @abstractmethod
    def read(self, name: str) -> Family:
        """Read the description of a family. Raises RmodError."""

    @abstractmethod
    def make_family(self, recipe: Recipe, family: Family) -> Family:
        """Return the family as the recipe has it. Raises RmodError, ValueError, KeyError, TypeError."""

    @abstractmethod
    def check_sound(self, sound: str, data: bytes, family: Family, about: str) -> Iterator[Finding]:
        """Yield what is wrong with the array of a sound. Raises RmodError for one that cannot be read."""

    @abstractmethod
    def matches_family(self, text: bytes, family: Family) -> bool:
        """Return whether the JSON of a pair belongs to the family."""

    def run(self) -> None:
        """Check all families. Raises StoreError if the object store cannot be reached."""
        report, layout = self._report, self._layout
        report.findings += self._find_unnamed_folders()
        for name in self.names():
            try:
                family = self.read(name)
            except StoreError:
                raise
            except RmodError as error:
                report.findings.append(Finding(about=f"{self.top}/{name}", found=error.found))
                continue
            report.findings += self._check_family(family, name)
            self.counts[name] = 0
            for path in layout.receipts(f"{self.top}/{name}"):
                findings = list(self._check_receipt(path, family))
                report.findings += findings
                report.damaged += [layout.relative(path)] if findings else []
            report.findings += self._find_missing_and_stray(family)

    def _find_unnamed_folders(self) -> Iterator[Finding]:
        """Yield a finding for each folder without a description, which no reader can use."""
        out = self._layout.out
        if not isinstance(out, Path):
            return  # an object store has no folders, only common prefixes of names
        named = set(self.names())
        for folder in sorted((out / self.top).glob("*")):
            if folder.is_dir() and folder.name not in named:
                remedy = f"run the {self.command} or build command again, or remove it and its receipts"
                yield Finding(about=self._layout.relative(folder), found=f"has no {self.description}: {remedy}")

    def _check_family(self, family: Family, folder: str) -> Iterator[Finding]:
        """Yield what is wrong with the description of a family."""
        about = f"{self.top}/{folder}/{self.description}"
        if family.name != folder:
            yield Finding(about=about, found=f"is that of {family.name}, but its folder is {folder}")
        if family.build != self._expected.digest:
            yield Finding(about=about, found=f"its {self.top} belong to another build.json")
            return
        try:
            made = self.make_family(Recipe.model_validate(self._expected.recipe), family)
        except (RmodError, ValueError, KeyError, TypeError) as error:
            yield Finding(about=about, found=f"does not fit the recipe: {error}")
            return
        if dict(family.windows) != dict(made.windows):
            found = f"windows {dict(family.windows)}, those of the recipe are {dict(made.windows)}"
            yield Finding(about=about, found=found)

    def _check_receipt(self, path: Location, family: Family) -> Iterator[Finding]:
        """Check the shard of a receipt, and count its pairs."""
        try:
            receipt = read_receipt(path)
            plan = self._expected.plans.get(path.stem)
            if plan is None or (receipt.shard, receipt.family) != (path.stem, family.folder):
                yield Finding(about=self._layout.relative(path), found="not the receipt of a shard of this data set")
                return
            yield from self._check_shard(receipt, plan, family)
            self.counts[family.name] = self.counts.get(family.name, 0) + receipt.pairs
        except StoreError:
            raise
        except RmodError as error:
            yield Finding(about=error.about, found=error.found)

    def _check_shard(self, receipt: Receipt, plan: ShardPlan, family: Family) -> Iterator[Finding]:
        layout, about = self._layout, f"{family.folder}/{receipt.shard}"
        if receipt.fingerprint != family.digest():
            yield Finding(about=about, found=f"its receipt belongs to another {self.description}")
        tar = layout.tar(receipt.shard, family.folder)
        findings = check_receipt_and_files(receipt, plan, [layout.relative(tar)], layout, about)
        yield from findings
        if findings:
            return
        rows = {row["key"]: row for row in read_index(layout.index(receipt.shard)) if row["status"] == PAIR}
        keys: list[str] = []
        for key, members in read_tar(tar):
            keys.append(key)
            if key in rows:
                yield from self._check_pair(f"{about}: {key}", members, rows[key], family)
        if keys != list(rows) or receipt.pairs != len(rows):
            yield Finding(about=about, found="its keys are not those of the index, in that order")

    def _check_pair(
        self, about: str, members: Mapping[str, bytes], row: Mapping[str, Any], family: Family
    ) -> Iterator[Finding]:
        if list(members) != family.members():
            found = f"holds {', '.join(members)}; {self.description} requires {', '.join(family.members())}"
            yield Finding(about=about, found=found)
            return
        for sound in family.windows:
            yield from self.check_sound(sound, members[f"{sound}.npy"], family, about)
        if not matches_index(members["json"], row, self._expected) or not self.matches_family(members["json"], family):
            yield Finding(about=about, found=f"its JSON disagrees with the index or with {self.description}")

    def _find_missing_and_stray(self, family: Family) -> Iterator[Finding]:
        layout = self._layout
        made = {path.stem for path in layout.receipts(family.folder)}
        finished = [path.stem for path in layout.receipts(self._expected.family)]
        missing = [shard for shard in finished if shard not in made]
        if missing:
            found = f"{len(missing)} of {len(finished)} shards have no {self.top} yet, {missing[0]} the first"
            yield Finding(about=family.folder, found=f"{found}: run the {self.command} or build command again")
        for path in sorted([*(layout.out / family.folder).glob("*.tar")], key=str):
            if path.stem not in made:
                found = f"has no receipt: finish the {self.command} command, or remove the file"
                yield Finding(about=layout.relative(path), found=found)


def has_valid_frames(frames: Mapping[str, Any], family: WindowFamily) -> bool:
    """Return whether a pair's JSON has the length of every sound, within its window. Raises KeyError, TypeError."""
    return list(frames) == list(family.windows) and all(
        0 < frames[sound] <= window for sound, window in family.windows.items()
    )
