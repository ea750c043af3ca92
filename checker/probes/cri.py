"""The path of a cgroup → the Kubernetes pod and the container that it belongs to.

Source: kubelet pkg/kubelet/cm/cgroup_manager_linux.go ToSystemd/ToCgroupfs, containerd getCgroupsPath,
CRI-O, Docker, crun (a sub-cgroup `container` below the scope).
"""

from __future__ import annotations

import re

_POD = re.compile(
    r"pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?:/|$)",
    re.ASCII,
)
_CONTAINER = re.compile(r"(?:^|/)(?:(?:cri-containerd|crio|docker|libpod)-)?([0-9a-f]{64})(?:\.scope)?(?:/container)?$")


def pod_uid(path: str) -> str | None:
    """UID of the innermost pod in the path, with dashes (a static pod's has none); `None` outside Kubernetes."""
    found = _POD.findall(path)
    return found[-1].replace("_", "-") if found else None


def container_id(path: str) -> str | None:
    """Return the 64 hex digits of the innermost container at the end of the path; `None` for a host service.

    A cgroup that the container made for itself below its own is its container's too.
    """
    parts = path.rstrip("/").split("/")
    for end in range(len(parts), 0, -1):
        if match := _CONTAINER.search("/".join(parts[:end])):
            return match[1]
    return None
