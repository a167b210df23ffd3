"""The sound map as text: whole, self-contained, the same bytes again, within its size, and never over a user's file."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.curation.neighbours.index import SoundIndex
from rmod_pipeline.curation.neighbours.projection import project
from rmod_pipeline.errors import UsageError
from rmod_pipeline.pages.generated import check_replaceable_page, generator_tag, publish_page
from rmod_pipeline.pages.sound_map import USUAL_KINDS, order_kinds, sound_map_html, style_of, write_sound_map
from rmod_pipeline.pages.sound_map.snippets import SNIPPET_SECONDS, SnippetTask, compress_snippet, compress_snippets
from tests.curation.neighbours.libraries import make_index, make_library
from tests.library.library_sounds import RATE, hit

CSS = Path(__file__).parents[2] / "rmod_pipeline" / "pages" / "sound_map" / "templates" / "map.css"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SoundIndex:
    return make_index(make_library(tmp_path_factory.mktemp("library <b>&")))


def content_of(html: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    return dict(json.loads(text))


def tasks_of(index: SoundIndex) -> list[SnippetTask]:
    return [SnippetTask(index.library.path_of(asset), asset.sha256) for asset in index.assets]


def test_the_page_has_every_sound_with_its_place(index: SoundIndex, tmp_path: Path) -> None:
    points = project(index.embeddings)
    assert write_sound_map(index, points, "t-SNE", tmp_path / "map.html") == 12
    html = (tmp_path / "map.html").read_text()
    content = content_of(html)
    assert content["path"] == [asset.path for asset in index.assets]
    assert content["x"] == points[:, 0].tolist() and content["y"] == points[:, 1].tolist()
    assert [content["kinds"][number]["name"] for number in content["kind"]] == [asset.kind for asset in index.assets]
    assert content["root"] == f"{index.library.root}/"
    for text in content["sound"]:
        audio, rate = soundfile.read(io.BytesIO(b64decode(text)))
        assert audio.ndim == 1 and rate == RATE
    assert "12 sounds" in html and "<b>&" not in re.sub(r"<script.*?</script>|<b></b>", "", html, flags=re.DOTALL)


def test_the_page_needs_nothing_else(index: SoundIndex) -> None:
    html = sound_map_html(index, project(index.embeddings), "t-SNE", [""] * 12, Path("/tmp"))
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:|//)", html)
    assert "default-src 'none'" in html


def test_the_same_sounds_give_the_same_bytes(index: SoundIndex, tmp_path: Path) -> None:
    contents = []
    for workers in (1, 2):
        write_sound_map(index, project(index.embeddings), "t-SNE", tmp_path / "map.html", workers=workers)
        contents.append((tmp_path / "map.html").read_bytes())
    assert contents[0] == contents[1]


def test_sounds_that_do_not_fit_are_played_from_their_files(index: SoundIndex, tmp_path: Path) -> None:
    whole = compress_snippets(tasks_of(index))
    most = sum(map(len, whole[:5]))
    for limit, count in ((most, 5), (most - 1, 4), (0, 0)):
        assert compress_snippets(tasks_of(index), most_bytes=limit) == whole[:count] + [""] * (12 - count)
    page = tmp_path / "sub folder" / "map.html"
    assert write_sound_map(index, project(index.embeddings), "t-SNE", page, most_bytes=most) == 5
    html = page.read_text()
    assert "5 of 12 sounds are in this page" in html
    folder = content_of(html)["folder"]
    assert folder.startswith("../") and folder.endswith("library%20%3Cb%3E%260/")


def test_a_sound_that_cannot_be_read_is_no_snippet_and_stops_nothing(index: SoundIndex, tmp_path: Path) -> None:
    tasks = [*tasks_of(index)[:2], SnippetTask(tmp_path / "missing.wav", ""), *tasks_of(index)[2:3]]
    assert [bool(text) for text in compress_snippets(tasks)] == [True, True, False, True]


@pytest.mark.parametrize(("rate", "channels", "seconds"), [(8000, 1, 0.01), (96_000, 2, 5.0), (44_100, 1, 2.0)])
def test_a_snippet_is_short_and_has_a_common_peak(rate: int, channels: int, seconds: float) -> None:
    sound = 0.05 * hit(1, seconds, rate, channels)
    audio, out_rate = soundfile.read(io.BytesIO(compress_snippet(sound, rate)))
    assert out_rate == RATE and audio.ndim == 1
    assert len(audio) / RATE == pytest.approx(min(seconds, SNIPPET_SECONDS), abs=0.06)
    assert 0.6 < np.abs(audio).max() < 1.1


def test_kinds_differ_in_colour_or_shape() -> None:
    others = [f"kind_{number}" for number in range(32 - len(USUAL_KINDS))]
    kinds = order_kinds([*others, *USUAL_KINDS])
    assert sorted(kinds) == sorted([*others, *USUAL_KINDS])
    styles = [style_of(kind, others) for kind in kinds]
    assert len(set(styles)) == len(styles) == 32
    assert len({colour for colour, _ in styles[:8]}) == 8


def luminance(colour: str) -> float:
    channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("scheme", "paper"), [(0, "#f7f6f3"), (1, "#131519")])
def test_points_stand_out_from_the_paper(scheme: int, paper: str) -> None:
    """A contrast of 3, as WCAG 2 wants it for graphics, in light and in dark colours."""
    colours = re.findall(r"--k\d: (#[0-9a-f]{6})", CSS.read_text())[8 * scheme : 8 * scheme + 8]
    assert len(set(colours)) == 8
    for colour in colours:
        light, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, colour


def test_a_page_replaces_a_page_of_rmod_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "page.html"
    for _ in range(2):
        publish_page(page, f"<html>{generator_tag('library map')}")
    page.write_text("<html>mine")
    for path, words in ((page, "no page of rmod"), (tmp_path, "directory")):
        with pytest.raises(UsageError, match=words):
            check_replaceable_page(path)
        with pytest.raises(UsageError, match=words):
            publish_page(path, "x")
    assert page.read_text() == "<html>mine"


def test_a_map_of_one_sound_is_a_map(index: SoundIndex, tmp_path: Path) -> None:
    one = replace(index, assets=index.assets[:1], embeddings=index.embeddings[:1])
    assert write_sound_map(one, project(one.embeddings), "principal components", tmp_path / "map.html") == 1
