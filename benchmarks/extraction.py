"""Score of the extraction against a folder of labelled manifests, per field: `python benchmarks/extraction.py FOLDER`.

The folder has `labels.json` (per file, document and container: what a person read) and the files that it names.
Labels marked `ambiguous` are not counted. Exit code 1 where a server was missed or a container wrongly taken for one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from checker.facts import Server, Unlimited, Unread
from checker.manifests import Extraction, extract, split
from checker.manifests.servers import is_default

VOLUMES = {"emptyDir-memory": "memory", "emptyDir": "emptyDir", "pvc": "pvc", "hostPath": "hostPath", "none": "none"}


def number(value: object) -> int | None:
    """A number as the labels write it: null for "not there" and "not known" alike."""
    return value if isinstance(value, int) else None


def choice(server: Server, field: str, on: bool) -> str:
    """on, off, default, unknown."""
    value = getattr(server.config, field)
    if isinstance(value, Unread):
        return "unknown"
    if is_default(server.config.sources.get(field)):
        return "default"
    return "on" if on else "off"


def maxmemory_source(server: Server) -> str:
    """none, args, command, env, configmap, secret, cr, unknown."""
    if isinstance(server.config.maxmemory, Unread):
        return "unknown"
    source = server.config.sources.get("maxmemory")
    if source is None:
        return "none"
    word = source.split()[0].lower()
    return "cr" if word.startswith("spec.") else word


def triggers(server: Server) -> list[str]:
    """What makes this server fork by itself; what is not known is left out, as in the labels."""
    if server.engine.forks is not True:
        return []
    config = server.config
    named = (("rdb", config.save), ("aof", config.appendonly), ("replication", config.replicas_possible))
    return sorted(name for name, value in named if value and not isinstance(value, Unread))


def fields(server: Server, request: object) -> dict[str, Any]:
    """The labelled fields, from what was extracted."""
    config, limit = server.config, server.limit
    own = limit.source == "resources.limits.memory" and not isinstance(limit.value, Unlimited)
    volume = server.volume.filesystem
    explicit = "maxmemory" in config.sources
    return {
        "engine": server.engine.name,
        "forks_for_snapshot": server.engine.forks,
        "memory_limit_bytes": number(limit.value) if own else None,
        "memory_request_bytes": number(request),
        "maxmemory_bytes": number(config.maxmemory) if explicit else None,
        "maxmemory_source": maxmemory_source(server),
        "maxmemory_policy": config.maxmemory_policy
        if "maxmemory_policy" in config.sources and not isinstance(config.maxmemory_policy, Unread)
        else None,
        "rdb_save": choice(server, "save", bool(config.save)),
        "appendonly": choice(server, "appendonly", config.appendonly is True),
        "replica_of": None
        if isinstance(config.replicaof, Unread) or (config.cluster_enabled is True and config.replicaof is False)
        else config.replicaof,
        "data_dir_volume": "unknown" if isinstance(volume, Unread) else VOLUMES.get(volume, "other"),
        "auto_fork_triggers": triggers(server),
    }


def labels(folder: Path) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """(file, labelled document, labelled container), the ambiguous ones left out."""
    for entry in json.loads((folder / "labels.json").read_text(encoding="utf-8")):
        for document in entry["docs"]:
            for container in document["containers"]:
                if not container.get("ambiguous"):
                    yield entry["file"], document, container


def match(
    extraction: Extraction, document: Mapping[str, Any], container: Mapping[str, Any], used: set[int]
) -> tuple[Server, object] | None:
    """The extracted server that a label speaks of: same kind, name and container, each taken once."""
    for index, (server, request) in enumerate(zip(extraction.servers, extraction.memory_requests, strict=True)):
        subject = server.subject
        same = subject.container == container["name"] or container.get("cr_role")
        if index not in used and (subject.kind, subject.name) == (document["kind"], document["name"]) and same:
            used.add(index)
            return server, request
    return None


def score(folder: Path) -> tuple[dict[str, list[str]], dict[str, int]]:
    """(misses per field, counted labels per field)."""
    misses: dict[str, list[str]] = defaultdict(list)
    totals: dict[str, int] = defaultdict(int)
    extracted: dict[str, Extraction] = {}
    used: dict[str, set[int]] = defaultdict(set)
    for file, document, container in labels(folder):
        if file not in extracted:
            text = (folder / file).read_text(encoding="utf-8", errors="replace")
            extracted[file] = extract(split(text.splitlines(keepends=True), file))
        extraction = extracted[file]
        who = f"{file} {document['kind']} {document['name']} {container['name']}"
        found = match(extraction, document, container, used[file]) if container["is_data_server"] else None
        totals["is_data_server"] += 1
        totals["sets_overcommit"] += 1
        tunes = any(
            "vm.overcommit_memory" in " ".join(other.tunes)
            for other in extraction.others
            if (other.subject.name, other.subject.container) == (document["name"], container["name"])
        )
        if tunes is not container["sets_overcommit"]:
            misses["sets_overcommit"].append(f"{who}: {tunes}, label {container['sets_overcommit']}")
        if container["is_data_server"] and found is None:
            misses["is_data_server"].append(f"{who}: missed")
        if found is None:
            continue
        for name, value in fields(*found).items():
            expected = container.get(name)
            if name == "auto_fork_triggers":
                expected = sorted(expected or [])
            totals[name] += 1
            if value != expected:
                misses[name].append(f"{who}: {value!r}, label {expected!r}")
    for file, extraction in extracted.items():
        for index, server in enumerate(extraction.servers):
            if index not in used[file]:
                subject = server.subject
                misses["is_data_server"].append(f"{file} {subject.kind} {subject.name} {subject.container}: no server")
    return misses, totals


def section(folder: Path) -> str:
    """Markdown for docs/benchmarks.md."""
    misses, totals = score(folder)
    rows = [
        f"| {name} | {total - len(misses[name])} | {total} | {100 * (total - len(misses[name])) / total:.2f} |"
        for name, total in totals.items()
    ]
    right, all_labels = sum(totals.values()) - sum(map(len, misses.values())), sum(totals.values())
    rows.append(f"| **all fields** | {right} | {all_labels} | **{100 * right / all_labels:.2f}** |")
    return (
        "\n## What is read from real manifests\n\n"
        "Manifests from public repositories, labelled by hand; labels that are marked as ambiguous are left out.\n\n"
        "| field | right | of | % |\n|---|---:|---:|---:|\n" + "\n".join(rows) + "\n"
    )


def write(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--misses", action="store_true", help="list every miss")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    misses, totals = score(options.folder)
    seconds = time.perf_counter() - started
    right = all_labels = 0
    for name, total in totals.items():
        wrong = len(misses[name])
        right, all_labels = right + total - wrong, all_labels + total
        write(f"{name:24} {total - wrong:5} of {total:5}  {100 * (total - wrong) / total:6.2f} %")
    write(f"{'all fields':24} {right:5} of {all_labels:5}  {100 * right / all_labels:6.2f} %   in {seconds:.2f} s")
    if options.misses:
        for name, lines in misses.items():
            for line in lines:
                write(f"  {name}: {line}")
    return 1 if misses["is_data_server"] else 0


if __name__ == "__main__":
    sys.exit(main())
