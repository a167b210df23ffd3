"""The page of a report on a data set: findings, measurements, and the most unusual pairs to listen to, in one file.

It shares players, pictures, templates and styles with the preview page. What comes from a data set is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from rmod_pipeline import __version__
from rmod_pipeline.inspection.report import Report
from rmod_pipeline.pages.preview import DRUM_COLOURS, NO_COLOUR, page_template
from rmod_pipeline.pages.preview.formatting import format_kind, format_number
from rmod_pipeline.pages.preview.sounds import compressed_format
from rmod_pipeline.pages.report.listening import list_pairs
from rmod_pipeline.pages.report.plots import make_report_figures
from rmod_pipeline.pages.report.tables import DRAWS_SHOWN, make_tables
from rmod_pipeline.storage import Location

__all__ = ["report_html", "report_json"]


def report_html(report: Report, out: Location, title: str) -> str:
    """Return the page of a report; the same report and data set give the same bytes.

    out: the data set, whose pairs the page plays. Raises ShardError for a pair that cannot be read.
    """
    pairs = list_pairs(report, out)
    kinds = dict.fromkeys(count.sound for count in report.duplicates if count.sound != "mix")
    return page_template("rmod_pipeline.pages.report", "report.html.j2").render(
        title=title,
        report=report,
        facts=tuple(_list_facts(report)),
        figures=make_report_figures(report),
        tables=make_tables(report),
        draws_shown=DRAWS_SHOWN,
        pairs=pairs,
        shown_keys={pair.key for pair in pairs},
        colours={kind: f"c{number % DRUM_COLOURS}" for number, kind in enumerate(kinds)},
        no_colour=NO_COLOUR,
        format_kind=format_kind,
        format_number=format_number,
        mix_format=compressed_format(),
        version=__version__,
    )


def report_json(report: Report) -> str:
    """Return a report as indented JSON with a final line break."""
    return json.dumps(report.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _list_facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the facts in the heading of the page: label and value."""
    yield "recipe", report.recipe
    yield "pairs", ", ".join(f"{count:,} {split}" for split, count in report.pairs.items())
    rejected = sum(report.rejects.values())
    yield "rejected attempts", f"{rejected:,} of {report.attempts:,}"
    yield "sample", ", ".join(f"{count:,} {split}" for split, count in report.sample.pairs.items()) or "none"
    yield "draws compared", f"{len(report.draws):,}"
    yield "fingerprint", report.fingerprint[:12]
