"""Containers of our own: OCI bundles run with runc, as a kubelet's runtime would run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.rendering import Object

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64")
"""What programs need to start. The root filesystem has nothing else of this machine's."""


@dataclass
class Containers:
    """Makes containers below one directory and one cgroup of our own; `close` ends them all."""

    directory: Path
    cgroup: str  # below every hierarchy's root
    ids: list[str] = field(default_factory=list)

    def prepare(self, name: str, process: Object, mounts: Sequence[Object], **linux: Any) -> list[str]:
        """Write a bundle; the command that runs it."""
        bundle = self.directory / name
        rootfs = bundle / "rootfs"
        for path in ("/proc", "/dev", *(mount["destination"] for mount in mounts)):
            (rootfs / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        shared = [path for path in {*SYSTEM, sys.base_prefix} if Path(path).exists()]
        for path in shared:
            if Path(path).is_symlink():
                (rootfs / path.lstrip("/")).symlink_to(Path(path).readlink())
            else:
                (rootfs / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        config = {
            "ociVersion": "1.0.2",
            "process": {"terminal": False, "cwd": "/", "noNewPrivileges": True, **process},
            "root": {"path": "rootfs", "readonly": True},
            "hostname": name,
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                *(bind(path, path) for path in sorted(shared) if not Path(path).is_symlink()),
                *mounts,
            ],
            "linux": {
                "namespaces": [{"type": one} for one in ("pid", "ipc", "uts", "mount")],
                **linux,
            },
        }
        (bundle / "config.json").write_text(json.dumps(config))
        identity = f"bgsafe-{os.getpid()}-{name}"
        self.ids.append(identity)
        return ["runc", "--root", str(self.directory / "state"), "run", "--bundle", str(bundle), identity]

    def kill(self, identity: str) -> None:
        """Kill a container, and delete it."""
        command = ["runc", "--root", str(self.directory / "state"), "delete", "--force", identity]
        subprocess.run(command, capture_output=True, timeout=30)

    def close(self) -> None:
        """Kill and delete every container, then the cgroups above theirs."""
        for identity in self.ids:
            self.kill(identity)
        mounted = Path("/sys/fs/cgroup")  # of v2 alone; of v1 one folder for each hierarchy
        for hierarchy in (mounted, *mounted.iterdir()):
            top = hierarchy / self.cgroup.strip("/")
            for directory in sorted(top.rglob("*"), reverse=True) if top.is_dir() else ():
                if directory.is_dir():
                    directory.rmdir()
            if top.is_dir():
                top.rmdir()


def bind(source: str, destination: str, *, writable: bool = False) -> Object:
    """A bind mount of all that is below, as hostPath volumes are."""
    options = ["rbind", "nosuid", "nodev", "rw" if writable else "ro"]
    return {"destination": destination, "type": "bind", "source": source, "options": options}


def process(args: Sequence[str], *, uid: int, gid: int, capabilities: Sequence[str] = ()) -> Object:
    """A process with these capabilities and no others; none of them are ambient, as in Kubernetes."""
    names = [f"CAP_{name}" for name in capabilities]
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "args": list(args),
        "user": {"uid": uid, "gid": gid},
        "env": [path],
        "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), names),
    }


def can_run() -> str:
    """Why no container can be run here; "" where one can."""
    if os.geteuid() != 0:
        return "needs root"
    if shutil.which("runc") is None:
        return "runc is not there (deploy/debian-packages installs it)"
    return ""
