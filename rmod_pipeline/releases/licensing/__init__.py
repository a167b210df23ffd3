"""The licences of a release: which sounds it uses, whether they may be released, and the texts."""

from rmod_pipeline.releases.licensing.sounds import AttributedSound, Licensing

__all__ = ["AttributedSound", "Licensing"]
