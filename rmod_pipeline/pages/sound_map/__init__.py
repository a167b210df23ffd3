"""The sound map: all sounds of a library as points that play, in one HTML file without external resources.

It opens from ``file://`` without a network. Sounds that do not fit into the page are played from their files, at their
paths relative to the page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rmod_pipeline import __version__
from rmod_pipeline.curation.neighbours.index import SoundIndex
from rmod_pipeline.curation.neighbours.projection import Points
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.pages.generated import generator_tag, name_library, publish_page
from rmod_pipeline.pages.preview import page_template
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.sounds import compressed_format
from rmod_pipeline.pages.sound_map.snippets import (
    EMBEDDED_BYTES,
    SNIPPET_SECONDS,
    SnippetTask,
    compress_snippets,
    snippet_mime,
)

__all__ = ["write_sound_map"]

COLOURS, SHAPES = 8, 4
"""Number of colours and of shapes of kinds."""

USUAL_KINDS = (
    *("kick", "snare", "hihat", "clap", "tom", "cymbal", "open_hihat", "rim", "cowbell", "shaker", "tambourine"),
    *("conga", "bongo", "clave", "percussion", "ride", "crash", "not_a_drum"),
)
"""These kinds look the same on every map. Others follow, by name."""


def write_sound_map(
    index: SoundIndex,
    points: Points,
    method: str,
    page: Path,
    *,
    workers: int = 1,
    most_bytes: int = EMBEDDED_BYTES,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the map of an index and return how many sounds are inside the page.

    points: where each sound of the index lies, as ``project`` returns it. method: how they were laid out. Raises
    UsageError if the page cannot be written, or if it would replace a file that is no page of rmod.
    """
    tasks = [SnippetTask(index.library.path_of(asset), asset.sha256) for asset in index.assets]
    sounds = compress_snippets(tasks, workers=workers, most_bytes=most_bytes, progress=progress)
    publish_page(page, sound_map_html(index, points, method, sounds, page.absolute().parent))
    return sum(map(bool, sounds))


def sound_map_html(index: SoundIndex, points: Points, method: str, sounds: Sequence[str], folder: Path) -> str:
    """Return the HTML of the page; the same sounds, paths and points give the same bytes.

    sounds: the beginning of each sound as base64, or empty. folder: that of the page.
    """
    library = index.library
    embedded = sum(map(bool, sounds))
    content = _make_content(index.assets, points, sounds)
    content |= {"root": f"{library.root}/", "folder": _relative_folder(library, folder), "mime": snippet_mime()}
    minutes = sum(asset.seconds for asset in index.assets) / 60
    return page_template("rmod_pipeline.pages.sound_map", "map.html.j2").render(
        title=name_library(library),
        facts=f"{len(index.assets):,} sounds, {minutes:,.0f} min, laid out by {method}",
        note=_make_note(len(index.assets), embedded),
        # A closing tag inside the data would end it.
        data=json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        generator_tag=generator_tag("library map"),
        version=__version__,
    )


def order_kinds(kinds: Sequence[str]) -> list[str]:
    """Return kinds in the order in which they get colours and shapes."""
    usual = [kind for kind in USUAL_KINDS if kind in kinds]
    return usual + sorted(set(kinds) - set(usual))


def style_of(kind: str, others: Sequence[str]) -> tuple[int, int]:
    """Return the numbers of colour and shape of a kind; ``others`` are the unusual kinds of the map, in order."""
    number = USUAL_KINDS.index(kind) if kind in USUAL_KINDS else len(USUAL_KINDS) + others.index(kind)
    return number % COLOURS, (number + number // COLOURS) % SHAPES


def _make_content(assets: Sequence[Asset], points: Points, sounds: Sequence[str]) -> dict[str, Any]:
    """Return what the script of the page reads: a list per column, with an item per sound."""
    kinds = order_kinds([asset.kind for asset in assets])
    others = [kind for kind in kinds if kind not in USUAL_KINDS]
    licences = sorted({asset.licence for asset in assets})
    kind_numbers = {kind: number for number, kind in enumerate(kinds)}
    licence_numbers = {licence: number for number, licence in enumerate(licences)}
    styles = {kind: style_of(kind, others) for kind in kinds}
    return {
        "kinds": [
            {"name": kind, "label": format_kind(kind), "colour": styles[kind][0], "shape": styles[kind][1]}
            for kind in kinds
        ],
        "licences": licences,
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "kind": [kind_numbers[asset.kind] for asset in assets],
        "licence": [licence_numbers[asset.licence] for asset in assets],
        "seconds": [round(asset.seconds, 3) for asset in assets],
        "path": [asset.path for asset in assets],
        "sound": list(sounds),
    }


def _relative_folder(library: Library, folder: Path) -> str | None:
    """Return the folder of the sounds as an address relative to the page; None if they are on an object store."""
    if not isinstance(library.root, Path):
        return None
    return quote(Path(os.path.relpath(library.root, folder)).as_posix()) + "/"


def _make_note(sounds: int, embedded: int) -> str:
    where = (
        "All sounds are in this page"
        if embedded == sounds
        else f"{embedded:,} of {sounds:,} sounds are in this page, and the others are played from their files"
    )
    return (
        f"{where}: their first {SNIPPET_SECONDS:g} s, as {compressed_format()}, all with the same peak. "
        "Sounds that lie together are similar. How far groups are apart says little."
    )
