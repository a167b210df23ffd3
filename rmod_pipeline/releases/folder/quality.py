"""Run the quality gate of a release, which is `rmod report`, and put the report into the folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from rmod_pipeline.errors import ShardError, quote
from rmod_pipeline.inspection.report import Report, make_report
from rmod_pipeline.inspection.report.make import DEFAULT_SAMPLE
from rmod_pipeline.inspection.report.thresholds import Thresholds
from rmod_pipeline.pages.report import report_html, report_json
from rmod_pipeline.storage import Location

REPORT_PAGE, REPORT_JSON = "report.html", "report.json"

MOST_SHOWN = 10


def check_quality(
    out: Location,
    thresholds: Thresholds,
    given: Path | None,
    sample: int,
    progress: Callable[[str], AbstractContextManager[Callable[[int, int], None]]],
) -> Report:
    """Return the report on a data set. Raises ShardError if it breaks a threshold.

    given: the user's file of thresholds, for the message. sample: number of pairs whose sound is read.
    """
    report = make_report(out, sample=sample, thresholds=thresholds, progress=progress)
    if report.ok:
        return report
    shown = "\n".join(f"  {finding}" for finding in report.findings[:MOST_SHOWN])
    more = f"\n  and {len(report.findings) - MOST_SHOWN} more" if len(report.findings) > MOST_SHOWN else ""
    found = f"breaks {len(report.findings)} of the thresholds:\n{shown}{more}"
    options = f" --thresholds {quote(given)}" if given else ""
    options += f" --sample {sample}" if sample != DEFAULT_SAMPLE else ""
    hint = f"`rmod report {quote(out)}{options}` shows them; if they are as you want them, give thresholds that allow "
    hint += "them: --thresholds FILE.yaml"
    raise ShardError(out, found, hint)


def write_report(folder: Path, out: Location, report: Report, *, title: str, whole: bool) -> None:
    """Write the report into the folder of a release.

    Only the release of a whole data set gets the page, because the page plays pairs of the whole data set.
    """
    (folder / REPORT_JSON).write_text(report_json(report), encoding="utf-8")
    if whole:
        (folder / REPORT_PAGE).write_text(report_html(report, out, title), encoding="utf-8")
