"""Twenty thousand pods over HTTP, in pages: each Redis once, and no more memory than a few pages."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from checker.survey.reading import PODS as LIST
from tests.cluster.objects import made_by, pod, workload
from tests.cluster.serving import Served, serving
from tests.webhook.clusters import kubeconfig
from tests.webhook.making import RISKY, container

PODS = 20_000
REDIS_EVERY = 50
"""One pod in so many is of a Redis."""

SETS = PODS // REDIS_EVERY // 4
DEPLOYMENTS = 500
MOST_MEMORY_BYTES = 250 * 1024**2

FILLER = [{"name": f"VARIABLE_{number}", "value": "x" * 60} for number in range(60)]
"""An ordinary pod is 5 to 20 KB of JSON; this makes about 6."""

WEB = {"name": "web", "image": "registry.example/web:1", "env": FILLER}


def a_pod(number: int) -> dict[str, Any]:
    if number % REDIS_EVERY == 0:
        name = f"cache-{number // REDIS_EVERY % SETS}"
        return pod(f"{name}-{number}", container(RISKY), ownerReferences=made_by("StatefulSet", name))
    owner, labels = f"web-{number % DEPLOYMENTS}-6f9c", {"pod-template-hash": "6f9c"}
    return pod(f"{owner}-{number}", WEB, ownerReferences=made_by("ReplicaSet", owner), labels=labels)


def a_large_cluster() -> Served:
    """One that makes its pods as they are asked for."""
    served = Served(made={"v1/pods": (PODS, a_pod)})
    served.add(*(workload("StatefulSet", f"cache-{number}", container(RISKY)) for number in range(SETS)))
    return served.add(*(workload("Deployment", f"web-{number}", WEB) for number in range(DEPLOYMENTS)))


MEASURED = """\
import re, sys
from checker.cli import cli
try:
    cli(sys.argv[1:])
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
"""The command, and then the KiB that it had at most: the kernel's ru_maxrss of a child begins with its parent's."""


def go_through(url: str, folder: Path, *arguments: str) -> int:
    """Run `bgsafe cluster`; give the bytes of memory that it took."""
    named = ["cluster", "--kubeconfig", str(kubeconfig(folder, url)), *arguments]
    ran = subprocess.run([sys.executable, "-c", MEASURED, *named], stdout=subprocess.PIPE, text=True, timeout=300)
    assert ran.returncode == 0
    return int(ran.stdout.split()[-1]) * 1024


def test_twenty_thousand_pods_are_gone_through_in_bounded_memory(tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    served = a_large_cluster()
    with serving(served) as url:
        memory = go_through(url, tmp_path, "--format", "json", "--output", str(output))
    document = json.loads(output.read_text(encoding="utf-8"))
    assert document["summary"]["risky"] == SETS == len(document["subjects"])
    assert document["problems"] == []
    assert memory < MOST_MEMORY_BYTES
    assert served.paths().count("/api/v1/pods") == PODS // LIST.page_objects
