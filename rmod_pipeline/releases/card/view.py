"""Define what a template of the data card sees of a release: plain values, with nothing that can read or write."""

from __future__ import annotations

from dataclasses import dataclass

from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.releases.licensing import AttributedSound


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRelease:
    """A release as a template sees it. A template may come from elsewhere, so this holds no paths and no key."""

    format: str
    """plain, kaggle or huggingface."""
    name: str
    """The name in addresses."""
    title: str
    subtitle: str
    version: str
    """Such as ``1.0.0+3f2a91bc``."""
    date: str
    """YYYY-MM-DD; empty if the user gave none."""
    owner: str
    """Empty if the user gave none."""
    creators: tuple[str, ...]
    keywords: tuple[str, ...]
    loose: bool
    """Whether the sounds lie as single files instead of tars."""
    cut: bool
    """Whether the release leaves out pairs of the build."""
    licence: str
    """One SPDX expression for the whole."""
    terms: str
    """What the licences ask together, in words."""
    licence_class: str
    """The class that the release was cut to; ``any`` if it was not."""
    allowed: tuple[str, ...]
    """Licences that the user allowed by name."""
    sounds: tuple[AttributedSound, ...]
    """The sounds in use, sorted by file: ``file``, ``kind``, ``creator``, ``source``, ``licence``, ``sha256``."""

    @classmethod
    def of(cls, request: ReleaseRequest) -> CardRelease:
        """Return what a template may see of a request."""
        return cls(
            format=request.format,
            name=request.name,
            title=request.title,
            subtitle=request.subtitle,
            version=request.version,
            date=request.date,
            owner=request.owner,
            creators=request.creators,
            keywords=request.keywords,
            loose=request.loose,
            cut=request.pairs is not None,
            licence=request.licensing.expression,
            terms=request.licensing.terms.in_words(),
            licence_class=request.licensing.licence_class.value,
            allowed=request.licensing.allowed,
            sounds=request.licensing.sounds,
        )
