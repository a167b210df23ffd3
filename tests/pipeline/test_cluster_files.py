"""The files in docker/ have the form that Ray, KubeRay and Slurm require."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tiny_build import PATIENCE_SECONDS

DOCKER = Path(__file__).parents[2] / "docker"

REPLACEMENTS = {
    "srun": 'while [[ $1 == --* ]]; do shift; done; exec "$@"',
    "scontrol": "echo node1; echo node2",
    "getent": "echo 192.0.2.1 node1",
    "ray": """
case $1 in
    get-auth-token) ;;
    start) echo "$@" >> started; exec sleep 60 ;;
    health-check) echo . >> asked; [ "$(wc -l < asked)" -ge "$UP_AT" ] ;;
esac""",
    "rmod": 'until [ "$(wc -l < started)" -ge 2 ]; do sleep; done; echo "cache ${RMOD_CACHE:-none}"; echo "$@"; exit 3',
    "sleep": "/bin/sleep 0.01",
}
"""Scripts that replace the commands of Slurm and Ray."""


def load_yaml(name: str) -> Any:
    """Return the content of a YAML file in docker/."""
    return yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))


def test_the_head_starts_with_the_list_of_its_workers() -> None:
    config = load_yaml("cluster.yaml")
    start = shlex.split(config["head_start_ray_commands"][-1])
    assert start[:3] == ["ray", "start", "--head"]
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start
    assert config["provider"]["worker_ips"]


def test_the_kubernetes_job_is_complete() -> None:
    spec = load_yaml("rayjob.yaml")["spec"]
    cluster = spec["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    groups = {group["groupName"]: group for group in cluster["workerGroupSpecs"]}
    assert groups["encoders"]["replicas"] == 0
    for group in groups.values():
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    assert shlex.split(spec["entrypoint"])[:2] == ["rmod", "build"]


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.cuda"])
def test_a_login_shell_finds_rmod(name: str) -> None:
    text = (DOCKER / name).read_text(encoding="utf-8")
    assert "echo 'export PATH=/opt/rmod/bin:$PATH' > /etc/profile.d/rmod.sh" in text
    assert text.index("profile.d") < text.index("USER rmod"), "only root may write there"


def run_slurm_script(folder: Path, out: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run slurm.sh with replacements for the commands of Slurm and Ray."""
    tools = folder / "bin"
    tools.mkdir()
    for name, code in REPLACEMENTS.items():
        (tools / name).write_text(f"#!/bin/bash\n{code}\n")
        (tools / name).chmod(0o755)
    environment = {
        "PATH": f"{tools}:/usr/bin:/bin",
        "HOME": str(folder),
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_CPUS_ON_NODE": "4",
        "UP_AT": "3",
        **variables,
    }
    command = ["bash", str(DOCKER / "slurm.sh"), out, "rmod", "--pairs", "train=10"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


@pytest.mark.parametrize(("out", "cache"), [("/shared/OUT", "/shared/cache"), ("s3://bucket/OUT", "none")])
def test_slurm_starts_ray_and_returns_the_exit_code_of_the_build(tmp_path: Path, out: str, cache: str) -> None:
    run = run_slurm_script(tmp_path, out)
    assert run.returncode == 3, run.stderr
    assert run.stdout.splitlines() == [
        f"cache {cache}",
        f"build rmod --pairs train=10 --out {out} --address 192.0.2.1:20007",
    ]
    started = (tmp_path / "started").read_text()
    assert "--head --port=20007" in started
    assert "--address=192.0.2.1:20007" in started
    assert len((tmp_path / "asked").read_text().splitlines()) == 3


def test_slurm_stops_if_the_head_does_not_start(tmp_path: Path) -> None:
    run = run_slurm_script(tmp_path, "/shared/OUT", UP_AT="1000", RAY_START_TRIES="4")
    assert run.returncode == 1
    assert "Ray is not up at 192.0.2.1:20007" in run.stderr
    assert not run.stdout
