"""Synthesised drums and loops: free of any licence's terms (CC0-1.0), and the same on every machine.

Each module models an instrument (`kicks`, `snares`, `metals`, `strings`, `voice`) or plays it (`kits`, `phrases`,
`loops`). `catalogue` names every sound; `library/builtin_kit.py` writes them to disk as a library.
"""

from rmod_pipeline.synthesis.catalogue import SynthesizedSound, catalogue, make_sound

__all__ = ["SynthesizedSound", "catalogue", "make_sound"]
