"""What API functions return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.errors import BuildError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.scan import Scan
from rmod_pipeline.patterns.manifest import Grooves, load_grooves
from rmod_pipeline.patterns.scan import GrooveScan
from rmod_pipeline.pipeline.import_folder import PAIR_LIST, PairCounts
from rmod_pipeline.pipeline.run import BuildSummary
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The result of a scan."""

    manifest: Path
    """The CSV file, one row per usable file."""
    report: Path
    """A CSV file with every warning, every dropped file and every group of copies."""
    scan: Scan
    """Assets, dropped files with reasons, copies, warnings."""

    @property
    def library(self) -> Library:
        """The library of the manifest, ready for ``build``."""
        return load_library(self.manifest)


@dataclass(frozen=True, slots=True, kw_only=True)
class GrooveScanResult:
    """The result of a scan of MIDI performances."""

    manifest: Path
    """The CSV file, one row per usable performance."""
    report: Path
    """A CSV file with every warning, every dropped file and every group of copies."""
    scan: GrooveScan
    """Performances, dropped files with reasons, copies, warnings."""

    @property
    def grooves(self) -> Grooves:
        """The performances of the manifest, ready for ``build``."""
        return load_grooves(self.manifest)


class BuildResult(DataSet):
    """The data set that a run worked on, with what the run did."""

    def __init__(
        self,
        out: Location,
        summary: BuildSummary,
        *,
        folder: str | None = None,
        shards: int | None = None,
        unlike_fp32: tuple[float, int] | None = None,
        precision: str | None = None,
    ) -> None:
        super().__init__(out)
        self.summary = summary
        """Pairs, rejects, bytes, failures and wait times."""
        self.folder: Location = out if folder is None else out / folder
        """Where the run wrote: the data set's folder, or that of the tokens or features which were added to it."""
        self.shards = shards
        """The number of shards that the run was limited to; None for all."""
        self.unlike_fp32 = unlike_fp32
        """With a precision below fp32: the share of tokens, 0..1, that differ from fp32's, and of how many mixtures."""
        self.precision = precision
        """The precision of the tokens that this run made; None if it made none."""


class ImportResult(BuildResult):
    """The data set that an import made, with what became of the files."""

    def __init__(self, out: Location, summary: BuildSummary, counts: PairCounts) -> None:
        super().__init__(out, summary)
        self.left_out: Mapping[str, int] = counts.left_out
        """Number of pairs and files that were not imported, by reason."""
        self.notices: Mapping[str, int] = counts.notices
        """Number of imported sounds that were changed or are unusual, by what was done or found."""
        self.pair_list: Location = out / PAIR_LIST
        """A CSV file with the key, the original key, the reason and the notices of each pair and each file."""


class IncompleteBuildError(BuildError):
    """Some shards failed. The others are finished, and the same call builds what is missing."""

    def __init__(self, result: BuildResult) -> None:
        failures = result.summary.failures
        causes = "\n".join(f"  {failure.shard}: {failure.cause}" for failure in failures[:5])
        more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
        hint = "mend the cause, then build again: only what is missing is made"
        super().__init__(result.out, f"{len(failures)} shard(s) failed:\n{causes}{more}", hint)
        self.result = result
