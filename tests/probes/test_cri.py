import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.probes import cri

ID = "0123456789abcdef" * 4
UID = "7a3c5a5e-1f2b-4c3d-8e9f-0123456789ab"
UID_ = UID.replace("-", "_")
STATIC = "0123456789abcdef" * 2
SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID_}.slice"


@pytest.mark.parametrize(
    ("path", "pod", "container"),
    [
        pytest.param(f"{SLICE}/cri-containerd-{ID}.scope", UID, ID, id="containerd, systemd"),
        pytest.param(
            f"/kubepods.slice/kubepods-pod{UID_}.slice/cri-containerd-{ID}.scope", UID, ID, id="guaranteed, systemd"
        ),
        pytest.param(f"/kubepods/burstable/pod{UID}/{ID}", UID, ID, id="burstable, cgroupfs"),
        pytest.param(f"/kubepods/pod{UID}/{ID}", UID, ID, id="guaranteed, cgroupfs"),
        pytest.param(f"{SLICE}/crio-{ID}.scope", UID, ID, id="CRI-O"),
        pytest.param(f"{SLICE}/crio-{ID}.scope/container", UID, ID, id="crun's sub-cgroup"),
        pytest.param(f"{SLICE}/crio-conmon-{ID}.scope", UID, None, id="CRI-O's conmon is not the workload"),
        pytest.param(f"{SLICE}/docker-{ID}.scope", UID, ID, id="Docker below Kubernetes"),
        pytest.param(f"/system.slice/docker-{ID}.scope", None, ID, id="plain Docker, systemd"),
        pytest.param(f"/docker/{ID}", None, ID, id="plain Docker, cgroupfs"),
        pytest.param(f"/machine.slice/libpod-{ID}.scope/container", None, ID, id="podman"),
        pytest.param(f"/docker/{'f' * 64}/kubelet.slice{SLICE}/cri-containerd-{ID}.scope", UID, ID, id="kind"),
        pytest.param(f"/kubepods/burstable/pod{STATIC}/{ID}", STATIC, ID, id="static pod"),
        pytest.param(f"/../cri-containerd-{ID}.scope", None, ID, id="another container, from inside one"),
        pytest.param(f"{SLICE}/cri-containerd-{ID}.scope/system.slice/redis.service", UID, ID, id="systemd inside"),
        pytest.param("/system.slice/redis-server.service", None, None, id="a host service"),
        pytest.param("/", None, None, id="the root"),
        pytest.param(f"/docker/{ID[:63]}", None, None, id="one digit short"),
    ],
)  # fmt: skip
def test_path_to_pod_and_container(path, pod, container):
    assert cri.pod_uid(path) == pod
    assert cri.container_id(path) == container


@given(st.text())
def test_no_text_makes_them_raise(text):
    cri.pod_uid(text)
    cri.container_id(text)
