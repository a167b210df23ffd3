"""The preview page is self-contained and escaped, tolerates missing measurements, and names damaged members."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
import soundfile

from rmod_pipeline.errors import ShardError, UsageError
from rmod_pipeline.pages.preview import PageSound, PageSoundGroup, preview_html, write_preview
from rmod_pipeline.reading.pairs import pick_evenly
from rmod_pipeline.spec import SpecError
from tests.pages.preview_pairs import make_pair, make_spec, measure, with_member, without_member

VOID = {"meta", "input", "img", "br", "hr", "link"}
ADDRESSES = {"src", "href", "srcset", "poster", "action", "data", "background", "xlink:href", "ping", "formaction"}
OUTSIDE = re.compile(r"""https?:// | (?<![a-z])url\(\s*+["']?+(?!data:) | @import""", re.VERBOSE | re.IGNORECASE)


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """A parsed page; every element must be closed."""

    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str, name: str = "") -> list[Element]:
        """Return the elements with a tag and, if given, a class."""
        return [
            element
            for element in self.elements
            if element.tag == tag and (not name or name in element.attributes.get("class", "").split())
        ]


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


def test_every_pair_and_every_player_is_on_the_page() -> None:
    pairs = [make_pair(index) for index in range(3)]
    page = read(preview_html(pairs, "Three"))
    assert [pair.attributes["id"] for pair in page.all("article")] == [pair.key for pair in pairs]
    assert [player.attributes["data-role"] for player in page.all("div", "player")] == [
        "mix",
        "one-shot",
        "one-shot",
        "one-shot",
    ] * 3
    assert len(page.all("audio")) == len(page.all("button", "play")) == 12


def test_the_audio_on_the_page_decodes_and_has_the_length_of_the_members() -> None:
    page = read(preview_html([make_pair()], "One"))
    mix, *one_shots = [audio.attributes["src"] for audio in page.all("audio")]
    assert mix.startswith("data:audio/mpeg;base64,")
    assert _seconds(mix) == pytest.approx(4.0, abs=0.01)
    assert all(one_shot.startswith("data:audio/flac;base64,") for one_shot in one_shots)
    assert [_seconds(one_shot) for one_shot in one_shots] == pytest.approx([2.0, 1.0, 2 / 3], abs=1e-4)


def test_one_shots_on_the_page_are_the_shards_samples() -> None:
    pair = make_pair()
    page = read(preview_html([pair], "One"))
    kick, _ = soundfile.read(BytesIO(pair.members["kick.wav"]), dtype="int16")
    shown, _ = soundfile.read(_file(page.all("audio")[1].attributes["src"]), dtype="int16")
    assert (kick == shown).all()


def test_stems_are_shown_for_the_tracks_that_a_pair_has() -> None:
    pair = make_pair(stems=True, loops=False)
    page = read(preview_html([pair], "Stems"))
    labels = [audio.attributes["aria-label"] for audio in page.all("audio")]
    assert labels == [f"{name} of {pair.key}" for name in ("mix", *["kick", "snare", "hihat"] * 2)]


def test_a_pair_without_loops_has_a_lane_a_drum() -> None:
    page = read(preview_html([make_pair(loops=False)], "Drums"))
    assert len(page.all("svg", "lane")) == 3
    assert page.all("rect", "loop") == []
    assert "Pitch shift" not in "".join(title.text for title in page.all("figcaption"))


def test_every_hit_has_a_mark() -> None:
    spec = make_spec(0)
    page = read(preview_html([make_pair(0)], "Hits"))
    assert len(page.all("rect", "hit")) == sum(len(track.notes) for track in spec.drums)


def test_the_page_refers_to_nothing_outside_itself() -> None:
    html = preview_html([make_pair(stems=True)], "Alone")
    assert outside(html) == []
    assert "default-src 'none'" in html


def outside(html: str) -> list[str]:
    """Return all references that are neither data nor anchors of the page."""
    attributes = [pair for element in read(html).elements for pair in element.attributes.items()]
    addresses = [value for name, value in attributes if name in ADDRESSES and not value.startswith(("data:", "#"))]
    return addresses + OUTSIDE.findall(re.sub(r"data:[a-z/+]+;base64,[A-Za-z0-9+/=]+", "", html))


@pytest.mark.parametrize(
    "planted", ['<img src="//host/x">', "<a href=x.css></a>", "<p>http://x</p>", "<style>@import 'x'</style>", "url(x)"]
)
def test_the_search_for_references_finds_them(planted: str) -> None:
    assert outside(planted)


def test_what_a_library_says_is_text_and_never_markup() -> None:
    wicked = "<script>alert(1)</script> \"double\" 'single' & {{ 7 * 7 }}"
    pair = make_pair(kit=wicked)
    html = preview_html([pair], wicked, note=wicked)
    page = read(html)
    assert len(page.all("script")) == 1
    assert "alert(1)" not in page.all("script")[0].text
    assert page.all("h1")[0].text == wicked
    assert wicked in [cell.text for cell in page.all("td")]
    assert wicked.lower() in page.all("article")[0].attributes["data-search-text"]


