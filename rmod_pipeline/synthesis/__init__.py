"""Synthesise drums and loops that are free of licence terms (CC0-1.0) and the same on every machine.

`kicks`, `snares`, `cymbals`, `strings` and `singing` model instruments. `kits` and `loops` make sounds with them, from
`kit_presets`, `pack_presets` and `phrases`. `catalogue` lists all sounds; `library/builtin_kit.py` writes them to disk.
"""

from rmod_pipeline.synthesis.catalogue import SynthesizedSound, list_sounds, make_sound

__all__ = ["SynthesizedSound", "list_sounds", "make_sound"]
