"""Choose the pairs that the page plays, those of findings first, and make their players."""

from __future__ import annotations

from dataclasses import dataclass

from rmod_pipeline.inspection.report import Report
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.players import PlayerGroup, make_player_group
from rmod_pipeline.pages.preview.sounds import (
    PageSound,
    PageSoundGroup,
    decode_page_sound,
    encode_compressed,
    encode_flac,
)
from rmod_pipeline.reading.pairs import read_pair
from rmod_pipeline.shards.members import MIX, find_audio_member
from rmod_pipeline.storage import Location

MOST_PAIRS = 24
"""Pairs on the page; with mixtures of 4 s they make about 4 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenedPair:
    """A pair of the page, with why it is there."""

    key: str
    reasons: tuple[str, ...]
    groups: tuple[PlayerGroup, ...]


def list_pairs(report: Report, out: Location) -> tuple[ListenedPair, ...]:
    """Return the pairs to listen to; none for a data set without audio. Raises ShardError."""
    if not report.sample.has_audio:
        return ()
    reasons: dict[str, list[str]] = {}
    for finding in report.findings:
        for key in finding.keys:
            reasons.setdefault(key, []).append(f"{finding.threshold}: {finding.found}")
    for outlier in report.outliers:
        reasons.setdefault(outlier.key, []).append(outlier.reason)
    targets = [count.sound for count in report.duplicates if count.sound != MIX]
    return tuple(
        ListenedPair(key=key, reasons=tuple(dict.fromkeys(texts)), groups=(_make_players(out, key, targets),))
        for key, texts in [*reasons.items()][:MOST_PAIRS]
    )


def _make_players(out: Location, key: str, targets: list[str]) -> PlayerGroup:
    members = read_pair(out, key).members
    sounds = []
    for sound in (MIX, *targets):
        name = find_audio_member(members, sound)
        if name is None:
            continue
        audio, sample_rate = decode_page_sound(members[name], f"{key}.{name}")
        data, mime = (encode_compressed if sound == MIX else encode_flac)(audio, sample_rate)
        label = "mixture" if sound == MIX else format_kind(sound)
        sounds.append(PageSound(label=label, data=data, mime=mime, kind=sound))
    return make_player_group(PageSoundGroup(title="", sounds=tuple(sounds)), key)
