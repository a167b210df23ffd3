"""Jobs are submitted to a cluster as the documentation says, and Prometheus can read their metrics."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from ray.job_submission import JobSubmissionClient

from rmod_pipeline.shards.layout import Layout
from tests.tiny_build import PATIENCE_SECONDS, RECIPE, list_drafts, reproducible_files, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

GUIDES = Path(__file__).parents[3] / "docs" / "guides"


def printed_command(page: Path, changes: dict[str, str], number: int = 0) -> list[str]:
    """Return a `ray job submit` command that a page prints, with some words replaced, ready to be run."""
    commands = re.findall(r"```sh\n(ray job submit .*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    words = shlex.split(commands[number].replace("\\\n", " "))
    assert changes.keys() <= set(words)
    words = [re.sub(r"/shared/cache", os.environ["RMOD_CACHE"], changes.get(word, word)) for word in words]
    position = words.index("--") + 1
    assert words[position] == "rmod"
    words[position : position + 1] = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()"]
    return [str(Path(sys.executable).with_name("ray")), *words[1:]]


def submit_job(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that submits a job; again while the agent of the head is not up."""
    for _ in range(20):
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        if "No available agent" not in run.stderr + run.stdout:
            break
        time.sleep(2)
    return run


def test_a_build_is_submitted_as_the_guide_says_and_has_metrics(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    changes = {
        "http://HEAD:8265": f"http://{cluster.webui_url}",
        "/shared/my.yaml": str(tmp_path / "tiny.yaml"),
        "/shared/library.csv": str(tiny_manifest),
        "/shared/OUT": str(tmp_path / "out"),
        "train=1000000,valid=10000,test=10000": "train=10,valid=2",
        "1000": "3",
    }
    run = submit_job(printed_command(GUIDES / "clusters.md", changes))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Built 12 pairs" in run.stdout
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)

    def read_metrics() -> str:
        text = ""
        for node in cluster.list_all_nodes():
            url = f"http://{node.node_ip_address}:{node.metrics_export_port}/metrics"
            with urllib.request.urlopen(url) as response:
                text += response.read().decode()
        return text

    assert wait_until(lambda: "ray_rmod_pairs_total" in read_metrics())
    assert "ray_rmod_shards_total{" in read_metrics()


@pytest.mark.long
def test_a_job_with_a_local_recipe_is_stopped_and_resumes(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path
) -> None:
    (tmp_path / "laptop").mkdir()
    (tmp_path / "laptop" / "my.yaml").write_text(RECIPE)
    layout, dashboard = Layout(tmp_path / "out"), f"http://{cluster.webui_url}"
    changes = {
        "http://HEAD:8265": dashboard,
        "./my-recipes": str(tmp_path / "laptop"),
        "/shared/library.csv": str(tiny_manifest),
        "/shared/OUT": str(tmp_path / "out"),
        "train=1000000": "train=120",
        "1000": "5",
    }
    command = printed_command(GUIDES / "clusters.md", changes, number=1)
    run = submit_job([*command[:3], "--no-wait", "--submission-id", "to-be-stopped", *command[3:]])
    assert run.returncode == 0, run.stdout + run.stderr
    assert wait_until(layout.receipts)

    # `ray job stop` does this, but takes seconds to start, in which the build may end.
    client = JobSubmissionClient(dashboard)
    client.stop_job("to-be-stopped")
    assert wait_until(lambda: client.get_job_status("to-be-stopped").is_terminal())
    assert "Stopped. What is finished is kept" in client.get_job_logs("to-be-stopped")
    assert not list(Path(str(layout.leases)).iterdir()), "a lease is left"
    assert len(layout.receipts()) < 24, "nothing is left to resume"
    run = submit_job(command)
    assert run.returncode == 0, run.stdout + run.stderr
    assert reproducible_files(tmp_path / "out") == reproducible_files(larger)
    assert not list_drafts(tmp_path / "out")


@pytest.mark.long
def test_a_training_is_submitted_as_the_guide_says(cluster: Cluster, tiny_tokens: Path, tmp_path: Path) -> None:
    model = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 32, "condition_frames": 44}
    schedule = {"batch": 4, "steps": 4, "check_every_steps": 2}
    content = {"name": "small", "instruments": ["kick"], "model": model, "schedule": schedule}
    (tmp_path / "small.yaml").write_text(json.dumps(content))
    changes = {
        "http://HEAD:8265": f"http://{cluster.webui_url}",
        "--entrypoint-num-gpus": "--entrypoint-num-cpus",
        "8": "1",
        "paper": str(tmp_path / "small.yaml"),
        "/shared/OUT": str(tiny_tokens),
        "/shared/models": str(tmp_path / "models"),
    }
    run = submit_job(printed_command(GUIDES / "training.md", changes))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "unigram" in run.stdout
    assert (tmp_path / "models" / "kick.pth").is_file()
