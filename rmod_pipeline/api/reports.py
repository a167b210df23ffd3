"""The report on a data set: measure it, hold it against thresholds, write it as a page and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import DataLike, LibraryLike, location_of, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage import Location, parse_local_path
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.writing import check_writable_file, report_unwritable, write_text

if TYPE_CHECKING:
    from rmod_pipeline.inspection.report import Report

DEFAULT_SAMPLE = 500
"""Pairs whose sound is read by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """A report, and the files that it was written to."""

    report: Report
    """What was measured, and the findings: ``.report.ok`` says whether no threshold is broken."""
    page: Path
    """The HTML page."""
    json: Path
    """The same as JSON, without the sounds."""


@speaks_python
def report(
    data: DataLike,
    *,
    page: str | Path | None = None,
    sample: int = DEFAULT_SAMPLE,
    thresholds: str | Path | None = None,
    library: LibraryLike | None = None,
    progress: bool = True,
) -> ReportFiles:
    """Measure a finished data set, and write a page to read and listen to, with a JSON file beside it.

    page: the HTML file; by default OUT-report.html beside OUT. sample: number of pairs whose sound is read. thresholds:
    a YAML file whose keys replace those of ``recipes/report/default.yaml``. library: that of the build, to compare its
    files across splits as well. Raises UsageError if a file exists already, RecipeError for invalid thresholds,
    UnfinishedError for an unfinished build, ShardError for a damaged one, AssetError for another library.
    """
    from rmod_pipeline.inspection.report import make_report
    from rmod_pipeline.inspection.report.thresholds import load_thresholds
    from rmod_pipeline.pages.report import report_html, report_json
    from rmod_pipeline.progress import rate_progress

    out = location_of(data)
    target = _page_beside(out) if page is None else parse_local_path(page)
    json_target = target.with_suffix(".json")
    _check_targets(target, json_target)
    own = None if thresholds is None else parse_local_path(thresholds, "--thresholds")
    limits = load_thresholds(own and require_file(own, "give a file to --thresholds"))
    measured = make_report(
        out,
        sample=sample,
        thresholds=limits,
        library=None if library is None else open_library(library, progress=progress),
        progress=lambda step: rate_progress(step, progress),
    )
    html = report_html(measured, out, title=out.resolve().name)
    for path, text in ((json_target, report_json(measured)), (target, html)):
        with report_unwritable(path, "choose a file in a folder that you can write to: --page FILE.html"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, text)
    return ReportFiles(report=measured, page=target, json=json_target)


def _page_beside(out: Location) -> Path:
    """Return OUT-report.html beside OUT; for a data set on an object store, in the current folder."""
    if not isinstance(out, Path):
        return Path(f"{out.name}-report.html")
    folder = out.resolve()
    return (out.parent if out.name else folder.parent) / f"{folder.name}-report.html"


def _check_targets(page: Path, json: Path) -> None:
    """Raise UsageError for a page that is not HTML by name, that exists, or that cannot be written."""
    if page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(page, "is not the name of a page", "give a name that ends in .html: --page report.html")
    for path in (page, json):
        if path.exists() or path.is_symlink():
            raise UsageError(path, "exists already", "remove it, or give another name: --page FILE.html")
        check_writable_file(path, "choose a file in a folder that you can write to: --page FILE.html")
