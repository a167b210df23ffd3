"""Open everything that answers for an extraction: the ear, the models with their codec, the known sounds.

answerers = open_answerers("both", checkpoint=Path("models"), open_library=lambda: load_library("library.csv"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rmod_pipeline.codec import Codec
from rmod_pipeline.errors import DoseError, LibraryError, nearest
from rmod_pipeline.extraction.answers.known_sounds import KnownSounds, descriptions_folder
from rmod_pipeline.extraction.extractor import Extractor, open_extractors
from rmod_pipeline.extraction.listening.ear import CHUNK_FRAMES, OpenedEar, open_ear
from rmod_pipeline.extraction.results import AUTO, GENERATED, PICKED
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.read import AudioStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerers:
    """What answers for each instrument: models, the ear with known sounds, or both."""

    instruments: tuple[str, ...]
    extractors: Mapping[str, Extractor]
    """The model of an instrument, where there is one."""
    codec: Codec | None
    """The codec of the models."""
    ear: OpenedEar | None
    """None if the codec has another sample rate than what the ear hears."""
    known: KnownSounds | None
    """Known sounds to pick from; None picks nothing."""
    lacking: tuple[str, ...] = ()
    """Instruments that the ear hears and were asked for, but of which there is no known sound."""

    @classmethod
    def of_models(cls, extractors: Sequence[Extractor], codec: Codec) -> Answerers:
        """Return the answerers of models alone, which find hits by the levels of bands."""
        by_instrument = {extractor.instrument: extractor for extractor in extractors}
        return cls(instruments=tuple(by_instrument), extractors=by_instrument, codec=codec, ear=None, known=None)

    def only(self, instrument: str) -> Answerers:
        """Return the answerers of one instrument."""
        extractors = {name: extractor for name, extractor in self.extractors.items() if name == instrument}
        return replace(self, instruments=(instrument,), extractors=extractors)

    @property
    def sample_rate(self) -> int:
        """Samples per second at which the song is heard and answered."""
        if self.codec is not None:
            return self.codec.identity.sample_rate
        assert self.ear is not None
        return self.ear.features.sample_rate

    @property
    def picked(self) -> tuple[str, ...]:
        """The instruments for which known sounds are picked: those that the ear hears and the library has."""
        kinds = {asset.kind for asset in self.known.library.assets} if self.known is not None else set()
        return tuple(name for name in self.instruments if name in kinds and self.hears(name))

    def hears(self, instrument: str) -> bool:
        """Return whether the ear hears an instrument."""
        return self.ear is not None and instrument in self.ear.instruments

    def window_samples(self, instrument: str) -> int:
        """Return the length of an instrument's windows in samples: that of its model, or of the ear."""
        extractor = self.extractors.get(instrument)
        if extractor is not None and self.codec is not None:
            return extractor.window_samples(self.codec.identity)
        assert self.ear is not None
        return CHUNK_FRAMES * self.ear.features.hop


def open_ear_for(codec: Codec | None, path: Path | None = None) -> OpenedEar | None:
    """Return the ear, by default the one that rmod ships; None if that has another sample rate than the codec.

    Raises DoseError if an ear that was asked for has another one.
    """
    ear = open_ear(path)
    if codec is None or codec.identity.sample_rate == ear.features.sample_rate:
        return ear
    if path is None:
        return None
    found = f"hears sounds at {ear.features.sample_rate} Hz, but the codec has {codec.identity.sample_rate} Hz"
    raise DoseError(path, found, "leave --ear out, or give an ear for that rate")


def open_answerers(
    answer: str,
    *,
    checkpoint: Path | None = None,
    ear: Path | None = None,
    open_library: Callable[[], Library] | None = None,
    instruments: Sequence[str] = (),
    codec: str | None = None,
    device: str = "auto",
) -> Answerers:
    """Open what answers for ``instruments``; by default for those of the models, or for those that the ear hears.

    answer: auto, generated, picked or both; see ``ExtractionConfig``. ear: by default the one that rmod ships.
    open_library: opens the known sounds, after everything else was checked. Raises DoseError for an instrument that the
    ear does not hear, LibraryError for one that the library lacks, and as ``open_extractors``.
    """
    extractors: Mapping[str, Extractor] = {}
    opened_codec: Codec | None = None
    if checkpoint is not None and answer != PICKED:
        opened, opened_codec = open_extractors(checkpoint, instruments, codec, device)
        extractors = {extractor.instrument: extractor for extractor in opened}
    opened_ear = open_ear_for(opened_codec, ear)
    chosen = tuple(dict.fromkeys(instruments or extractors or (opened_ear.instruments if opened_ear else ())))
    answerers = Answerers(instruments=chosen, extractors=extractors, codec=opened_codec, ear=opened_ear, known=None)
    if answer == GENERATED or open_library is None:
        return answerers
    if answer != AUTO or not extractors:
        _check_all_heard(answerers)
    return _add_known(answerers, open_library, must_pick=instruments if answer != AUTO or not extractors else ())


def _check_all_heard(answerers: Answerers) -> None:
    """Raise DoseError unless the ear hears every instrument."""
    remedy = "choose other instruments, or give an ear that hears it: --ear FILE"
    if answerers.extractors:
        remedy = f"give --answer generated; or {remedy}"
    if answerers.ear is None:
        found = f"hears sounds at another sample rate than the codec's {answerers.sample_rate} Hz"
        raise DoseError("the ear", found, remedy)
    for instrument in answerers.instruments:
        if not answerers.hears(instrument):
            heard = ", ".join(answerers.ear.instruments)
            found = f"hears {heard}, not {instrument}{nearest(instrument, answerers.ear.instruments)}"
            raise DoseError(answerers.ear.source.get("file", "the ear"), found, remedy)


def _add_known(answerers: Answerers, open_library: Callable[[], Library], must_pick: Sequence[str]) -> Answerers:
    """Return the answerers with known sounds, without the instruments that nothing answers for.

    Raises LibraryError if the library has no sound of an instrument that must be picked, or of none at all.
    """
    if answerers.ear is None or not any(answerers.hears(name) for name in answerers.instruments):
        return answerers
    library = open_library()
    ear = answerers.ear
    known = KnownSounds(ear, AudioStore(library, ear.features.sample_rate), descriptions_folder())
    picking = replace(answerers, known=known)
    answered = tuple(name for name in picking.instruments if name in picking.picked or name in picking.extractors)
    missing = [name for name in must_pick if name not in picking.picked]
    if missing or not answered:
        kinds = ", ".join(sorted({asset.kind for asset in library.assets}))
        found = f"no {' and no '.join(missing or picking.instruments)} to pick; there are {kinds}"
        raise LibraryError(library.manifest, found, "give another --library, or choose others: --instrument NAME")
    lacking = tuple(name for name in picking.instruments if picking.hears(name) and name not in picking.picked)
    return replace(picking, instruments=answered, lacking=lacking)
