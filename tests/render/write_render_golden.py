"""Write the golden digests of a pair: run this only when OUTPUT_VERSION or the locked versions change.

python -m tests.render.write_render_golden
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from rmod_pipeline.audio import processor_family
from rmod_pipeline.effects import PEDALBOARD
from rmod_pipeline.render import Pair, render_pair
from rmod_pipeline.shards.fingerprint import output_versions
from tests.render.render_examples import make_library, open_sounds, quick

GOLDEN = Path(__file__).parent / "golden" / "pair.json"
INDEX = 12
"""A pair of the recipe quick with all four loops, each shifted in pitch."""


def made_with() -> dict[str, str]:
    """Return everything that the last bits of audio depend on, except the processor."""
    return output_versions(PEDALBOARD)


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
        pair = render_pair(spec, open_sounds(library, Path(folder) / "pitch"))
    kept = json.loads(GOLDEN.read_text(encoding="utf-8"))
    # Keep the digests of other processors only if nothing else has changed.
    others = kept["sha256"] if kept["made_with"] == made_with() else {}
    known = dict(sorted({**others, processor_family(): digests(pair)}.items()))
    content = {"made_with": made_with(), "sha256": known, "spec": spec.to_dict()}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
