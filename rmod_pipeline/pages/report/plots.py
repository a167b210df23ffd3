"""Draw the measurements of a report as inline SVG: levels, draws, use of sounds, entropy of codebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from rmod_pipeline.inspection.report.records import CodebookUse, DrawTest, LevelSummary, Outcome, Report
from rmod_pipeline.pages.preview import plots
from rmod_pipeline.pages.preview.figures import Figure
from rmod_pipeline.pages.preview.formatting import format_kind, format_number
from rmod_pipeline.pages.preview.svg import element, join_markup, tooltip

WIDTH, HEIGHT, MARGIN = plots.WIDTH, plots.HEIGHT, plots.MARGIN
AXIS_Y = plots.AXIS_Y
SMALL_WIDTH, SMALL_HEIGHT = 120, 22

_TITLES = {"lufs": "Loudness", "side_mid_db": "Width", "full_scale_share": "Samples at full scale"}
_MOST_KINDS = 8
_P_BINS = 10


def make_report_figures(report: Report) -> tuple[Figure, ...]:
    """Return the plots of a report that have data."""
    return (*_plot_levels(report), *_plot_p_values(report.draws), *_plot_use(report), *_plot_tokens(report.tokens))


def _plot_levels(report: Report) -> Iterator[Figure]:
    for level in report.levels:
        sound, _, measure = level.name.partition(" ")
        if sound == "mix" and measure in _TITLES:
            yield Figure(title=_TITLES[measure], note=_describe_level(level), picture=draw_level(level))
    audible = [level for level in report.levels if level.name.endswith(" audible_db")]
    if audible:
        worst = min(audible, key=lambda level: level.percentiles["5"])
        kind = format_kind(worst.name.partition(" ")[0])
        yield Figure(title=f"Audibility of the {kind}", note=_describe_level(worst), picture=draw_level(worst))


def _describe_level(level: LevelSummary) -> str:
    scale, unit = (100.0, "%") if not level.unit else (1.0, level.unit)
    low, middle, high = (format_number(scale * level.percentiles[each]) for each in ("5", "50", "95"))
    return f"{unit}, {level.count:,} pairs; median {middle}, 5 to 95 % of the pairs {low} to {high}"


def draw_level(level: LevelSummary) -> Markup:
    """Draw the histogram of a level with its axis; shares in per cent."""
    factor = 1.0 if level.unit else 100.0
    low = factor * level.histogram_low
    step = factor * level.histogram_step
    high = low + step * len(level.histogram)
    most = max(level.histogram)
    width = (WIDTH - 2 * MARGIN) / len(level.histogram)
    bars = [
        element(
            "rect",
            tooltip(f"{format_number(low + step * number)} to {format_number(low + step * (number + 1))}: {count:,}"),
            class_="bar",
            x=MARGIN + width * number,
            y=AXIS_Y - max(count / most * (AXIS_Y - MARGIN), 1.0),
            width=max(width - 0.6, 0.6),
            height=max(count / most * (AXIS_Y - MARGIN), 1.0),
        )
        for number, count in enumerate(level.histogram)
        if count
    ]
    return _draw_plot([_draw_axis(low, high), *bars])


def _plot_p_values(draws: Sequence[DrawTest]) -> Iterator[Figure]:
    """Plot the p values of the tests of draws: they are spread evenly if the draws are those of the recipe."""
    values = [test.p_value for test in draws if test.test not in ("too few", "exact")]
    if not values:
        return
    counts = [0] * _P_BINS
    for value in values:
        counts[min(int(value * _P_BINS), _P_BINS - 1)] += 1
    most, width = max(counts), (WIDTH - 2 * MARGIN) / _P_BINS
    scale = (AXIS_Y - MARGIN) / most
    bars = [
        element(
            "rect",
            tooltip(f"{number / _P_BINS:.1f} to {(number + 1) / _P_BINS:.1f}: {count}"),
            class_="bar",
            x=MARGIN + width * number,
            y=AXIS_Y - count * scale,
            width=width - 1,
            height=count * scale,
        )
        for number, count in enumerate(counts)
    ]
    expected = AXIS_Y - len(values) / _P_BINS * scale
    line = element("path", class_="expected", d=f"M{MARGIN} {expected:.1f}H{WIDTH - MARGIN}")
    note = f"p values of {len(values)} tests; correct draws spread evenly along the line"
    yield Figure(title="Draws against the recipe", note=note, picture=_draw_plot([_draw_axis(0, 1), *bars, line]))


def _plot_use(report: Report) -> Iterator[Figure]:
    """Plot the effective number of sounds of the largest split beside the number of sounds."""
    largest = max(report.pairs, key=lambda split: report.pairs[split])
    rows = [use for use in report.use if use.split == largest][:_MOST_KINDS]
    if not rows:
        return
    pitch = min(HEIGHT / len(rows), 26.0)
    full, left = max(use.sounds for use in rows), plots.LABEL_WIDTH
    parts: list[Markup] = []
    for number, use in enumerate(rows):
        middle = (number + 0.5) * pitch
        lengths = [(WIDTH - left - 70) * count / full for count in (use.sounds, use.effective_sounds)]
        parts += [
            element("text", format_kind(use.kind), class_="name", x=left - 8, y=middle + 3.5),
            *(
                element("rect", class_=f"bar {name}", x=left, y=middle - 5.0, width=max(length, 1.5), height=10.0, rx=2)
                for name, length in zip(("faint", ""), lengths, strict=True)
            ),
            element(
                "text",
                f"{use.effective_sounds:.1f} of {use.sounds}",
                class_="end",
                x=left + max(lengths[0], 1.5) + 6,
                y=middle + 3.5,
            ),
        ]
    note = f"effective number of sounds, of those used in {largest}"
    yield Figure(title="Diversity", note=note, picture=_draw_plot(parts))


def _plot_tokens(tokens: Sequence[CodebookUse]) -> Iterator[Figure]:
    """Plot the entropy of each codebook of each codec."""
    for codec in dict.fromkeys(each.codec for each in tokens):
        rows = [each for each in tokens if each.codec == codec and each.sound == "all"]
        full = max(math.log2(each.size) for each in rows) or 1.0
        width = (WIDTH - 2 * MARGIN) / len(rows)
        parts = []
        for each in rows:
            height = each.entropy_bits / full * (AXIS_Y - MARGIN)
            x = MARGIN + width * each.codebook
            label = f"codebook {each.codebook}: {each.entropy_bits:.2f} bits, {each.used} of {each.size} entries"
            parts += [
                element("rect", class_="bar faint", x=x, y=MARGIN, width=width - 2, height=AXIS_Y - MARGIN),
                element(
                    "rect",
                    tooltip(label),
                    class_="bar",
                    x=x,
                    y=AXIS_Y - height,
                    width=width - 2,
                    height=max(height, 1.0),
                ),
                element("text", str(each.codebook), class_="tick", x=x + width / 2 - 1, y=HEIGHT - 7),
            ]
        note = f"{codec}: bits per codebook, of {format_number(full)} at most"
        yield Figure(title="Entropy of tokens", note=note, picture=_draw_plot(parts))


def draw_outcomes(outcomes: Sequence[Outcome]) -> Markup:
    """Draw the measured share of every outcome as a bar, and the expected one as a line across it."""
    if not outcomes:
        return Markup("")
    most = max(max(each.expected, each.measured) for each in outcomes) or 1.0
    width = SMALL_WIDTH / len(outcomes)
    parts = []
    for number, each in enumerate(outcomes):
        x, height = number * width, each.measured / most * (SMALL_HEIGHT - 2)
        label = f"{each.label}: {100 * each.measured:.1f} %, expected {100 * each.expected:.1f} %"
        line = SMALL_HEIGHT - each.expected / most * (SMALL_HEIGHT - 2)
        parts += [
            element(
                "rect", tooltip(label), class_="bar", x=x, y=SMALL_HEIGHT - height, width=width * 0.86, height=height
            ),
            element("path", class_="expected", d=f"M{x:.1f} {line:.1f}h{width * 0.86:.1f}"),
        ]
    return element("svg", *parts, class_="figure small-figure", viewBox=f"0 0 {SMALL_WIDTH} {SMALL_HEIGHT}", role="img")


def _draw_axis(low: float, high: float) -> Markup:
    """Draw an axis with at most seven ticks at round numbers."""
    span = high - low
    step = 10.0 ** math.floor(math.log10(span / 7))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 7)
    ticks = [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    position = [MARGIN + (tick - low) / span * (WIDTH - 2 * MARGIN) for tick in ticks]
    line = element("path", class_="axis", d=f"M{MARGIN} {AXIS_Y}H{WIDTH - MARGIN}")
    texts = (
        element("text", format_number(tick + 0.0), class_="tick", x=x, y=HEIGHT - 7)
        for tick, x in zip(ticks, position, strict=True)
    )
    return join_markup([line, *texts])


def _draw_plot(parts: Sequence[Markup]) -> Markup:
    return element("svg", *parts, class_="figure", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
