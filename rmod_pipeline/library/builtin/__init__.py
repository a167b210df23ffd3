"""The built-in kit: drums and loops made by code, free of any licence's terms (CC0-1.0), the same on every machine.

    manifest = ensure_builtin()

Every sound is a model of an instrument (`kicks`, `snares`, `metals`, `strings`, `voice`), played by a kit (`kits`) or
in a phrase (`phrases`, `loops`), named in `catalogue` and kept on disk by `store`.
"""

from rmod_pipeline.library.builtin.catalogue import Sound, catalogue
from rmod_pipeline.library.builtin.store import ensure_builtin

__all__ = ["Sound", "catalogue", "ensure_builtin"]
