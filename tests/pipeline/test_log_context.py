"""Every line of a worker's log names the shard and the pair in progress."""

from __future__ import annotations

import logging
from io import StringIO

from rmod_pipeline.pipeline.log_context import (
    LINE,
    CurrentPairFilter,
    current_pair,
    set_current_pair,
    shard_log_context,
)


def test_lines_end_with_the_shard_and_the_pair_in_progress() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(CurrentPairFilter())
    handler.setFormatter(logging.Formatter(LINE))
    logger = logging.getLogger("rmod_pipeline.pipeline.test_log_context")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("before")
        with shard_log_context("train-000001"):
            logger.warning("no pair yet")
            set_current_pair("train-00000012")
            assert current_pair() == "train-00000012"
            logger.warning("a peak of 2")
        logger.warning("after")
    finally:
        logger.removeHandler(handler)
    assert current_pair() == ""
    assert stream.getvalue().splitlines() == [
        "WARNING: before",
        "WARNING: no pair yet [train-000001]",
        "WARNING: a peak of 2 [train-000001 train-00000012]",
        "WARNING: after",
    ]
