"""Open everything that answers for an extraction: the ear, the models with their codec, the known sounds.

answerers = open_answerers("both", checkpoint=Path("models"), library=library)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rmod_pipeline.codec import Codec
from rmod_pipeline.errors import DoseError, nearest
from rmod_pipeline.extraction.extractor import Extractor, open_extractors
from rmod_pipeline.extraction.listening.ear import CHUNK_FRAMES, OpenedEar, open_ear
from rmod_pipeline.extraction.results import BOTH, GENERATED
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
    known: AudioStore | None
    """Known sounds to pick from; None picks nothing."""

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


def open_answerers(
    answer: str,
    *,
    checkpoint: Path | None = None,
    ear: Path | None = None,
    library: Library | None = None,
    instruments: Sequence[str] = (),
    codec: str | None = None,
    device: str = "auto",
) -> Answerers:
    """Open what answers for ``instruments``; by default for those of the models, or for those that the ear hears.

    answer: generated, picked or both. ear: by default the one that rmod ships. Raises DoseError for an instrument that
    is not heard, and as ``open_extractors``.
    """
    extractors: Mapping[str, Extractor] = {}
    opened_codec: Codec | None = None
    if answer in (GENERATED, BOTH):
        assert checkpoint is not None
        opened, opened_codec = open_extractors(checkpoint, instruments, codec, device)
        extractors = {extractor.instrument: extractor for extractor in opened}
    opened_ear = _open_ear_for(opened_codec, ear)
    known = None
    if answer != GENERATED and library is not None:
        if opened_ear is None:
            assert opened_codec is not None
            found = f"hears sounds at another sample rate than the codec's {opened_codec.identity.sample_rate} Hz"
            raise DoseError("the ear", found, "give --answer generated, or an ear for that rate: --ear FILE")
        known = AudioStore(library, opened_ear.features.sample_rate)
    chosen = tuple(instruments or extractors or (opened_ear.instruments if opened_ear else ()))
    if known is not None and opened_ear is not None:
        check_heard(opened_ear, chosen)
    return Answerers(instruments=chosen, extractors=extractors, codec=opened_codec, ear=opened_ear, known=known)


def _open_ear_for(codec: Codec | None, path: Path | None) -> OpenedEar | None:
    """Return the ear; None if the codec has another sample rate and nobody asked for this ear."""
    ear = open_ear(path)
    if codec is None or codec.identity.sample_rate == ear.features.sample_rate:
        return ear
    if path is None:
        return None
    found = f"hears sounds at {ear.features.sample_rate} Hz, but the codec has {codec.identity.sample_rate} Hz"
    raise DoseError(path, found, "leave --ear out, or give an ear for that rate")


def check_heard(ear: OpenedEar, instruments: Sequence[str]) -> None:
    """Raise DoseError for an instrument that the ear does not know."""
    for instrument in instruments:
        if instrument not in ear.instruments:
            heard = " and ".join(ear.instruments)
            found = f"hears {heard}, not {instrument}{nearest(instrument, ear.instruments)}"
            hint = "give --answer generated for it, or choose other instruments"
            raise DoseError(str(ear.source.get("file", "the ear")), found, hint)
