"""Write the golden digests of a pair: run this only when OUTPUT_VERSION or the locked versions change.

python -m tests.render.write_render_golden
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from rmod_pipeline.audio import processor_family
from rmod_pipeline.effects import FUSED, PEDALBOARD
from rmod_pipeline.render import Pair, render_pair
from rmod_pipeline.shards.fingerprint import output_versions
from rmod_pipeline.spec import PairSpec
from tests.render.render_examples import make_library, open_sounds, quick

GOLDEN = Path(__file__).parent / "golden" / "pair.json"
INDEX = 12
"""A pair of the recipe quick with all four loops, each shifted in pitch."""


def made_with() -> dict[str, str]:
    """Return everything that the last bits of audio depend on, except the processor."""
    return output_versions(PEDALBOARD)


def without_shifts(spec: PairSpec) -> PairSpec:
    """Return a spec for the fused engine whose loops are not shifted: its audio depends on no processor."""
    loops = tuple(replace(loop, semitones=0) for loop in spec.loops)
    return replace(spec, loops=loops).with_engine(FUSED)


def digests(pair: Pair) -> dict[str, str]:
    """Return the SHA-256 of every array of a pair."""
    named = {"mix": pair.mix, **pair.targets, **{f"stem {kind}": stem for kind, stem in pair.stems.items()}}
    return {name: hashlib.sha256(sound.tobytes()).hexdigest() for name, sound in named.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        library = make_library(Path(folder))
        spec = quick(library, INDEX)
        assert len(spec.loops) == 4
        assert all(loop.semitones for loop in spec.loops)
        sounds = open_sounds(library, Path(folder) / "prepared")
        pair, fused = render_pair(spec, sounds), render_pair(without_shifts(spec), sounds)
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    # Keep the digests of other processors only if nothing else has changed.
    others = kept["sha256"] if kept["made_with"] == made_with() else {}
    known = dict(sorted({**others, processor_family(): digests(pair)}.items()))
    content = {"made_with": made_with(), "sha256": known, "fused": digests(fused), "spec": spec.to_dict()}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
