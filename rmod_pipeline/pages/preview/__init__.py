"""The preview page: pairs to hear and to see, one HTML file that needs nothing else.

    pairs -> views (decoded, drawn, compressed) -> figures over all of them -> page

The page works from ``file://``, without a network, in any browser of the last few years.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile

from rmod_pipeline import __version__
from rmod_pipeline.errors import UsageError
from rmod_pipeline.pages.preview import words
from rmod_pipeline.pages.preview.figures import figures
from rmod_pipeline.pages.preview.pages import PREVIEW, page_template
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup, mix_format
from rmod_pipeline.pages.preview.view import LEVEL_HEADS, PairView, view
from rmod_pipeline.reading.pairs import StoredPair

__all__ = ["PageSound", "PageSoundGroup", "preview_html", "write_preview"]

log = logging.getLogger(__name__)

DRUM_COLOURS = 6
"""The sheet has c0 .. c5 for drums, c6 for all loops, cx for what is neither."""
LOOP_COLOUR, NO_COLOUR = "c6", "cx"


def write_preview(
    pairs: Sequence[StoredPair],
    page: Path,
    title: str,
    *,
    note: str = "",
    further: Mapping[str, Sequence[PageSoundGroup]] | None = None,
) -> Path:
    """Write the preview page of the pairs and return its path. The page appears whole or not at all.

    ``note`` stands under the title; ``further`` holds sounds to play beside a pair's own, by key. Raises UsageError
    for no pairs, ShardError and SpecError for a pair that cannot be read.
    """
    html = preview_html(pairs, title, note=note, further=further)
    page.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=page.parent, prefix=f".{page.name}.", encoding="utf-8", delete=False) as file:
        aside = Path(file.name)
        try:
            file.write(html)
            file.close()
            aside.chmod(0o644)
            aside.replace(page)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    log.info("wrote %s: %d pairs, %.1f MB", page, len(pairs), len(html) / 1e6)
    return page


def preview_html(
    pairs: Sequence[StoredPair],
    title: str,
    *,
    note: str = "",
    further: Mapping[str, Sequence[PageSoundGroup]] | None = None,
) -> str:
    """Return the page as text: the same bytes for the same pairs."""
    if not pairs:
        raise UsageError("preview", "there is no pair to show", "build some pairs first, or name another split")
    beside = further or {}
    # Threads serve: decoding and encoding happen in libsndfile, which lets other threads run meanwhile.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        views = list(pool.map(lambda pair: view(pair, beside.get(pair.key, ())), pairs))
    colours = kind_colours(views)
    return page_template(PREVIEW, "page.html.j2").render(
        title=title,
        note=note,
        pairs=views,
        figures=figures(views, colours),
        colours=colours,
        no_colour=NO_COLOUR,
        facts=_common_facts(views),
        level_heads=LEVEL_HEADS,
        kind_words=words.kind_words,
        mix_format=mix_format(),
        version=__version__,
    )


def kind_colours(views: Sequence[PairView]) -> dict[str, str]:
    """Return the class of the colour of every kind: each drum its own, in the recipe's order, all loops one."""
    drums = dict.fromkeys(track.kind for pair in views for track in pair.facts.spec.drums)
    loops = dict.fromkeys((track.kind for pair in views for track in pair.facts.spec.loops), LOOP_COLOUR)
    return loops | {kind: f"c{place % DRUM_COLOURS}" for place, kind in enumerate(drums)}


def _common_facts(views: Sequence[PairView]) -> tuple[tuple[str, str], ...]:
    """Return what the pairs have in common: label and value."""
    specs = [pair.facts.spec for pair in views]

    def all_of(values: set[str]) -> str:
        return ", ".join(sorted(values))

    settings = specs[0].settings
    return (
        ("pairs", str(len(specs))),
        ("recipe", all_of({spec.recipe for spec in specs})),
        ("split", all_of({spec.address.split for spec in specs})),
        ("seed", all_of({str(spec.address.seed) for spec in specs})),
        ("engine", all_of({spec.settings.engine for spec in specs})),
        ("mixture", f"{words.number(settings.frames / settings.sample_rate)} s, {settings.sample_rate:,} Hz"),
        ("output version", all_of({str(spec.output_version) for spec in specs})),
    )
