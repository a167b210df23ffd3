"""The page of a harvest: its clusters by kind, with a player for each kept sound.

The sounds are not inside the page: it plays the WAV files beside it, so it stays small and moves with its folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from markupsafe import Markup

from rmod_pipeline import __version__
from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.harvest.own_files import PAGE
from rmod_pipeline.curation.harvest.results import Harvest, KeptSound, SongOutcome
from rmod_pipeline.library.read import read_sound
from rmod_pipeline.pages.generated import check_replaceable_page, generator_tag, publish_page
from rmod_pipeline.pages.preview import DRUM_COLOURS, page_template
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.pictures import draw_waveform

__all__ = ["PAGE", "check_harvest_page", "harvest_html", "write_harvest_page"]

_COLUMNS = 160
"""Columns of a waveform."""
_MOST_FINDINGS = 50
"""Songs without a sound that are listed; songs.csv has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundView:
    """A kept sound as the page shows it."""

    file: str
    """Address relative to the page."""
    name: str
    label: str
    caption: str
    details: str
    seconds: float
    share: float
    """Length relative to the longest sound of its kind."""
    picture: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """A cluster of similar sounds."""

    number: int
    sounds: tuple[SoundView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """The clusters of one kind."""

    kind: str
    title: str
    colour: str
    sounds: int
    clusters: tuple[ClusterView, ...]


def check_harvest_page(out: Path) -> None:
    """Raise UsageError if the page cannot be written, or would replace a file that is no page of rmod."""
    if out.is_dir():
        check_replaceable_page(out / PAGE)


def write_harvest_page(harvest: Harvest, out: Path) -> Path:
    """Write the page beside the sounds of a harvest and return its path. Raises UsageError and AssetError."""
    publish_page(out / PAGE, harvest_html(harvest, out))
    return out / PAGE


def harvest_html(harvest: Harvest, out: Path) -> str:
    """Return the HTML of the page; the same harvest gives the same bytes. Reads the sounds for their pictures."""
    by_kind: dict[str, list[KeptSound]] = {}
    for sound in harvest.sounds:
        by_kind.setdefault(sound.folder, []).append(sound)
    colours = {kind: f"c{number % DRUM_COLOURS}" for number, kind in enumerate(by_kind)}
    return page_template("rmod_pipeline.pages.harvest", "harvest.html.j2").render(
        title=f"Harvest of {len(harvest.songs)} song{'s' if len(harvest.songs) != 1 else ''}",
        facts=tuple(_facts(harvest)),
        kinds=[_make_kind(kind, colours, sounds, out) for kind, sounds in by_kind.items()],
        findings=harvest.findings[:_MOST_FINDINGS],
        more_findings=max(len(harvest.findings) - _MOST_FINDINGS, 0),
        generator_tag=generator_tag("library harvest"),
        version=__version__,
    )


def _facts(harvest: Harvest) -> Iterator[tuple[str, str]]:
    songs: Sequence[SongOutcome] = harvest.songs
    yield "songs", str(len(songs))
    yield "minutes", f"{sum(song.seconds for song in songs) / 60:.1f}"
    yield "hits", f"{sum(song.onsets for song in songs):,}"
    yield "isolated", f"{sum(song.isolated for song in songs):,}"
    yield "clusters", f"{harvest.clusters:,}"
    yield "sounds kept", f"{len(harvest.sounds):,}"


def _make_kind(kind: str, colours: Mapping[str, str], sounds: Sequence[KeptSound], out: Path) -> KindView:
    longest = max(sound.seconds for sound in sounds)
    groups = groupby(sounds, key=lambda sound: sound.cluster)
    clusters = tuple(
        ClusterView(number=number, sounds=tuple(_make_sound(sound, longest, out) for sound in members))
        for number, members in groups
    )
    title = format_kind(kind)
    return KindView(kind=kind, title=title, colour=colours[kind], sounds=len(sounds), clusters=clusters)


def _make_sound(sound: KeptSound, longest: float, out: Path) -> SoundView:
    audio, _ = read_sound(out / sound.file)
    isolation = sound.hit.isolation
    return SoundView(
        file=quote(sound.file),
        name=f"{sound.song.name} at {sound.time_seconds:.3f} s",
        label=f"{sound.time_seconds:.2f} s of {PurePosixPath(sound.song.name).name}",
        caption=", ".join(_caption(sound)),
        details=f"before {isolation.before:.2f}, after {isolation.after:.2f}, alone {isolation.alone:.2f}",
        seconds=sound.seconds,
        share=max(sound.seconds / longest, 0.02),
        picture=draw_waveform(_normalize(audio), _COLUMNS),
    )


def _caption(sound: KeptSound) -> Iterator[str]:
    hit = sound.hit
    yield f"isolation {hit.isolation.value:.2f}"
    if hit.confidence:
        yield f"{hit.kind}{f' {hit.subkind}' if hit.subkind else ''} by {hit.confidence:.0%}"
    yield sound.song.licence or "unknown licence"


def _normalize(audio: Audio) -> Audio:
    """Scale a sound to full scale, so that its small picture shows its shape."""
    largest = float(abs(audio).max()) if audio.size else 0.0
    return audio / largest if largest > 1e-6 else audio
