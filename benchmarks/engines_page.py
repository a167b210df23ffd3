"""Write a page with mixtures of two engines beside each other, and what differs between them, to listen to.

    python benchmarks/engines_page.py --out engines.html [--library lib.csv] [--pairs 12] [--a pedalboard] [--b fused]

What differs is also there 60 dB louder, clipped, because by itself it cannot be heard.
"""

from __future__ import annotations

import argparse
import base64
import html
import tempfile
from pathlib import Path

import numpy as np
from render import SAMPLE_RATE, Bench, difference_db

from rmod_pipeline.audio import Audio, from_pcm, to_pcm
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import render_pairs
from rmod_pipeline.shards.members import encode_audio

LOUDER = 1000.0
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
:root { color-scheme: light dark; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .4rem .6rem; }
tr + tr { border-top: 1px solid #8884; } audio { width: 100%; min-width: 11rem; height: 2.2rem; }
"""


def player(audio: Audio, title: str) -> str:
    """Return a player with its sound inside the page."""
    data = base64.b64encode(encode_audio(to_pcm(audio), SAMPLE_RATE, "flac")).decode()
    return f'<audio controls preload="none" title="{html.escape(title)}" src="data:audio/flac;base64,{data}"></audio>'


def make_page(bench: Bench, engines: tuple[str, str], pairs: int) -> str:
    """Return the page."""
    sounds = bench.sounds(bench.out / "prepared")
    rows = []
    for index in range(pairs):
        spec = bench.spec(index)
        one, other = (
            from_pcm(render_pairs([spec.with_engine(engine)], sounds, keep_tracks=False)[0].mix) for engine in engines
        )
        kinds = ", ".join(track.kind for track in spec.tracks)
        cells = [player(one, engines[0]), player(other, engines[1])]
        cells.append(player(np.clip((one - other) * np.float32(LOUDER), -1, 1), "difference, 60 dB louder"))
        level = f"{difference_db(one, other):.1f} dB"
        rows.append(
            "<tr>" + "".join(f"<td>{cell}</td>" for cell in (f"{spec.key}<br>{kinds}", *cells, level)) + "</tr>"
        )
    titles = ("pair", *engines, "difference, 60 dB louder", "difference (RMS)")
    header = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{" and ".join(engines)}</title>'
        f"<style>{STYLE}</style><h1>Two engines, the same pairs</h1>"
        f"<table><tr>{header}</tr>{''.join(rows)}</table></html>\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    parser.add_argument("--library", default="builtin", help="a manifest, or builtin")
    parser.add_argument("--recipe", default="rmod", help="a recipe's name or file")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--a", default="pedalboard", help="the first engine")
    parser.add_argument("--b", default="fused", help="the second engine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(load_recipe(find_recipe(options.recipe)), load_library(options.library), Path(folder))
        options.out.write_text(make_page(bench, (options.a, options.b), options.pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
