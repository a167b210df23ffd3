"""Generate the candidates for one instrument: hear its windows, sample codes in several tries, decode, polish."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec import Codec
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.dose.condition import Condition, compute_levels
from rmod_pipeline.dose.generation import GeneratedCodes, Sampling, generate
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.answers.polish import polish
from rmod_pipeline.extraction.extractor import Extractor
from rmod_pipeline.extraction.results import ExtractionConfig, GeneratedCandidate, Window


def generate_candidates(
    extractor: Extractor,
    windows: Sequence[Window],
    codec: Codec,
    config: ExtractionConfig,
    on_generated: Callable[[int], None],
) -> list[GeneratedCandidate]:
    """Generate a candidate for every window and try; report the number of new ones after each batch."""
    condition = hear_windows(extractor.model, [window.audio for window in windows], codec)
    tries = plan_tries(config)
    candidates: list[GeneratedCandidate] = []
    for window_indices, try_indices in _plan_batches(len(windows), len(tries), config.batch):
        batch = condition.map(partial(_take, window_indices))
        generated = _generate_codes(extractor, batch, [tries[index] for index in try_indices], config.batch)
        log_probabilities = generated.log_probability.tolist()
        for position, window in enumerate(window_indices):
            codes = generated.codes[position].cpu().numpy()
            audio = codec.decode(codes)
            for number, try_index in enumerate(try_indices):
                sampling = tries[try_index]
                polished = polish(
                    audio[number], codec.identity.sample_rate, trim=config.trim, normalize=config.normalize
                )
                candidate = GeneratedCandidate(
                    window=window,
                    try_index=try_index,
                    seed=sampling.seed,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    log_probability=log_probabilities[position][number],
                    silent=polished.silent,
                    gain_db=polished.gain_db,
                    codes=codes[number].astype(np.uint16),
                    audio=polished.audio,
                )
                candidates.append(candidate)
        on_generated(len(window_indices) * len(try_indices))
    return candidates


def plan_tries(config: ExtractionConfig) -> list[Sampling]:
    """Return the tries for each window: the greedy one, then sampled ones, each with its own seed."""
    draw = Draw.of("extract", config.seed)
    seeds = [draw.at(number).below(2**31) for number in range(1, config.tries + 1)]
    sampled = (Sampling(seed=seed, temperature=config.temperature, top_p=config.top_p) for seed in seeds)
    return [Sampling(), *sampled]


def _plan_batches(windows: int, tries: int, batch: int) -> Iterator[tuple[range, range]]:
    """Yield the windows and the tries of each batch, at most ``batch`` candidates together."""
    tries_per_batch = min(tries, batch)
    windows_per_batch = batch // tries_per_batch
    for window in range(0, windows, windows_per_batch):
        for first in range(0, tries, tries_per_batch):
            yield range(windows)[window : window + windows_per_batch], range(tries)[first : first + tries_per_batch]


def hear_windows(model: Dose, windows: Sequence[Mono], codec: Codec) -> Condition:
    """Return what a model is given of windows of music, each [samples] at the codec's rate."""
    if model.hearing is not None:
        return Condition(levels=compute_levels(model.hearing.mel, windows))
    return Condition(tokens=torch.from_numpy(codec.encode(np.stack(windows)).astype(np.int64)))


def _take(indices: range, part: Tensor) -> Tensor:
    return part[indices.start : indices.stop]


def _generate_codes(
    extractor: Extractor, condition: Condition, tries: Sequence[Sampling], batch: int
) -> GeneratedCodes:
    """Generate the codes of tries for mixtures. Raises DoseError if memory runs out."""
    device = next(extractor.model.parameters()).device
    given = condition.map(lambda part: part.to(device))
    index = extractor.class_index
    classes = None if index is None else torch.full((len(given),), index, device=device)
    try:
        return generate(extractor.model, given, extractor.frames, tries, instruments=classes)
    except torch.OutOfMemoryError as error:
        found = f"out of memory with a batch of {batch}"
        raise DoseError(device, found, "give a smaller --batch, or --device cpu") from error
