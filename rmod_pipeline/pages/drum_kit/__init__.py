"""The page of a kit: its pads to click and to play by keys, a pattern to hear and to change, where each sound is from.

One self-contained file. It shares colours and styles with the preview page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline import __version__
from rmod_pipeline.audio import Audio, peak, to_pcm
from rmod_pipeline.curation.drum_kit.measure import RATE
from rmod_pipeline.curation.drum_kit.results import DrumKit, PadSound
from rmod_pipeline.pages.drum_kit.patterns import STEPS, list_patterns
from rmod_pipeline.pages.preview import DRUM_COLOURS, page_template, pictures, sounds

__all__ = ["kit_html"]

KEYS = "asdfghjklqwertyuiopzxcvbnm"
"""The keys of the keyboard that play the pads, in their order."""
_COLUMNS = 160
"""Of a waveform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PadView:
    """A pad as the page shows it."""

    name: str
    title: str
    colour: str
    key: str
    """The key of the keyboard that plays it."""
    midi_key: int
    picture: Markup
    source: str
    percent: str
    """Probability of its class among the drums."""
    is_weak: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundRow:
    """A row of the table of sounds."""

    colour: str
    cells: tuple[str, ...]


HEADINGS = ("file", "velocities", "source", "at", "length", "pitch", "gain", "class", "a drum", "licence", "origin")


def kit_html(kit: DrumKit) -> str:
    """Return the HTML of the page; equal kits give equal bytes."""
    colours = {pad.name: f"c{number % DRUM_COLOURS}" for number, pad in enumerate(kit.played)}
    return page_template("rmod_pipeline.pages.drum_kit", "drum_kit.html.j2").render(
        title=kit.name,
        facts=tuple(_facts(kit)),
        pads=tuple(_make_pads(kit, colours)),
        steps=STEPS,
        patterns=list_patterns([pad.name for pad in kit.played]),
        player=_describe_player(kit),
        headings=HEADINGS,
        rows=tuple(_make_row(sound, colours) for sound in kit.sounds),
        missing=", ".join(pad.title for pad in kit.missing),
        weak=", ".join(sound.pad.title for sound in kit.weak),
        version=__version__,
    )


def _facts(kit: DrumKit) -> Iterator[tuple[str, str]]:
    """Yield the facts in the heading of the page: label and value."""
    yield "pads", str(len(kit.played))
    yield "sounds", str(len(kit.sounds))
    yield "from", f"{len({sound.candidate.place.sha256 for sound in kit.sounds})} of {kit.counts.files} files"
    yield "licence", kit.licence or "unknown"
    if kit.author:
        yield "author", kit.author


def _make_pads(kit: DrumKit, colours: dict[str, str]) -> Iterator[PadView]:
    for number, pad in enumerate(kit.played):
        best = kit.sounds_of(pad)[0]
        yield PadView(
            name=pad.name,
            title=pad.title,
            colour=colours[pad.name],
            key=KEYS[number] if number < len(KEYS) else "",
            midi_key=pad.key,
            picture=pictures.draw_waveform(_normalize(best.audio), _COLUMNS),
            source=best.candidate.place.source,
            percent=_format_percent(best.candidate.rating.probability),
            is_weak=best.is_weak,
        )


def _describe_player(kit: DrumKit) -> dict[str, object]:
    """Return what the script of the page plays: the sounds of each pad by velocity, and its choke group."""
    return {
        "roundRobin": kit.round_robin,
        "pads": {
            pad.name: {
                "choke": pad.choke_group,
                "sounds": [
                    {"from": sound.low_velocity, "to": sound.high_velocity, "data": _encode(sound)}
                    for sound in sorted(kit.sounds_of(pad), key=lambda sound: sound.low_velocity)
                ],
            }
            for pad in kit.played
        },
    }


def _make_row(sound: PadSound, colours: dict[str, str]) -> SoundRow:
    candidate, place = sound.candidate, sound.candidate.place
    return SoundRow(
        colour=colours[sound.pad.name],
        cells=(
            sound.file,
            f"{sound.low_velocity} to {sound.high_velocity}",
            place.source,
            f"{place.start / place.sample_rate:.3f} s",
            f"{sound.seconds:.2f} s",
            f"{candidate.tuning.semitones:+g} st" if candidate.tuning.semitones else "",
            f"{sound.gain_db:+.1f} dB",
            _format_percent(candidate.rating.probability),
            _format_percent(candidate.rating.drum),
            sound.licence or "unknown",
            sound.credit,
        ),
    )


def _encode(sound: PadSound) -> str:
    return sounds.data_uri(*sounds.encode_flac(to_pcm(sound.audio), RATE))


def _normalize(audio: Audio) -> Audio:
    loudest = peak(audio)
    return audio / loudest if loudest > 0 else audio


def _format_percent(share: float) -> str:
    return f"{100 * share:.0f} %"
