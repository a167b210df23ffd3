"""The preview page: some pairs to listen to and to look at, in one HTML file without external resources.

    pairs -> views (decoded, drawn, compressed) -> plots over all views -> page

The page opens from ``file://`` without a network, in any browser of the last few years.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

from rmod_pipeline import __version__
from rmod_pipeline.errors import UsageError
from rmod_pipeline.pages.preview.figures import make_figures
from rmod_pipeline.pages.preview.formatting import format_kind, format_number
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup, compressed_format
from rmod_pipeline.pages.preview.view import LEVEL_HEADINGS, PairView, make_pair_view
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.storage.process_identity import available_cores
from rmod_pipeline.storage.writing import report_unwritable, write_text

__all__ = ["PageSound", "PageSoundGroup", "page_template", "preview_html", "write_preview"]

log = logging.getLogger(__name__)

DRUM_COLOURS = 6
"""Number of colours for drums."""
LOOP_COLOUR, NO_COLOUR = "c6", "cx"
"""CSS classes: c0 .. c5 for drums, c6 for all loops, cx for everything else."""


def write_preview(
    pairs: Sequence[StoredPair],
    page: Path,
    title: str,
    *,
    note: str = "",
    extra_sounds: Mapping[str, Sequence[PageSoundGroup]] | None = None,
) -> Path:
    """Write the preview page of the pairs atomically and return its path.

    note: a text under the title. extra_sounds: sounds to show after those of a pair, by key. Raises UsageError if
    there are no pairs or the page cannot be written, ShardError and SpecError for a pair that cannot be read.
    """
    html = preview_html(pairs, title, note=note, extra_sounds=extra_sounds)
    with report_unwritable(page, "choose a file in a folder that you can write to"):
        page.parent.mkdir(parents=True, exist_ok=True)
        write_text(page, html)
    log.info("wrote %s: %d pairs, %.1f MB", page, len(pairs), len(html) / 1e6)
    return page


def preview_html(
    pairs: Sequence[StoredPair],
    title: str,
    *,
    note: str = "",
    extra_sounds: Mapping[str, Sequence[PageSoundGroup]] | None = None,
) -> str:
    """Return the HTML of the page; the same pairs give the same bytes."""
    if not pairs:
        raise UsageError("preview", "there is no pair to show", "build some pairs first, or name another split")
    extra = extra_sounds or {}
    # Threads are enough: libsndfile releases the interpreter lock while it decodes and encodes.
    with ThreadPoolExecutor(max_workers=min(4, available_cores())) as pool:
        views = list(pool.map(lambda pair: make_pair_view(pair, extra.get(pair.key, ())), pairs))
    colours = choose_colours(views)
    return page_template("rmod_pipeline.pages.preview", "page.html.j2").render(
        title=title,
        note=note,
        pairs=views,
        figures=make_figures(views, colours),
        colours=colours,
        no_colour=NO_COLOUR,
        facts=_common_facts(views),
        level_headings=LEVEL_HEADINGS,
        format_kind=format_kind,
        mix_format=compressed_format(),
        version=__version__,
    )


def page_template(package: str, name: str) -> Template:
    """Return a template from the folder ``templates`` of a package; it may include files of the preview's folder."""
    packages = dict.fromkeys((package, "rmod_pipeline.pages.preview"))
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def choose_colours(views: Sequence[PairView]) -> dict[str, str]:
    """Return the CSS class of every kind: one colour per drum in the order of the recipe, one for all loops."""
    drums = dict.fromkeys(track.kind for pair in views for track in pair.metadata.spec.drums)
    loops = dict.fromkeys((track.kind for pair in views for track in pair.metadata.spec.loops), LOOP_COLOUR)
    return loops | {kind: f"c{number % DRUM_COLOURS}" for number, kind in enumerate(drums)}


def _common_facts(views: Sequence[PairView]) -> tuple[tuple[str, str], ...]:
    """Return what the pairs have in common, as labels and values."""
    specs = [pair.metadata.spec for pair in views]

    def join_sorted(values: set[str]) -> str:
        return ", ".join(sorted(values))

    settings = specs[0].settings
    return (
        ("pairs", str(len(specs))),
        ("recipe", join_sorted({spec.recipe for spec in specs})),
        ("split", join_sorted({spec.address.split for spec in specs})),
        ("seed", join_sorted({str(spec.address.seed) for spec in specs})),
        ("engine", join_sorted({spec.settings.engine for spec in specs})),
        ("mixture", f"{format_number(settings.frames / settings.sample_rate)} s, {settings.sample_rate:,} Hz"),
        ("output version", join_sorted({str(spec.output_version) for spec in specs})),
    )