def test_the_filter_knows_kinds_kits_licences_and_key() -> None:
    page = read(preview_html([make_pair(4)], "Words"))
    words = page.all("article")[0].attributes["data-search-text"]
    assert all(word in words for word in ("train-00000004", "hihat", "kit of tests", "cc0-1.0", "kick/sound-"))


def test_what_was_not_measured_is_a_dash() -> None:
    page = read(
        preview_html([make_pair(measured={}), make_pair(1, measured={"mix": {"lufs": None}, "tracks": 7})], "-")
    )
    assert {value.text for value in page.all("dd")[7:11]} == {"–"}
    assert page.all("article")[0].attributes["data-loudness"] == ""
    assert "Loudness" not in "".join(title.text for title in page.all("figcaption"))


def test_infinite_levels_are_a_dash_too() -> None:
    levels = measure(make_spec(0), 0)
    levels["mix"]["lufs"] = float("-inf")
    html = preview_html([make_pair(measured=levels)], "Silent")
    page = read(html)
    assert page.all("article")[0].attributes["data-loudness"] == ""
    assert page.all("dd")[7].text == "–"


def test_silence_is_drawn() -> None:
    pair = make_pair()
    silence = b"\x00" * (len(pair.members["mix.wav"]) - 44)
    read(preview_html([with_member(pair, "mix.wav", pair.members["mix.wav"][:44] + silence)], "Silence"))


def test_extra_sounds_follow_those_of_the_pair() -> None:
    pair = make_pair()
    decoded = PageSound(label="kick decoded", data=pair.members["kick.wav"], mime="audio/wav", kind="kick")
    groups = {pair.key: (PageSoundGroup(title="From tokens", sounds=(decoded,)),)}
    page = read(preview_html([pair], "Tokens", extra_sounds=groups))
    assert [title.text for title in page.all("h3")] == ["One-shots", "From tokens"]
    assert page.all("audio")[-1].attributes["src"].startswith("data:audio/wav;base64,")


def test_the_same_pairs_make_the_same_page() -> None:
    pairs = [make_pair(index, stems=True) for index in range(2)]
    assert preview_html(pairs, "Twice") == preview_html(pairs, "Twice")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", "is not a pair's JSON"),
        (b"\xff\xfe", "is not a pair's JSON"),
        (b"[]", "is not a pair's JSON"),
        (b"{}", "has no 'spec'"),
    ],
)
def test_a_broken_json_is_named(content: bytes, expected: str) -> None:
    pair = with_member(make_pair(), "json", content)
    with pytest.raises(ShardError, match=expected) as caught:
        preview_html([pair], "Broken")
    assert caught.value.about == "train-00000000.json"
    assert caught.value.hint


def test_a_json_that_is_no_spec_is_named() -> None:
    pair = with_member(make_pair(), "json", b'{"spec": {"recipe": 1}}')
    with pytest.raises(SpecError, match=r"train-00000000\.json"):
        preview_html([pair], "Broken")


@pytest.mark.parametrize("suffix", ["json", "mix.wav", "snare.wav"])
def test_a_missing_member_is_named(suffix: str) -> None:
    with pytest.raises(ShardError, match=suffix.removesuffix(".wav")):
        preview_html([without_member(make_pair(), suffix)], "Missing")


def test_a_member_that_is_no_audio_is_named() -> None:
    with pytest.raises(ShardError, match=r"train-00000000\.kick\.wav"):
        preview_html([with_member(make_pair(), "kick.wav", b"RIFF")], "Noise")


def test_no_pairs_make_no_page(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no pair"):
        write_preview([], tmp_path / "page.html", "None")
    assert list(tmp_path.iterdir()) == []


def test_a_page_replaces_the_one_before_or_leaves_it_alone(tmp_path: Path) -> None:
    page = tmp_path / "new" / "page.html"
    assert write_preview([make_pair()], page, "First") == page
    first = page.read_text()
    with pytest.raises(ShardError):
        write_preview([with_member(make_pair(), "json", b"{")], page, "Broken")
    assert page.read_text() == first
    write_preview([make_pair(1)], page, "Second")
    assert "Second" in page.read_text()
    assert [file.name for file in page.parent.iterdir()] == ["page.html"]


def test_the_loudest_pairs_without_stems_fit_in_8_mb() -> None:
    html = preview_html([make_pair(index, loud=True) for index in range(3)], "Loud")
    # Noise is the worst case by far: music is half of it.
    assert len(html) * 4 < 25e6
    assert len(preview_html([make_pair(index) for index in range(3)], "Music")) * 4 < 8e6


def test_keys_are_taken_evenly() -> None:
    keys = [f"train-{index:08d}" for index in range(10)]
    assert pick_evenly(keys, 5) == keys[::2]
    assert pick_evenly(keys, 20) == keys
    assert pick_evenly(keys[:1], 3) == keys[:1]


def _file(address: str) -> BytesIO:
    return BytesIO(b64decode(address.partition(",")[2]))


def _seconds(address: str) -> float:
    return float(soundfile.info(_file(address)).duration)
