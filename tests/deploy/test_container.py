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
from urllib.request import urlopen
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from checker.units import MIB
from tests.deploy.bundles import Containers, bind, can_run, process
from tests.deploy.rendering import KUSTOMIZE, Object, kustomize, named
from tests.webhook.serving import Running, free_port, mount, new_pair, until

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(can_run()), reason=can_run())]

POD_UID = str(uuid4())
CONTAINER_ID = uuid4().hex + uuid4().hex
"""Of this run alone: others may run the same tests on this machine."""

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


Prepared = Callable[..., list[str]]


@pytest.fixture(scope="module")
def pod() -> Object:
    """The DaemonSet's, without what needs an API server."""
    return dict(named(kustomize(()), "DaemonSet", "bgsafe-agent")["spec"]["template"]["spec"])


@pytest.fixture(scope="module")
def inside(containers: Containers, installed: Path, pod: Object) -> Prepared:
    """A command of the image with the DaemonSet's user, capabilities and mounts, but for what is changed."""
    (container,) = pod["containers"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    mounts = [
        bind(paths[mount["name"]], mount["mountPath"], writable=not mount["readOnly"])
        for mount in container["volumeMounts"]
        if mount["name"] in paths
    ]
    ours = [bind(str(KUSTOMIZE / "policy"), "/etc/bgsafe"), bind(str(installed), str(installed))]
    security = {**pod["securityContext"], **container["securityContext"]}

    def go(
        *command: str,
        more: Sequence[Object] = (),
        capabilities: Sequence[str] = tuple(security["capabilities"]["add"]),
        uid: int = security["runAsUser"],
        namespaces: Sequence[str] = ("pid", "ipc", "uts", "mount"),
    ) -> list[str]:
        number = len(containers.ids)
        started = process([str(installed / "bin/bgsafe"), *command], uid=uid, gid=uid, capabilities=capabilities)
        linux: dict[str, Any] = {
            "cgroupsPath": f"{containers.cgroup}/kubepods/besteffort/pod-of-agent/{number}",
            "namespaces": [{"type": one} for one in namespaces],
        }
        return containers.prepare(f"agent-{number}", started, [*mounts, *ours, *more], **linux)

    return go


def judged(command: list[str]) -> Object:
    """What is said of the server in our container; other tests' servers may be there too."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
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
    inside: Prepared, server: None, namespaces: Sequence[str]
) -> None:
    found = judged(inside(*NODE, namespaces=namespaces))
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
    inside: Prepared, server: None, capabilities: Sequence[str], version: str | None, maxmemory: int | None
) -> None:
    """The table of docs/security.md. Resident memory and the limit are read in any case, and nothing becomes safe."""
    found = judged(inside(*NODE, capabilities=capabilities))
    assert (found["engine"]["version"] and "read") == version
    assert found["estimate"]["maxmemory_bytes"] == maxmemory
    assert found["estimate"]["resident_bytes"] > 0
    assert found["estimate"]["limit_bytes"] == LIMIT
    assert (found["verdict"] == "safe") is (maxmemory is not None)


def test_capabilities_reach_no_other_user_than_root(inside: Prepared, server: None) -> None:
    """Kubernetes sets no ambient capabilities: who is not root starts without any, whatever was added."""
    assert judged(inside(*NODE, uid=65532))["estimate"]["maxmemory_bytes"] is None


@pytest.fixture
def page(inside: Prepared, pod: Object, server: None, containers: Containers) -> Iterator[str]:
    """The metrics of the agent with the DaemonSet's arguments, on a port of loopback."""
    port = free_port()
    arguments = [one for one in pod["containers"][0]["args"] if not one.startswith("--listen=")]
    command = inside(*arguments, f"--listen=127.0.0.1:{port}")
    log = containers.directory / "agent-log"
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=output)

    def get(path: str) -> str:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    def has_scanned() -> bool:
        assert running.poll() is None, log.read_text()
        try:
            return CONTAINER_ID in get("/metrics") and bool(get("/healthz"))
        except OSError:
            return False

    try:
        until(has_scanned, 30.0)
        yield get("/metrics")
    finally:
        containers.kill(command[-1])
        running.wait(15)


def test_the_agent_names_the_pod_and_judges_its_server(page: str) -> None:
    """Without the API server: the pod's UID and the container's id, from the cgroup's path."""
    ours = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.labels.get("container") == CONTAINER_ID:
                assert sample.labels["pod"] == POD_UID
                key = (sample.name, sample.labels.get("case") or sample.labels.get("verdict") or "")
                ours[key] = sample.value
    assert ours["bgsafe_verdict", "safe"] == 1
    assert ours["bgsafe_server_memory_limit_bytes", ""] == LIMIT
    assert ours["bgsafe_server_maxmemory_bytes", ""] == MAXMEMORY
    assert 0 < ours["bgsafe_server_resident_bytes", ""] < ours["bgsafe_fork_peak_bytes", "worst"] < LIMIT
    assert ours["bgsafe_fork_granted", ""] == 1


def test_the_webhook_serves_in_a_restricted_container(inside: Prepared, containers: Containers, tmp_path: Path) -> None:
    """As the Deployment has it: nobody, without a capability, with a root filesystem that cannot be written."""
    deployment = named(kustomize(("cert-manager",)), "Deployment", "bgsafe-webhook")["spec"]["template"]["spec"]
    authority, pair = new_pair()
    mount(tmp_path / "tls", pair, 1)
    readable = [tmp_path / "tls", *(path for path in (tmp_path / "tls").rglob("*") if not path.is_symlink())]
    for path in readable:
        path.chmod(0o755)
    port = free_port()
    command = inside(
        *deployment["containers"][0]["args"],
        f"--listen=127.0.0.1:{port}",
        more=[bind(str(tmp_path / "tls"), "/tls")],
        uid=deployment["securityContext"]["runAsUser"],
        capabilities=(),
    )
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    running = Running(process, port, authority, log)
    try:
        until(lambda: '"ready"' in running.log() or process.poll() is not None, 30.0)
        assert process.poll() is None, running.log()
        assert running.get("/readyz") == running.get("/metrics") == 200
    finally:
        containers.kill(command[-1])
        process.wait(15)
