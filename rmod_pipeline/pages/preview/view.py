"""A stored pair as the page shows it: its JSON read tolerantly, its members decoded, drawn and compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.errors import ShardError
from rmod_pipeline.pages.preview import pianoroll, pictures, sounds, words
from rmod_pipeline.pages.preview.players import Player, PlayerGroup, player_group, whole_player
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.members import find_audio_member
from rmod_pipeline.spec import DrumTrack, PairSpec, Send, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a pair's JSON says."""

    spec: PairSpec
    measured: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]

    def measure(self, *path: str) -> Any:
        """Return a measured value by its names, None if it is not there."""
        place: Any = self.measured
        for name in path:
            place = place.get(name) if isinstance(place, Mapping) else None
        return place


@dataclass(frozen=True, slots=True, kw_only=True)
class SendWords:
    """A parallel chain, for reading."""

    title: str
    effects: tuple[words.EffectWords, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainView:
    """The effects of a track or of the master."""

    kind: str
    title: str
    effects: tuple[words.EffectWords, ...]
    sends: tuple[SendWords, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    kind: str
    id: str
    share: str
    """Its weight in a layered one-shot."""
    kit: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairView:
    """Everything that the page says of one pair."""

    key: str
    facts: Facts
    mix: Player
    mel: str
    marks: tuple[tuple[str, float], ...]
    """Frequencies beside the spectrogram: text, and height from 0 at the bottom to 1."""
    lanes: tuple[pianoroll.Lane, ...]
    groups: tuple[PlayerGroup, ...]
    summary: tuple[tuple[str, str], ...]
    chains: tuple[ChainView, ...]
    levels: tuple[tuple[str, ...], ...]
    sources: tuple[SourceView, ...]
    files: tuple[tuple[str, str, str], ...]
    """To be saved from the page: label, file name, data URI."""
    loudness: float | None
    words: str
    """What the filter searches, in lower case."""


def view(pair: StoredPair, further: Sequence[PageSoundGroup] = ()) -> PairView:
    """Read, decode and draw one pair; ``further`` sounds stand after its own. Raises ShardError, SpecError."""
    facts = read_facts(pair)
    mix, sample_rate = sounds.decode_page_sound(*_audio_member(pair, "mix"))
    groups = tuple(player_group(group, pair.key) for group in (*_own_groups(pair, facts), *further))
    lufs = facts.measure("mix", "lufs")
    return PairView(
        key=pair.key,
        facts=facts,
        mix=whole_player("mix", mix, sample_rate),
        mel=pictures.mel_picture(mix, sample_rate),
        marks=pictures.mel_marks(sample_rate),
        lanes=pianoroll.lanes(facts.spec, _one_shot_seconds(facts)),
        groups=groups,
        summary=_summary(facts),
        chains=tuple(_chains(facts)),
        levels=tuple(_levels(facts)),
        sources=tuple(_sources(facts)),
        files=_files(pair),
        loudness=float(lufs) if words.is_number(lufs) else None,
        words=_search_words(pair.key, facts),
    )


def read_facts(pair: StoredPair) -> Facts:
    """Read a pair's JSON. What was not measured may be absent, the spec may not. Raises ShardError, SpecError."""
    about = f"{pair.key}.json"
    try:
        read = json.loads(pair.members["json"])
        spec, measured, sources = read["spec"], read.get("measured") or {}, read.get("sources") or ()
    except KeyError as error:
        raise ShardError(about, f"has no {error}", "make the page of a data set that `rmod build` made") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ShardError(
            about, f"is not a pair's JSON: {error}", "`rmod verify` says which shard is damaged"
        ) from error
    return Facts(
        spec=PairSpec.from_json(json.dumps(spec), about=about),
        measured=measured,
        sources=tuple(source for source in sources if isinstance(source, Mapping)),
    )


def _audio_member(pair: StoredPair, name: str) -> tuple[bytes, str]:
    """Return the bytes of an audio member, whatever its format, and what to call it in an error."""
    member = find_audio_member(pair.members, name)
    if member is None:
        raise ShardError(pair.key, f"has no {name}.wav", "the shard is damaged; `rmod verify` says where")
    return pair.members[member], f"{pair.key}.{member}"


def _has_audio(pair: StoredPair, name: str) -> bool:
    return find_audio_member(pair.members, name) is not None


def _own_groups(pair: StoredPair, facts: Facts) -> Iterator[PageSoundGroup]:
    """Return the pair's own sounds: its one-shots, and its stems if it has them."""
    targets = tuple(_one_shot(pair, facts, track) for track in facts.spec.targets)
    yield PageSoundGroup(title="One-shots", sounds=targets, keys=True)
    # A pair that lacks a track has a silent stem in its place, which is nothing to hear.
    kinds = [track.kind for track in facts.spec.tracks if _has_audio(pair, f"stem-{track.kind}")]
    if kinds:
        yield PageSoundGroup(title="Stems", sounds=tuple(_stem(pair, facts, kind) for kind in kinds), whole=True)


def _one_shot(pair: StoredPair, facts: Facts, track: DrumTrack) -> PageSound:
    data, mime = sounds.lossless(*sounds.decode_page_sound(*_audio_member(pair, track.kind)))
    kits = [str(source.get("kit") or "") for source in facts.sources if source.get("kind") == track.kind]
    caption = " + ".join(dict.fromkeys(kit for kit in kits if kit))
    return PageSound(label=words.kind_words(track.kind), data=data, mime=mime, kind=track.kind, caption=caption)


def _stem(pair: StoredPair, facts: Facts, kind: str) -> PageSound:
    audio, sample_rate = sounds.decode_page_sound(*_audio_member(pair, f"stem-{kind}"))
    data, mime = sounds.compressed(audio, sample_rate, sounds.STEM_LEVEL)
    loudness = words.level(facts.measure("tracks", kind, "rms_dbfs"), "dBFS RMS")
    caption = "" if loudness == words.MISSING else loudness
    return PageSound(label=words.kind_words(kind), data=data, mime=mime, kind=kind, caption=caption)


def _one_shot_seconds(facts: Facts) -> dict[str, float]:
    found = {track.kind: facts.measure("targets", track.kind, "seconds") for track in facts.spec.drums}
    return {kind: float(seconds) for kind, seconds in found.items() if words.is_number(seconds)}


def _summary(facts: Facts) -> tuple[tuple[str, str], ...]:
    """Return the few figures of a mixture that stand in its heading: what, how much."""
    return (
        ("loudness", words.level(facts.measure("mix", "lufs"), "LUFS")),
        ("peak", words.level(facts.measure("mix", "peak_dbfs"), "dBFS")),
        ("side/mid", words.level(facts.measure("mix", "side_mid_db"), "dB")),
        ("at full scale", _percent(facts.measure("mix", "full_scale_share"))),
    )


def _percent(share: object) -> str:
    return f"{words.number(100 * share, 2)} %" if words.is_number(share) else words.MISSING


def _chains(facts: Facts) -> Iterator[ChainView]:
    rate = facts.spec.settings.sample_rate
    for track in facts.spec.tracks:
        yield ChainView(
            kind=track.kind,
            title=words.kind_words(track.kind),
            effects=_inserts(facts, track),
            sends=tuple(_send(send, rate) for send in track.sends),
        )
    master = tuple(words.effect_words(effect, rate) for effect in facts.spec.master)
    yield ChainView(kind="", title="master", effects=master)


def _inserts(facts: Facts, track: Track) -> tuple[words.EffectWords, ...]:
    gains = facts.measure("tracks", track.kind, "inserts_db")
    measured = iter(gains if isinstance(gains, list) else ())
    rate = facts.spec.settings.sample_rate
    return tuple(words.effect_words(effect, rate, next(measured, None)) for effect in track.inserts)


def _send(send: Send, sample_rate: int) -> SendWords:
    return SendWords(
        title=f"{words.kind_words(send.name)} send {words.signed(send.level_db)}",
        effects=tuple(words.effect_words(effect, sample_rate) for effect in send.effects),
    )


LEVEL_HEADS = ("", "peak", "RMS", "audible", "one-shot peak", "one-shot RMS", "one-shot length")


def _levels(facts: Facts) -> Iterator[tuple[str, ...]]:
    """Return the rows of the table of levels, as LEVEL_HEADS names their columns."""
    yield (
        "mix",
        words.level(facts.measure("mix", "peak_dbfs"), "dBFS"),
        words.level(facts.measure("mix", "rms_dbfs"), "dBFS"),
        *[""] * 4,
    )
    for track in facts.spec.tracks:
        one_shot = ("targets", track.kind)
        yield (
            words.kind_words(track.kind),
            words.level(facts.measure("tracks", track.kind, "peak_dbfs"), "dBFS"),
            words.level(facts.measure("tracks", track.kind, "rms_dbfs"), "dBFS"),
            words.level(facts.measure("tracks", track.kind, "audible_db")),
            *(
                (
                    words.level(facts.measure(*one_shot, "peak_dbfs"), "dBFS"),
                    words.level(facts.measure(*one_shot, "rms_dbfs"), "dBFS"),
                    f"{words.number(facts.measure(*one_shot, 'seconds'))} s",
                )
                if isinstance(track, DrumTrack) and track.target
                else ("", "", "")
            ),
        )


def _sources(facts: Facts) -> Iterator[SourceView]:
    weights = {
        (track.kind, layer.asset): layer.weight
        for track in facts.spec.drums
        for layer in track.layers
        if len(track.layers) > 1
    }
    said = {(source.get("kind"), source.get("id")): source for source in facts.sources}
    for kind, asset, _ in facts.spec.sources():
        row = said.get((kind, asset), {})
        weight = weights.get((kind, asset))
        yield SourceView(
            kind=kind,
            id=asset,
            share="" if weight is None else f"{words.number(100 * weight)} %",
            kit=str(row.get("kit") or words.MISSING),
            licence=str(row.get("licence") or words.MISSING),
            source=str(row.get("source") or words.MISSING),
        )


def _files(pair: StoredPair) -> tuple[tuple[str, str, str], ...]:
    types = {"mid": ("MIDI", "audio/midi"), "json": ("JSON", "application/json")}
    return tuple(
        (label, f"{pair.key}.{suffix}", sounds.data_uri(pair.members[suffix], mime))
        for suffix, (label, mime) in types.items()
        if suffix in pair.members
    )


def _search_words(key: str, facts: Facts) -> str:
    kits = [str(source.get(name) or "") for source in facts.sources for name in ("kit", "id", "licence")]
    kinds = [words.kind_words(track.kind) for track in facts.spec.tracks]
    return " ".join(dict.fromkeys([key, *kinds, *kits])).lower()
