"""A virtual machine that runs one Python program: Debian's kernel, and files of this machine in an initramfs.

Emulated (TCG), so that it runs where there is no KVM, too. The kernel's package is unpacked beside the system, once.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

QEMU = "qemu-system-x86_64"
PYTHON = Path("/usr/bin/python3")
KERNELS = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bgsafe-tests" / "kernel"
META_PACKAGE = "linux-image-cloud-amd64"
BOOT_SECONDS = 110
LEFT_OUT = {
    "test",
    "tests",
    "idlelib",
    "dist-packages",
    "site-packages",
    "lib2to3",
    "tkinter",
    "turtledemo",
    "ensurepip",
}


def kernel() -> Path:
    """Debian's kernel for virtual machines; fetched where it is not there, and the test skipped where it cannot be."""
    found = sorted(KERNELS.glob("boot/vmlinuz-*"))
    if found:
        return found[-1]
    if shutil.which("apt-get") is None:
        pytest.skip(f"no kernel in {KERNELS}, and no apt-get to fetch {META_PACKAGE} with")
    KERNELS.mkdir(parents=True, exist_ok=True)
    depends = ["apt-cache", "depends", META_PACKAGE]
    words = subprocess.run(depends, capture_output=True, text=True, timeout=60, check=False).stdout.split()
    package = next((word for word in words if word.startswith("linux-image-") and word != META_PACKAGE), None)
    if package is None:
        pytest.skip(f"apt-cache knows no {META_PACKAGE}")
    fetch = ["apt-get", "download", "-qq", package]
    fetched = subprocess.run(fetch, cwd=KERNELS, capture_output=True, text=True, timeout=120, check=False)
    if fetched.returncode:
        pytest.skip(f"{package} could not be fetched: {fetched.stderr.strip()[-200:]}")
    for archive in KERNELS.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", archive, KERNELS], check=True, timeout=120)
        archive.unlink()
    shutil.rmtree(KERNELS / "lib", ignore_errors=True)  # modules, of which nothing is needed
    return sorted(KERNELS.glob("boot/vmlinuz-*"))[-1]


def shared_libraries(programs: Iterable[Path]) -> set[Path]:
    """What the loader would load for them."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, timeout=30, check=False).stdout
    return {Path(word) for word in listed.split() if word.startswith("/") and not word.endswith(":")}


def library_files(python: Path) -> Iterator[Path]:
    """The standard library, without what no program of ours imports."""
    where = "import sysconfig; print(sysconfig.get_path('stdlib'))"
    stdlib = Path(subprocess.run([python, "-c", where], capture_output=True, text=True, check=True).stdout.strip())
    for directory, names, files in os.walk(stdlib):
        names[:] = [name for name in names if name not in LEFT_OUT]
        yield from (Path(directory) / name for name in files)


def entry(number: int, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> bytes:
    """One member of a cpio archive (newc: Documentation/driver-api/early-userspace/buffer-format.rst)."""
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def initramfs(files: dict[str, Path], to: Path) -> None:
    """Write an archive with these files, their directories, and a console."""
    directories = {str(parent)[1:] for name in files for parent in Path(name).parents} | {
        "dev",
        "proc",
        "sys",
        "tmp",
        "var/tmp",
        "var",
    }
    with to.open("wb") as archive:
        number = 0
        for directory in sorted(directories - {""}):
            number += 1
            archive.write(entry(number, directory, stat.S_IFDIR | 0o755, b""))
        archive.write(entry(number + 1, "dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
        number += 1
        for name, path in sorted(files.items()):
            number += 1
            executable = 0o755 if os.access(path, os.X_OK) else 0o644
            archive.write(entry(number, name.removeprefix("/"), stat.S_IFREG | executable, path.read_bytes()))
        archive.write(entry(0, "TRAILER!!!", 0, b""))


def run(guest: Path, programs: Iterable[Path], package: Path, tmp_path: Path) -> str:
    """Boot, run `guest` with the Python package beside it, and return what it wrote to its console."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"{QEMU} is not installed (deploy/debian-packages installs it)")
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there, and the virtual machine runs the system's Python")
    binaries = [PYTHON, *programs]
    library = list(library_files(PYTHON))
    loaded = [path for path in library if path.suffix == ".so"]
    files = {str(path): path for path in (*binaries, *library)}
    files |= {str(path): path for path in shared_libraries([*binaries, *loaded])}
    files |= {f"/{path.relative_to(package.parent)}": path for path in package.rglob("*.py")}
    files["/guest.py"] = guest
    image = tmp_path / "initramfs"
    initramfs(files, image)
    options = f"console=ttyS0 quiet panic=-1 transparent_hugepage=madvise rdinit={PYTHON} -- /guest.py"
    command = [QEMU, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1500", "-nographic", "-no-reboot"]
    command += ["-kernel", str(kernel()), "-initrd", str(image), "-append", options, "-nic", "none"]
    done = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace", timeout=BOOT_SECONDS
    )
    return done.stdout
