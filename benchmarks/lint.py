"""How fast `bgsafe lint` is: a generated tree, beside the bare YAML parse of the same files and public linters."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.speed import peak_rss_mib

DOCUMENTS: Final = 5_000
PER_FILE: Final = 10
REDIS_SHARE: Final = 10
"""One document in so many runs a Redis."""

RUNS: Final = 3

PARSE: Final = """\
import pathlib, sys, yaml
count = 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.yaml")):
    with path.open(encoding="utf-8") as file:
        for document in yaml.load_all(file, yaml.CSafeLoader):
            count += 1
print(count)
"""

METADATA: Final = """\
metadata:
  name: {name}
  namespace: team-{team}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: shop
    app.kubernetes.io/managed-by: Helm
"""

WORKLOAD: Final = """\
apiVersion: apps/v1
kind: {kind}
{metadata}spec:
  replicas: 2
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      securityContext:
        runAsNonRoot: true
        fsGroup: 1001
      containers:
        - name: {container}
          image: {image}
          args: {args}
          ports:
            - containerPort: {port}
              name: main
          env:
            - name: LOG_LEVEL
              value: "info"
            - name: POD_IP
              valueFrom:
                fieldRef:
                  fieldPath: status.podIP
          resources:
            requests:
              cpu: 100m
              memory: 128Mi
            limits:
              memory: {limit}
          volumeMounts:
            - name: data
              mountPath: /data
      volumes:
        - name: data
          emptyDir: {{}}
"""

OTHERS: Final = (
    "apiVersion: v1\nkind: Service\n{metadata}spec:\n  selector:\n    app.kubernetes.io/name: {name}\n  ports:\n"
    "    - name: main\n      port: 80\n      targetPort: main\n",
    "apiVersion: v1\nkind: ConfigMap\n{metadata}data:\n  settings.yaml: |\n    log: info\n    retries: 3\n    peers:\n"
    "      - a\n      - b\n  LEVEL: info\n",
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\n{metadata}spec:\n  rules:\n    - host: {name}.example\n"
    "      http:\n        paths:\n          - path: /\n            pathType: Prefix\n            backend:\n"
    "              service:\n                name: {name}\n                port:\n                  name: main\n",
    "apiVersion: v1\nkind: ServiceAccount\n{metadata}",
)


def documents(count: int) -> Iterator[str]:
    """Documents as charts render them: a tenth Redis, four tenths other workloads, the rest other kinds."""
    chance = random.Random(1)  # noqa: S311 - the same tree each time
    for number in range(count):
        name = f"app-{number}"
        metadata = METADATA.format(name=name, team=number % 20)
        if number % REDIS_SHARE == 0:
            size = chance.choice([64, 100, 200, 400])
            args = f'["--maxmemory", "{size}mb", "--appendonly", "yes"]'
            words = {"image": "redis:7.2-alpine", "port": 6379, "container": "redis", "args": args}
        elif number % REDIS_SHARE < 5:
            words = {"image": "nginx:1.27", "port": 8080, "container": "web", "args": '["--verbose"]'}
        else:
            yield OTHERS[number % len(OTHERS)].format(name=name, metadata=metadata)
            continue
        kind = chance.choice(["Deployment", "StatefulSet"])
        yield WORKLOAD.format(kind=kind, name=name, metadata=metadata, limit=f"{chance.choice([256, 512])}Mi", **words)


def write_tree(root: Path, count: int = DOCUMENTS, per_file: int = PER_FILE) -> None:
    """The documents, so many to a file, in folders of fifty files."""
    made = list(documents(count))
    for number in range(0, len(made), per_file):
        folder = root / f"chart-{number // per_file // 50}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number:05}.yaml").write_text("---\n".join(made[number : number + per_file]), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Run:
    """What one command took, the best of several."""

    what: str
    seconds: float  # of CPU, user and system: on one core the least time that it can take
    peak_mib: float


def measured(what: str, command: Sequence[str], runs: int = RUNS) -> Run:
    """Run a command to its end; CPU time of the fastest run, memory of the largest."""
    seconds, peak = [], 0
    for _ in range(runs):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
        seconds.append(used.ru_utime + used.ru_stime)
        peak = max(peak, used.ru_maxrss)
    return Run(what, min(seconds), peak / 1024)


def beside(root: Path) -> Iterator[Run]:
    """Public linters, those of them that are installed. Each reads the same files and does another thing with them."""
    tools = {
        "yamllint (style of the YAML, no Kubernetes)": ("yamllint", "-d", "relaxed", str(root)),
        "kubernetes-validate (every object against its JSON Schema)": (
            "kubernetes-validate",
            *map(str, sorted(root.rglob("*.yaml"))),
        ),
    }
    for what, command in tools.items():
        path = Path(sys.executable).with_name(command[0])
        found = str(path) if path.exists() else shutil.which(command[0])
        if found is not None:
            yield measured(what, [found, *command[1:]], runs=1)


def lint_runs() -> tuple[list[Run], Run, Run]:
    """(on the tree: lint, the bare parse, linters; on a tenth of the tree; on one small file)."""
    bgsafe = str(Path(sys.executable).with_name("bgsafe"))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        whole, tenth, one = root / "whole", root / "tenth", root / "one"
        for folder, count in ((whole, DOCUMENTS), (tenth, DOCUMENTS // 10), (one, 1)):
            folder.mkdir()
            write_tree(folder, count)
        on_all = [
            measured("`bgsafe lint`", [bgsafe, "lint", "-q", str(whole)]),
            measured("bare parse (PyYAML's C loader)", [sys.executable, "-c", PARSE, str(whole)]),
            *beside(whole),
        ]
        few = measured("`bgsafe lint`, a tenth of the tree", [bgsafe, "lint", "-q", str(tenth)])
        cold = measured("`bgsafe lint`, one document, cold", [bgsafe, "lint", "-q", str(one)], runs=5)
    return on_all, few, cold


def section() -> str:
    """Markdown for docs/benchmarks.md."""
    on_all, few, cold = lint_runs()
    lint = on_all[0]
    rows = [
        f"| {run.what} | {run.seconds:.2f} | {DOCUMENTS / run.seconds:,.0f} | {run.peak_mib:.0f} | "
        f"{run.seconds / lint.seconds:.2f} |"
        for run in on_all
    ]
    return f"""
## `bgsafe lint`

A generated tree of {DOCUMENTS:,} documents in {DOCUMENTS // PER_FILE} files, one in {REDIS_SHARE} a Redis.
CPU seconds of one core (user and system, the start of the process included), one tool after the other in one run.
The linters beside it do other work: they are here for scale. The kernel reports no peak below that of the program that
starts them, {peak_rss_mib():.0f} MiB here.

| what | CPU s | documents/s | peak MiB | × `bgsafe lint` |
|---|---:|---:|---:|---:|
{chr(10).join(rows)}

Memory: {few.peak_mib:.0f} MiB for a tenth of the tree, {lint.peak_mib:.0f} MiB for all of it. One document, cold:
{cold.seconds:.2f} s of CPU, {cold.peak_mib:.0f} MiB.
"""


if __name__ == "__main__":
    sys.stdout.write(section())
