"""The remedy names the field that the reader can edit."""

import pytest

from checker.units import MIB
from tests.build import a_cgroup, a_level, a_manifest, a_server, with_limit
from tests.rules.asking import ask, limit_in, status

UID = "0b2f3c4d-1111-2222-3333-444455556666"
SLICE = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"
ID = "a" * 64
POD = f"/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/{SLICE}/cri-containerd-{ID}.scope"
HELD = 400 * MIB + 400 * MIB // 512


def at(directory, **changed):
    return a_server(cgroup=a_cgroup(a_level(directory, memory_max=HELD), **changed))


@pytest.mark.parametrize(
    ("server", "words"),
    [
        pytest.param(a_manifest(limit=700 * MIB), "resources.limits.memory to ", id="manifest"),
        pytest.param(at(POD, pod_uid=UID, container_id=ID), "resources.limits.memory to ", id="pod"),
        pytest.param(
            at("/sys/fs/cgroup/kubepods.slice", pod_uid=UID, container_id=ID),
            "what the node gives to kubepods.slice to ",
            id="all pods of the node",
        ),
        pytest.param(
            at(f"/sys/fs/cgroup/system.slice/docker-{ID}.scope", container_id=ID), "docker --memory) to ", id="Docker"
        ),
        pytest.param(
            at("/sys/fs/cgroup", path="/", ancestors_hidden=True),
            "(resources.limits.memory, or docker --memory) to ",
            id="inside a container",
        ),
        pytest.param(
            at("/sys/fs/cgroup/system.slice/redis@1.service"), "MemoryMax= of redis@1.service to ", id="systemd unit"
        ),
        pytest.param(at("/sys/fs/cgroup/system.slice"), "MemoryMax= of system.slice to ", id="systemd slice"),
        pytest.param(at("/sys/fs/cgroup/cache"), "memory.max of cache to ", id="cgroup v2"),
        pytest.param(
            at("/sys/fs/cgroup/memory/cache", version=1), "memory.limit_in_bytes of cache to ", id="cgroup v1"
        ),
    ],
)
def test_the_limit_is_named_as_its_owner_names_it(server, words):
    finding = ask("expected-peak-over-limit", server)
    assert finding.remedy.startswith("raise ")
    assert words in finding.remedy
    assert status("expected-peak-over-limit", with_limit(server, limit_in(finding))) == "pass"


def test_systemd_and_kubernetes_write_mebibytes_differently():
    unit = ask("expected-peak-over-limit", at("/sys/fs/cgroup/system.slice/redis.service"))
    pod = ask("expected-peak-over-limit", at(POD, pod_uid=UID, container_id=ID))
    assert "M," in unit.remedy
    assert "Mi," in pod.remedy


def test_the_root_cgroup_has_a_name_too():
    assert "the root cgroup" in ask("limit-unset", a_server(cgroup=a_cgroup(levels=(), path="/"))).remedy
