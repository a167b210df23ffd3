"""The files of an evaluation: tables as Markdown and JSON, a page with plots, pages to listen to, a blind test.

OUT/evaluation.html     tables and plots
OUT/evaluation.md       the tables
OUT/evaluation.json     every figure, with what it comes from
OUT/items.parquet       a row per answer: key, kit, checksum, metrics
OUT/listen-SET.html     best, median and worst answers of each system
OUT/blind-SET.html      A or B, without names, and OUT/blind-SET-key.json, which says who is who
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rmod_pipeline import __version__
from rmod_pipeline.codec.catalogue import make_plain_name
from rmod_pipeline.evaluation.chunk import SetWork
from rmod_pipeline.evaluation.figures.results import EvaluationResults, OnEvaluationStep, no_step
from rmod_pipeline.evaluation.recipe import TRUTH, CodecCopy, EvaluationRecipe, Guess, name_of
from rmod_pipeline.evaluation.sets.pairs import PairSet
from rmod_pipeline.evaluation.votes import Trial, digest_trials, encode_key, plan_trials
from rmod_pipeline.pages.evaluation.listening import list_played_pairs, make_mixture_sound, read_answers
from rmod_pipeline.pages.evaluation.plots import make_factor_figures, make_legend
from rmod_pipeline.pages.evaluation.tables import ResultTable, make_result_tables, render_markdown
from rmod_pipeline.pages.preview import DRUM_COLOURS, NO_COLOUR, page_template
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.players import PlayerGroup, make_player_group
from rmod_pipeline.pages.preview.sounds import FLAC, PageSound, PageSoundGroup, compressed_format
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

PACKAGE = "rmod_pipeline.pages.evaluation"
PAGE, MARKDOWN, JSON, ITEMS = "evaluation.html", "evaluation.md", "evaluation.json", "items.parquet"
MOST_BLIND_SYSTEMS = 4

__all__ = ["ITEMS", "JSON", "MARKDOWN", "PAGE", "write_evaluation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialView:
    """A trial as the page shows it: players without names."""

    number: int
    kind: str
    group: PlayerGroup
    key: str
    """A name for the players that tells nothing."""


def write_evaluation(
    results: EvaluationResults, works: Sequence[SetWork], out: Path, on_step: OnEvaluationStep = no_step
) -> list[Path]:
    """Write all files of an evaluation and return their paths. Raises UsageError for a folder that is not writable."""
    tables = make_result_tables(results)
    files = {
        MARKDOWN: render_markdown(results, tables),
        JSON: json.dumps(results.to_dict(), indent=1, ensure_ascii=False) + "\n",
    }
    pages = []
    with_pages = works if results.recipe.listen else ()
    for number, work in enumerate(with_pages, start=1):
        name = work.test_set.choice.name
        pages.append((f"Listen: {name}", listening_name(work)))
        files[listening_name(work)] = listening_html(results, work)
        trials = plan_trials(results, name, _choose_blind_systems(results, work))
        if trials:
            pages.append((f"Blind test: {name}", f"{_blind_name(work)}.html"))
            files[f"{_blind_name(work)}.html"] = blind_html(trials, work)
            files[f"{_blind_name(work)}-key.json"] = encode_key(trials)
        on_step("pages to listen to", number, len(with_pages))
    files[PAGE] = evaluation_html(results, tables, pages)
    rows = list(results.items())
    # Songs have other columns than pairs, and pyarrow takes the columns from the first row.
    names = dict.fromkeys(name for row in rows for name in row)
    stream = io.BytesIO()
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), stream, compression="zstd")
    contents = {name: text.encode() for name, text in files.items()} | {ITEMS: stream.getvalue()}
    with report_unwritable(out):
        for name, content in contents.items():
            publish_bytes(content, out / name, out)
    return [out / name for name in contents]


def listening_name(work: SetWork) -> str:
    """Return the file name of the page to listen to."""
    return f"listen-{make_plain_name(work.test_set.choice.name)}.html"


def _blind_name(work: SetWork) -> str:
    return f"blind-{make_plain_name(work.test_set.choice.name)}"


def evaluation_html(results: EvaluationResults, tables: Sequence[ResultTable], pages: Sequence[tuple[str, str]]) -> str:
    """Return the HTML of the page with tables and plots; ``pages`` are links with their texts."""
    sections = [(name, make_legend(results, name), tuple(make_factor_figures(results, name))) for name in results.sets]
    return page_template(PACKAGE, "evaluation.html.j2").render(
        title=results.recipe.name,
        tables=tables,
        sections=[section for section in sections if section[2]],
        pages=pages,
        version=__version__,
    )


def listening_html(results: EvaluationResults, work: SetWork) -> str:
    """Return the HTML of the page with the best, median and worst answers to the mixtures of a set."""
    return page_template(PACKAGE, "listening.html.j2").render(
        title=f"{results.recipe.name}: {work.test_set.choice.name}",
        pairs=list_played_pairs(results, work),
        has_truth=isinstance(work.test_set, PairSet),
        colours=_choose_colours(results.recipe.kinds),
        no_colour=NO_COLOUR,
        mix_format=compressed_format(),
        version=__version__,
    )


def blind_html(trials: Sequence[Trial], work: SetWork) -> str:
    """Return the HTML of a blind test of trials."""
    views = [_make_trial(number, trial, work) for number, trial in enumerate(trials)]
    return page_template(PACKAGE, "blind.html.j2").render(
        title=f"Blind test: {work.test_set.choice.name}",
        name=_blind_name(work),
        digest=digest_trials(trials),
        has_truth=isinstance(work.test_set, PairSet),
        trials=views,
        colours=_choose_colours(tuple(dict.fromkeys(trial.kind for trial in trials))),
        no_colour=NO_COLOUR,
        version=__version__,
    )


def _make_trial(number: int, trial: Trial, work: SetWork) -> TrialView:
    answers = read_answers(work, trial.key, trial.kind, [TRUTH, trial.a, trial.b])
    item = work.test_set.read([trial.key])[0]
    sounds = [make_mixture_sound(item.mixture.audio, item.mixture.sample_rate)]
    labels = {"truth": answers.get(TRUTH), "A": answers[trial.a], "B": answers[trial.b]}
    sounds += [
        PageSound(label=label, data=data, mime=FLAC, kind=trial.kind)
        for label, data in labels.items()
        if data is not None
    ]
    group = make_player_group(PageSoundGroup(title="", sounds=tuple(sounds)), f"trial {number + 1}")
    return TrialView(number=number, kind=format_kind(trial.kind), group=group, key=f"trial {number + 1}")


def _choose_blind_systems(results: EvaluationResults, work: SetWork) -> list[str]:
    """Return the systems worth a comparison by ear: none that guesses or copies the truth."""
    recipe: EvaluationRecipe = results.recipe
    left_out = {name_of(choice) for choice in recipe.systems if isinstance(choice, Guess | CodecCopy)}
    names = results.systems(work.test_set.choice.name)
    return [name for name in names if name not in left_out][:MOST_BLIND_SYSTEMS]


def _choose_colours(kinds: Sequence[str]) -> dict[str, str]:
    return {kind: f"c{number % DRUM_COLOURS}" for number, kind in enumerate(kinds)}
