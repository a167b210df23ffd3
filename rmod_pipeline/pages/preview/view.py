"""Turn a stored pair into what the page shows: read its JSON, decode, draw and compress its members."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.errors import ShardError
from rmod_pipeline.pages.preview import formatting, pianoroll, pictures, sounds
from rmod_pipeline.pages.preview.players import Player, PlayerGroup, make_full_player, make_player_group
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.members import find_audio_member
from rmod_pipeline.spec import DrumTrack, PairSpec, Send, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMetadata:
    """The contents of a pair's JSON; measurements and sources may be missing."""

    spec: PairSpec
    measured: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]

    def measurement(self, *path: str) -> Any:
        """Return a measured value by its path of keys, or None if it is missing."""
        value: Any = self.measured
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SendView:
    """A send with its effects as the page shows it."""

    title: str
    effects: tuple[formatting.EffectView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """The effects of a track or of the master as the page shows them."""

    kind: str
    title: str
    effects: tuple[formatting.EffectView, ...]
    sends: tuple[SendView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """One sound of the library that a pair uses."""

    kind: str
    id: str
    share: str
    """Weight in a layered one-shot, as text."""
    kit: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """All contents of the page about one pair."""

    key: str
    metadata: PairMetadata
    mix: Player
    mel: str
    """Data URI of the mel spectrogram."""
    frequency_labels: tuple[tuple[str, float], ...]
    """Labels beside the spectrogram: text, and height from 0 at the bottom to 1 at the top."""
    lanes: tuple[pianoroll.Lane, ...]
    groups: tuple[PlayerGroup, ...]
    summary: tuple[tuple[str, str], ...]
    chains: tuple[ChainView, ...]
    levels: tuple[tuple[str, ...], ...]
    sources: tuple[SourceView, ...]
    files: tuple[tuple[str, str, str], ...]
    """Files that the reader can save: label, file name, data URI."""
    loudness: float | None
    search_text: str
    """The text that the filter searches, in lower case."""


def make_pair_view(pair: StoredPair, extra_sounds: Sequence[PageSoundGroup] = ()) -> PairView:
    """Read, decode and draw one pair; ``extra_sounds`` follow its own. Raises ShardError, SpecError."""
    metadata = read_metadata(pair)
    mix, sample_rate = sounds.decode_page_sound(*_audio_member(pair, "mix"))
    groups = tuple(make_player_group(group, pair.key) for group in (*_own_groups(pair, metadata), *extra_sounds))
    lufs = metadata.measurement("mix", "lufs")
    return PairView(
        key=pair.key,
        metadata=metadata,
        mix=make_full_player("mix", mix, sample_rate),
        mel=pictures.draw_mel_spectrogram(mix, sample_rate),
        frequency_labels=pictures.mel_frequency_labels(sample_rate),
        lanes=pianoroll.draw_lanes(metadata.spec, _one_shot_seconds(metadata)),
        groups=groups,
        summary=_make_summary(metadata),
        chains=tuple(_make_chains(metadata)),
        levels=tuple(_make_level_rows(metadata)),
        sources=tuple(_make_sources(metadata)),
        files=_make_files(pair),
        loudness=float(lufs) if formatting.is_number(lufs) else None,
        search_text=_search_text(pair.key, metadata),
    )


def read_metadata(pair: StoredPair) -> PairMetadata:
    """Read a pair's JSON, in which measurements may be missing but not the spec. Raises ShardError, SpecError."""
    about = f"{pair.key}.json"
    try:
        content = json.loads(pair.members["json"])
        spec, measured, sources = content["spec"], content.get("measured") or {}, content.get("sources") or ()
    except KeyError as error:
        raise ShardError(about, f"has no {error}", "make the page of a data set that a build made") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ShardError(
            about, f"is not a pair's JSON: {error}", "`rmod verify OUT` says which shard is damaged"
        ) from error
    return PairMetadata(
        spec=PairSpec.from_json(json.dumps(spec), about=about),
        measured=measured,
        sources=tuple(source for source in sources if isinstance(source, Mapping)),
    )


def _audio_member(pair: StoredPair, name: str) -> tuple[bytes, str]:
    """Return the bytes of an audio member in any format, and its name for error messages."""
    member = find_audio_member(pair.members, name)
    if member is None:
        raise ShardError(pair.key, f"has no {name}.wav", "the shard is damaged; `rmod verify OUT` says where")
    return pair.members[member], f"{pair.key}.{member}"


def _has_audio(pair: StoredPair, name: str) -> bool:
    return find_audio_member(pair.members, name) is not None


def _own_groups(pair: StoredPair, metadata: PairMetadata) -> Iterator[PageSoundGroup]:
    """Yield the pair's one-shots, and its stems if it has any."""
    targets = tuple(_make_one_shot(pair, metadata, track) for track in metadata.spec.targets)
    yield PageSoundGroup(title="One-shots", sounds=targets, has_keys=True)
    # A pair that lacks a track has a silent stem for it, which the page leaves out.
    kinds = [track.kind for track in metadata.spec.tracks if _has_audio(pair, f"stem-{track.kind}")]
    if kinds:
        yield PageSoundGroup(
            title="Stems", sounds=tuple(_make_stem(pair, metadata, kind) for kind in kinds), is_full_length=True
        )


def _make_one_shot(pair: StoredPair, metadata: PairMetadata, track: DrumTrack) -> PageSound:
    data, mime = sounds.encode_flac(*sounds.decode_page_sound(*_audio_member(pair, track.kind)))
    kits = [str(source.get("kit") or "") for source in metadata.sources if source.get("kind") == track.kind]
    caption = " + ".join(dict.fromkeys(kit for kit in kits if kit))
    return PageSound(label=formatting.format_kind(track.kind), data=data, mime=mime, kind=track.kind, caption=caption)


def _make_stem(pair: StoredPair, metadata: PairMetadata, kind: str) -> PageSound:
    audio, sample_rate = sounds.decode_page_sound(*_audio_member(pair, f"stem-{kind}"))
    data, mime = sounds.encode_compressed(audio, sample_rate, sounds.STEM_LEVEL)
    loudness = formatting.format_level(metadata.measurement("tracks", kind, "rms_dbfs"), "dBFS RMS")
    caption = "" if loudness == formatting.MISSING else loudness
    return PageSound(label=formatting.format_kind(kind), data=data, mime=mime, kind=kind, caption=caption)


def _one_shot_seconds(metadata: PairMetadata) -> dict[str, float]:
    lengths = {track.kind: metadata.measurement("targets", track.kind, "seconds") for track in metadata.spec.drums}
    return {kind: float(seconds) for kind, seconds in lengths.items() if formatting.is_number(seconds)}


def _make_summary(metadata: PairMetadata) -> tuple[tuple[str, str], ...]:
    """Return the measurements in the heading of a pair: label and value."""
    original = metadata.spec.original_key
    return (
        *([("in its folder", original)] if original else []),
        ("loudness", formatting.format_level(metadata.measurement("mix", "lufs"), "LUFS")),
        ("peak", formatting.format_level(metadata.measurement("mix", "peak_dbfs"), "dBFS")),
        ("side/mid", formatting.format_level(metadata.measurement("mix", "side_mid_db"), "dB")),
        ("at full scale", _format_percent(metadata.measurement("mix", "full_scale_share"))),
    )


def _format_percent(share: object) -> str:
    return f"{formatting.format_number(100 * share, 2)} %" if formatting.is_number(share) else formatting.MISSING


def _make_chains(metadata: PairMetadata) -> Iterator[ChainView]:
    rate = metadata.spec.settings.sample_rate
    for track in metadata.spec.tracks:
        yield ChainView(
            kind=track.kind,
            title=formatting.format_kind(track.kind),
            effects=_make_inserts(metadata, track),
            sends=tuple(_make_send(send, rate) for send in track.sends),
        )
    master = tuple(formatting.describe_effect(effect, rate) for effect in metadata.spec.master)
    yield ChainView(kind="", title="master", effects=master)


def _make_inserts(metadata: PairMetadata, track: Track) -> tuple[formatting.EffectView, ...]:
    gains = metadata.measurement("tracks", track.kind, "inserts_db")
    measured = iter(gains if isinstance(gains, list) else ())
    rate = metadata.spec.settings.sample_rate
    return tuple(formatting.describe_effect(effect, rate, next(measured, None)) for effect in track.inserts)


def _make_send(send: Send, sample_rate: int) -> SendView:
    return SendView(
        title=f"{formatting.format_kind(send.name)} send {formatting.format_signed(send.level_db)}",
        effects=tuple(formatting.describe_effect(effect, sample_rate) for effect in send.effects),
    )


LEVEL_HEADINGS = ("", "peak", "RMS", "audible", "one-shot peak", "one-shot RMS", "one-shot length")


def _make_level_rows(metadata: PairMetadata) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of levels, with the columns of LEVEL_HEADINGS."""
    yield (
        "mix",
        formatting.format_level(metadata.measurement("mix", "peak_dbfs"), "dBFS"),
        formatting.format_level(metadata.measurement("mix", "rms_dbfs"), "dBFS"),
        *[""] * 4,
    )
    for track in metadata.spec.tracks:
        one_shot = ("targets", track.kind)
        yield (
            formatting.format_kind(track.kind),
            formatting.format_level(metadata.measurement("tracks", track.kind, "peak_dbfs"), "dBFS"),
            formatting.format_level(metadata.measurement("tracks", track.kind, "rms_dbfs"), "dBFS"),
            formatting.format_level(metadata.measurement("tracks", track.kind, "audible_db")),
            *(
                (
                    formatting.format_level(metadata.measurement(*one_shot, "peak_dbfs"), "dBFS"),
                    formatting.format_level(metadata.measurement(*one_shot, "rms_dbfs"), "dBFS"),
                    f"{formatting.format_number(metadata.measurement(*one_shot, 'seconds'))} s",
                )
                if isinstance(track, DrumTrack) and track.target
                else ("", "", "")
            ),
        )


def _make_sources(metadata: PairMetadata) -> Iterator[SourceView]:
    weights = {
        (track.kind, layer.asset): layer.weight
        for track in metadata.spec.drums
        for layer in track.layers
        if len(track.layers) > 1
    }
    details = {(source.get("kind"), source.get("id")): source for source in metadata.sources}
    for kind, asset, _ in metadata.spec.sources():
        row = details.get((kind, asset), {})
        weight = weights.get((kind, asset))
        yield SourceView(
            kind=kind,
            id=asset,
            share="" if weight is None else f"{formatting.format_number(100 * weight)} %",
            kit=str(row.get("kit") or formatting.MISSING),
            licence=str(row.get("licence") or formatting.MISSING),
            source=str(row.get("source") or formatting.MISSING),
        )


def _make_files(pair: StoredPair) -> tuple[tuple[str, str, str], ...]:
    types = {"mid": ("MIDI", "audio/midi"), "json": ("JSON", "application/json")}
    return tuple(
        (label, f"{pair.key}.{suffix}", sounds.data_uri(pair.members[suffix], mime))
        for suffix, (label, mime) in types.items()
        if suffix in pair.members
    )


def _search_text(key: str, metadata: PairMetadata) -> str:
    kits = [str(source.get(name) or "") for source in metadata.sources for name in ("kit", "id", "licence")]
    kinds = [formatting.format_kind(track.kind) for track in metadata.spec.tracks]
    return " ".join(dict.fromkeys([key, metadata.spec.original_key, *kinds, *kits])).lower()
