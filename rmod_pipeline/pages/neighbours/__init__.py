"""The page of a search by ear: each sound that was asked about, with the nearest sounds of a library, to listen to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rmod_pipeline import __version__
from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.neighbours.search import Neighbour, SearchResult
from rmod_pipeline.curation.one_shot_files import LISTEN_SECONDS, read_first_seconds
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import decode_sound, read_verified
from rmod_pipeline.pages.generated import generator_tag, name_library, publish_page
from rmod_pipeline.pages.preview import DRUM_COLOURS, NO_COLOUR, page_template
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.players import PlayerGroup, make_player_group
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup, encode_flac
from rmod_pipeline.render.tracks import fade_out

__all__ = ["write_neighbours"]

_FADE_SECONDS = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """A search as the page shows it, with the field names that the shared templates use."""

    key: str
    title: str
    notes: tuple[str, ...]
    groups: tuple[PlayerGroup, ...]


def write_neighbours(results: Sequence[SearchResult], library: Library, page: Path) -> None:
    """Write the page of some searches in a library.

    Raises UsageError if it cannot be written, or if it would replace a file that is no page of rmod.
    """
    publish_page(page, neighbours_html(results, library))


def neighbours_html(results: Sequence[SearchResult], library: Library) -> str:
    """Return the HTML of the page; the same sounds give the same bytes."""
    kinds = dict.fromkeys(each.asset.kind for result in results for each in result.neighbours)
    return page_template("rmod_pipeline.pages.neighbours", "neighbours.html.j2").render(
        title=f"Sounds of {name_library(library)} by ear",
        searches=[_make_view(result, library) for result in results],
        colours={kind: f"c{number % DRUM_COLOURS}" for number, kind in enumerate(kinds)},
        no_colour=NO_COLOUR,
        listen_seconds=f"{LISTEN_SECONDS:g}",
        generator_tag=generator_tag("library near"),
        version=__version__,
    )


def _make_view(result: SearchResult, library: Library) -> SearchView:
    question = result.question
    name = question.path.name
    own_sound = _make_sound(name, question.kind, _caption_question(result), read_first_seconds(question.path))
    found, missing = list[PageSound](), list[str]()
    for each in result.neighbours:
        try:
            audio = _read_asset(each, library)
        except AssetError as error:
            missing.append(f"{each.asset.path}: {error.found}")
        else:
            found.append(_make_sound(f"{each.rank}", each.asset.kind, ", ".join(_caption(each)), audio))
    groups = (
        PageSoundGroup(title="The sound", sounds=(own_sound,)),
        PageSoundGroup(title="The nearest", sounds=tuple(found), has_keys=True),
    )
    return SearchView(
        key=name,
        title=str(question.path),
        notes=tuple(missing),
        groups=tuple(make_player_group(group, name) for group in groups if group.sounds),
    )


def _caption_question(result: SearchResult) -> str:
    kind = result.question.kind
    return f"classified as {format_kind(kind)}" if kind else "the classifier is not certain what it is"


def _caption(neighbour: Neighbour) -> Iterator[str]:
    yield f"{neighbour.similarity:.3f}"
    yield format_kind(neighbour.asset.kind)
    yield neighbour.asset.licence or "unknown licence"
    yield neighbour.asset.path


def _read_asset(neighbour: Neighbour, library: Library) -> tuple[Audio, int]:
    """Return a sound of a library and its rate. Raises AssetError."""
    path = library.path_of(neighbour.asset)
    decoded = decode_sound(read_verified(path, neighbour.asset.sha256), path)
    return decoded.audio, decoded.sample_rate


def _make_sound(label: str, kind: str, caption: str, sound: tuple[Audio, int]) -> PageSound:
    audio, sample_rate = sound
    frames = round(LISTEN_SECONDS * sample_rate)
    kept = np.array(audio[:, :frames], np.float32)
    if audio.shape[1] > frames:
        fade_out(kept, round(_FADE_SECONDS * sample_rate))
    data, mime = encode_flac(kept, sample_rate)
    return PageSound(label=label, data=data, mime=mime, kind=kind, caption=caption)
