"""Draw the plots of a data card: levels, hits, instruments, spectra, durations, one-shots per kit.

The pictures have a white ground of their own, so that they can be read on light and on dark pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.releases.facts import Histogram, ReleaseFacts
from rmod_pipeline.releases.figures import COLOURS, draw_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOLDER = "card"
"""The folder of the plots in the folder of a release."""

_DRUMS, _LOOPS = "#333333", "#999999"
"""Colours of kinds where they stand for drums or loops as such."""

_MOST_KITS = 24
"""Kits with a bar of their own; of more kits, the plot shows how many have how many one-shots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPlot:
    """One plot of a data card."""

    path: str
    """Relative to the folder of the release."""
    title: str
    caption: str
    """What was measured, on how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlotKind:
    name: str
    title: str
    caption: Callable[[ReleaseFacts], str]
    has_data: Callable[[ReleaseFacts], bool]
    size: Callable[[ReleaseFacts], tuple[float, float]]
    draw: Callable[[Any, ReleaseFacts], None]


def list_plots(facts: ReleaseFacts) -> tuple[CardPlot, ...]:
    """Return the plots that the facts have data for. Draws nothing."""
    return tuple(
        CardPlot(path=f"{FOLDER}/{kind.name}.png", title=kind.title, caption=kind.caption(facts))
        for kind in _KINDS
        if kind.has_data(facts)
    )


def draw_plots(folder: Path, facts: ReleaseFacts) -> None:
    """Draw the plots that ``list_plots`` returns into the folder of a release."""
    (folder / FOLDER).mkdir(exist_ok=True)
    for kind in _KINDS:
        if kind.has_data(facts):
            picture = draw_png(*kind.size(facts), lambda figure, draw=kind.draw: draw(figure, facts))  # type: ignore[misc]
            (folder / FOLDER / f"{kind.name}.png").write_bytes(picture)


def _draw_histogram(axes: Axes, histogram: Histogram, colour: str) -> None:
    edges = [number * histogram.width for number in histogram.counts]
    axes.bar(edges, list(histogram.counts.values()), width=histogram.width, align="edge", color=colour)
    _count_axis(axes)


def _count_axis(axes: Axes, name: str = "pairs") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylabel(name)
    axes.grid(visible=False, axis="x")


def _panels(figure: Figure, count: int) -> list[Axes]:
    return [axes for row in figure.subplots(1, count, squeeze=False) for axes in row]


def _draw_levels(figure: Figure, facts: ReleaseFacts) -> None:
    names = {"lufs": "Loudness (LUFS)", "peak_dbfs": "Peak (dBFS)", "side_mid_db": "Side to mid (dB)"}
    known = [name for name in names if name in facts.levels]
    for axes, name, colour in zip(_panels(figure, len(known)), known, COLOURS, strict=False):
        _draw_histogram(axes, facts.levels[name], colour)
        axes.set_xlabel(names[name])


def _draw_durations(figure: Figure, facts: ReleaseFacts) -> None:
    for number, (axes, (kind, histogram)) in enumerate(
        zip(_panels(figure, len(facts.durations)), facts.durations.items(), strict=True)
    ):
        _draw_histogram(axes, histogram, COLOURS[number % len(COLOURS)])
        axes.set_title(kind)
        axes.set_xlabel("Length (s)")


def _draw_hits(figure: Figure, facts: ReleaseFacts) -> None:
    for number, (axes, (kind, counts)) in enumerate(
        zip(_panels(figure, len(facts.hits)), facts.hits.items(), strict=True)
    ):
        axes.bar(list(counts), list(counts.values()), width=0.8, color=COLOURS[number % len(COLOURS)])
        axes.set_title(kind)
        axes.set_xlabel("Hits in a mixture")
        _integer_axis(axes)
        _count_axis(axes)


def _integer_axis(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))


def _draw_instruments(figure: Figure, facts: ReleaseFacts) -> None:
    kinds = [*facts.instruments]
    (axes,) = _panels(figure, 1)
    shares = [100 * facts.instruments[kind] / max(facts.pairs, 1) for kind in kinds]
    colours = [_DRUMS if kind in facts.drums else _LOOPS for kind in kinds]
    axes.barh(kinds, shares, color=colours)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of pairs (%); drums in black, loops in grey")
    axes.grid(visible=False, axis="y")


def _draw_spectra(figure: Figure, facts: ReleaseFacts) -> None:
    (axes,) = _panels(figure, 1)
    for number, spectrum in enumerate(facts.spectra):
        axes.plot(spectrum.hz, spectrum.level_db, color=COLOURS[number % len(COLOURS)], label=spectrum.kind)
    axes.set_xscale("log")
    ticks = [31.25, 62.5, 125, 250, 500, 1000, 2000, 4000, 8000, 16000]
    ticks = [tick for tick in ticks if tick <= facts.sample_rate / 2]
    axes.set_xticks(ticks, [f"{tick / 1000:g}k" if tick >= 1000 else f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel("Frequency (Hz), in bands of a third of an octave")
    axes.set_ylabel("Share of power (dB)")
    axes.legend()


def _draw_kits(figure: Figure, facts: ReleaseFacts) -> None:
    (axes,) = _panels(figure, 1)
    kits = _one_shots_per_kit(facts)
    if len(kits) > _MOST_KITS:
        totals = [sum(kinds.values()) for kinds in kits.values()]
        axes.hist(totals, bins=min(30, max(totals)), color=COLOURS[0])
        axes.set_xlabel("Different one-shots of a kit")
        _count_axis(axes, "kits")
        return
    names = [kit if len(kit) <= 40 else f"{kit[:39]}…" for kit in kits]
    left = [0] * len(kits)
    for number, kind in enumerate(facts.targets):
        counts = [kinds.get(kind, 0) for kinds in kits.values()]
        axes.barh(range(len(kits)), counts, left=left, color=COLOURS[number % len(COLOURS)], label=kind)
        left = [start + count for start, count in zip(left, counts, strict=True)]
    axes.set_yticks(range(len(kits)), names)
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("Different one-shots")
    axes.grid(visible=False, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _one_shots_per_kit(facts: ReleaseFacts) -> Mapping[str, Mapping[str, int]]:
    """Return the number of different one-shots by kit and kind; sounds of unknown kits count as one kit."""
    kits: dict[str, dict[str, int]] = {}
    for kind in facts.targets:
        for kit, count in facts.per_kit(kind).items():
            kits.setdefault(kit or "(unknown kit)", {})[kind] = count
    return dict(sorted(kits.items()))


def _all_pairs(text: str) -> Callable[[ReleaseFacts], str]:
    return lambda facts: f"{text} All {facts.pairs:,} pairs."


def _per_panel(items: Callable[[ReleaseFacts], Sequence[Any]]) -> Callable[[ReleaseFacts], tuple[float, float]]:
    return lambda facts: (max(4.0, min(3.0 * len(items(facts)), 12.0)), 2.6)


def _per_row(items: Callable[[ReleaseFacts], Sequence[Any]]) -> Callable[[ReleaseFacts], tuple[float, float]]:
    return lambda facts: (7.0, 1.2 + 0.24 * min(len(items(facts)), _MOST_KITS))


_KINDS = (
    _PlotKind(
        name="levels",
        title="Levels of the mixtures",
        caption=_all_pairs("Loudness by ITU-R BS.1770, sample peak, and the level of the side signal against the mid."),
        has_data=lambda facts: "lufs" in facts.levels,
        size=lambda _facts: (9.0, 2.6),
        draw=_draw_levels,
    ),
    _PlotKind(
        name="hits",
        title="Hits per mixture",
        caption=_all_pairs("Number of times that each drum is played in a mixture."),
        has_data=lambda facts: bool(facts.hits),
        size=_per_panel(lambda facts: [*facts.hits]),
        draw=_draw_hits,
    ),
    _PlotKind(
        name="instruments",
        title="Instruments",
        caption=_all_pairs("Share of the mixtures that hold each drum and each loop."),
        has_data=lambda facts: bool(facts.instruments),
        size=_per_row(lambda facts: [*facts.instruments]),
        draw=_draw_instruments,
    ),
    _PlotKind(
        name="spectra",
        title="Spectra of the one-shots",
        caption=lambda facts: (
            "Mean share of the power of a one-shot in each band. "
            f"Measured on the one-shots of {facts.spectrum_pairs:,} of {facts.pairs:,} pairs, evenly spaced."
        ),
        has_data=lambda facts: bool(facts.spectra),
        size=lambda _facts: (7.0, 3.2),
        draw=_draw_spectra,
    ),
    _PlotKind(
        name="durations",
        title="Length of the one-shots",
        caption=_all_pairs("Length of the one-shot that belongs to a mixture."),
        has_data=lambda facts: bool(facts.durations),
        size=_per_panel(lambda facts: [*facts.durations]),
        draw=_draw_durations,
    ),
    _PlotKind(
        name="kits",
        title="One-shots per kit",
        caption=lambda facts: (
            f"Number of different one-shots of the library in use, by kit. {len(_one_shots_per_kit(facts)):,} kits."
        ),
        has_data=lambda facts: bool(_one_shots_per_kit(facts)),
        size=_per_row(lambda facts: [*_one_shots_per_kit(facts)]),
        draw=_draw_kits,
    ),
)
