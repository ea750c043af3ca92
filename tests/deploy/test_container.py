"""bgsafe in a container as the DaemonSet has it, and a real Redis of another user in a container beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from checker.units import MIB
from tests.deploy.bundles import Containers, bind, can_run, process
from tests.deploy.rendering import Object, kustomize, named

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(can_run()), reason=can_run())]

POD_UID = "0a8c4c1e-1111-4222-8333-444455556666"
CONTAINER_ID = "ab" * 32
OTHER_USER = 999
"""Uid and gid of the server: what the official image has."""

LIMIT, MAXMEMORY = 256 * MIB, 100 * MIB


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    made = Containers(tmp_path_factory.mktemp("containers"), f"/bgsafe-test-{os.getpid()}")
    made.directory.chmod(0o711)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(containers: Containers) -> Iterator[None]:
    """A Redis whose configuration, data and process belong to a user that is not ours."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("no redis-server (deploy/debian-packages installs it)")
    for name in ("etc", "data"):
        (containers.directory / name).mkdir(mode=0o700)
    config = containers.directory / "etc/redis.conf"
    config.write_text(f"port 0\nunixsocket /data/socket\ndir /data\nmaxmemory {MAXMEMORY}\nsave 60 1\n")
    config.chmod(0o600)
    for path in (config.parent, config, containers.directory / "data"):
        os.chown(path, OTHER_USER, OTHER_USER)
    mounts = [
        bind(str(containers.directory / "etc"), "/etc/redis"),
        bind(str(containers.directory / "data"), "/data", writable=True),
    ]
    started = process([server, "/etc/redis/redis.conf"], uid=OTHER_USER, gid=OTHER_USER)
    cgroup = f"{containers.cgroup}/kubepods/burstable/pod{POD_UID}/{CONTAINER_ID}"
    command = containers.prepare("redis", started, mounts, cgroupsPath=cgroup, resources={"memory": {"limit": LIMIT}})
    with (containers.directory / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    end = time.monotonic() + 20
    while not (containers.directory / "data/socket").exists():
        assert running.poll() is None, (containers.directory / "log").read_text()
        assert time.monotonic() < end
        time.sleep(0.02)
    yield
    containers.close()
    running.wait(10)


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(containers: Containers, installed: Path) -> Run:
    """Run a command of the image with the DaemonSet's user, capabilities and mounts, but for what is changed."""
    pod = named(kustomize(), "DaemonSet", "bgsafe-agent")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    mounts = [
        bind(paths[mount["name"]], mount["mountPath"], writable=not mount["readOnly"])
        for mount in container["volumeMounts"]
        if mount["name"] in paths
    ]
    security = {**pod["securityContext"], **container["securityContext"]}

    def go(
        *command: str,
        capabilities: Sequence[str] = tuple(security["capabilities"]["add"]),
        uid: int = security["runAsUser"],
        namespaces: Sequence[str] = ("pid", "ipc", "uts", "mount"),
    ) -> subprocess.CompletedProcess[str]:
        number = len(containers.ids)
        started = process([str(installed / "bin/bgsafe"), *command], uid=uid, gid=uid, capabilities=capabilities)
        linux: dict[str, Any] = {
            "cgroupsPath": f"{containers.cgroup}/kubepods/besteffort/pod-of-agent/{number}",
            "namespaces": [{"type": one} for one in namespaces],
        }
        prepared = containers.prepare(
            f"agent-{number}", started, [*mounts, bind(str(installed), str(installed))], **linux
        )
        return subprocess.run(prepared, capture_output=True, text=True, timeout=60)

    return go


def judged(done: subprocess.CompletedProcess[str]) -> Object:
    """What was said of the server in our container; other tests' servers may be there too."""
    assert done.returncode in (0, 1), done.stderr
    subjects = json.loads(done.stdout)["subjects"]
    (found,) = (one for one in subjects if one["subject"]["container"] == CONTAINER_ID)
    return dict(found)


NODE = ("node", "--root", "/host", "--format", "json")


@pytest.mark.parametrize(
    "namespaces",
    [
        pytest.param(("pid", "ipc", "uts", "mount"), id="in the host's cgroup namespace"),
        pytest.param(("pid", "ipc", "uts", "mount", "cgroup"), id="in a cgroup namespace of its own"),
    ],
)
def test_the_agents_container_reads_what_a_server_of_another_user_was_started_with(
    run: Run, server: None, namespaces: Sequence[str]
) -> None:
    found = judged(run(*NODE, namespaces=namespaces))
    assert found["verdict"] == "safe"
    assert found["engine"]["name"] == "redis"
    assert found["engine"]["version"] is not None
    assert found["estimate"]["maxmemory_bytes"] == MAXMEMORY
    assert found["estimate"]["limit_bytes"] == LIMIT
    assert POD_UID in found["estimate"]["sources"]["limit_bytes"]


@pytest.mark.parametrize(
    ("capabilities", "version", "maxmemory"),
    [
        pytest.param((), None, None, id="none"),
        pytest.param(("DAC_READ_SEARCH",), None, None, id="DAC_READ_SEARCH"),
        pytest.param(("SYS_PTRACE",), "read", None, id="SYS_PTRACE"),
        pytest.param(("SYS_PTRACE", "DAC_READ_SEARCH"), "read", MAXMEMORY, id="both"),
    ],
)
def test_what_is_lost_without_each_capability(
    run: Run, server: None, capabilities: Sequence[str], version: str | None, maxmemory: int | None
) -> None:
    """The table of docs/security.md. Resident memory and the limit are read in any case, and nothing becomes safe."""
    found = judged(run(*NODE, capabilities=capabilities))
    assert (found["engine"]["version"] and "read") == version
    assert found["estimate"]["maxmemory_bytes"] == maxmemory
    assert found["estimate"]["resident_bytes"] > 0
    assert found["estimate"]["limit_bytes"] == LIMIT
    assert (found["verdict"] == "safe") is (maxmemory is not None)


def test_capabilities_reach_no_other_user_than_root(run: Run, server: None) -> None:
    """Kubernetes sets no ambient capabilities: who is not root starts without any, whatever was added."""
    assert judged(run(*NODE, uid=65532))["estimate"]["maxmemory_bytes"] is None
