"""Combine sounds with their pictures into players of the page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.audio import Audio
from rmod_pipeline.pages.preview import pictures, sounds
from rmod_pipeline.pages.preview.sounds import PageSoundGroup

MIX_COLUMNS, SMALL_COLUMNS = 720, 240
"""Columns of a waveform: about one per pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """A sound with its picture, as the page plays it."""

    label: str
    kind: str
    caption: str
    seconds: float
    share: float
    """Length relative to the longest sound of its group."""
    picture: Markup
    source: str
    """A data URI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayerGroup:
    """The players of a ``PageSoundGroup``."""

    title: str
    players: tuple[Player, ...]
    is_full_length: bool
    has_keys: bool


def make_player_group(group: PageSoundGroup, about: str) -> PlayerGroup:
    """Return the players of a group, with lengths on a common scale. Raises ShardError; ``about`` names the pair."""
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
                picture=pictures.draw_waveform(_normalize_peak(audio), SMALL_COLUMNS),
                source=sounds.data_uri(sound.data, sound.mime),
            )
        )
    return PlayerGroup(
        title=group.title, players=tuple(players), is_full_length=group.is_full_length, has_keys=group.has_keys
    )


def _normalize_peak(audio: Audio) -> Audio:
    """Scale the audio to full scale, so that a small picture shows its shape; its level is printed beside it."""
    peak = float(abs(audio).max()) if audio.size else 0.0
    return audio / peak if peak > 1e-4 else audio


def make_full_player(label: str, audio: Audio, sample_rate: int) -> Player:
    """Compress and draw a mixture or a window of a song; its picture spans the page."""
    data, mime = sounds.encode_compressed(audio, sample_rate)
    return Player(
        label=label,
        kind="",
        caption="",
        seconds=audio.shape[1] / sample_rate,
        share=1.0,
        picture=pictures.draw_waveform(audio, MIX_COLUMNS),
        source=sounds.data_uri(data, mime),
    )
