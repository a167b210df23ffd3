"""Sounds with their pictures, as a page plays and shows them."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.audio import Audio
from rmod_pipeline.pages.preview import pictures, sounds
from rmod_pipeline.pages.preview.sounds import PageSoundGroup

MIX_COLUMNS, SMALL_COLUMNS = 720, 240
"""Columns of a waveform: about as many as a screen shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A sound with its picture."""

    label: str
    kind: str
    caption: str
    seconds: float
    share: float
    """Its length as a share of the longest in its group."""
    picture: Markup
    source: str
    """A data URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerGroup:
    title: str
    players: tuple[Player, ...]
    whole: bool
    keys: bool


def player_group(group: PageSoundGroup, about: str) -> PlayerGroup:
    """Draw the sounds of a group, their lengths to one scale."""
    decoded = [sounds.decode_page_sound(sound.data, f"{about} {sound.label}") for sound in group.sounds]
    longest = max((audio.shape[1] / sample_rate for audio, sample_rate in decoded), default=1.0)
    players = []
    for sound, (audio, sample_rate) in zip(group.sounds, decoded, strict=True):
        seconds = audio.shape[1] / sample_rate
        players.append(
            Player(
                label=sound.label,
                kind=sound.kind,
                caption=sound.caption,
                seconds=seconds,
                share=max(seconds / longest, 0.02) if longest else 1.0,
                picture=pictures.waveform(_at_full_height(audio), SMALL_COLUMNS),
                source=sounds.data_uri(sound.data, sound.mime),
            )
        )
    return PlayerGroup(title=group.title, players=tuple(players), whole=group.whole, keys=group.keys)


def _at_full_height(audio: Audio) -> Audio:
    """Return the audio as loud as its picture is high: a small picture shows the shape, figures tell the level."""
    loudest = float(abs(audio).max()) if audio.size else 0.0
    return audio / loudest if loudest > 1e-4 else audio


def whole_player(label: str, audio: Audio, sample_rate: int) -> Player:
    """Compress and draw what the other sounds were made of, or will be: the widest picture of a page."""
    data, mime = sounds.compressed(audio, sample_rate)
    return Player(
        label=label,
        kind="",
        caption="",
        seconds=audio.shape[1] / sample_rate,
        share=1.0,
        picture=pictures.waveform(audio, MIX_COLUMNS),
        source=sounds.data_uri(data, mime),
    )
