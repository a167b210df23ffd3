"""Laws of processing many files: the order of the tasks, and results that do not depend on the workers."""

from __future__ import annotations

import os
import time

import numpy as np  # noqa: F401 (its library of linear algebra is what has threads)
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from rmod_pipeline.library.process_pool import map_batches, map_in_order


def double(tasks: list[int]) -> list[int | None]:
    return [2 * task for task in tasks]


def double_slowly_at_first(tasks: list[int]) -> list[int | None]:
    time.sleep(0.5 if 0 in tasks else 0)
    return double(tasks)


def double_or_crash(tasks: list[int]) -> list[int | None]:
    if 33 in tasks:
        os._exit(1)
    return double(tasks)


def count_threads(tasks: list[int]) -> list[int | None]:
    """Return, for each task, the most threads that a library of linear algebra may use here."""
    most = max(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
    return [most for _ in tasks]


@given(st.lists(st.integers(), max_size=60))
def test_results_have_the_order_of_the_tasks(tasks: list[int]) -> None:
    assert list(map_in_order(double, tasks, 1, len(tasks))) == [(task, 2 * task) for task in tasks]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_libraries_compute_with_one_thread_in_workers_and_without_them(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with threadpool_limits(limits=4):
        results = map_batches(count_threads, range(70), workers, 70)
        assert {threads for _, threads in results} == {1}


@pytest.mark.slow
def test_a_result_that_is_early_waits_for_the_others() -> None:
    results = list(map_in_order(double_slowly_at_first, range(100), 2, 100))
    assert results == [(task, 2 * task) for task in range(100)]


@pytest.mark.slow
def test_results_are_announced_before_they_wait() -> None:
    announced: list[int] = []
    results = map_in_order(double_slowly_at_first, range(100), 2, 100, lambda task, _: announced.append(task))
    next(results)
    assert len(announced) > 16, "the first batch came last"
    list(results)
    assert sorted(announced) == list(range(100))


@pytest.mark.slow
def test_a_crash_keeps_the_order() -> None:
    results = list(map_in_order(double_or_crash, range(100), 2, 100))
    assert results == [(task, None if task == 33 else 2 * task) for task in range(100)]


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def tasks() -> object:
        for task in range(1000):
            taken.append(task)
            yield task

    results = map_in_order(double, tasks(), 1, 1000)  # type: ignore[arg-type]
    next(results)
    assert len(taken) < 100
