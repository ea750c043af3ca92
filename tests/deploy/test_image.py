"""The image, as far as it can be checked without a container engine: its steps, and what they install."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from tests.deploy.rendering import ROOT, tool
from tests.webhook.serving import free_port, mount, new_pair, started

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MANIFEST = """\
apiVersion: v1
kind: Pod
metadata: {name: cache}
spec:
  containers:
    - name: redis
      image: redis:7.2.5
      args: [--maxmemory, 1000mb]
      resources: {limits: {memory: 1Gi}}
"""

IMPORT_ALL = """
import importlib, pkgutil, checker, webhook
for package in (checker, webhook):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(checker.__file__)
"""


def run(installed: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """A command of the installation, with nothing of this environment."""
    command = [str(installed / "bin" / arguments[0]), *arguments[1:]]
    return subprocess.run(command, input=given, capture_output=True, text=True, cwd="/", env={}, timeout=60)


def test_the_installed_command_is_this_version(installed: Path) -> None:
    assert run(installed, "bgsafe", "--version").stdout.strip().endswith(f"version {PROJECT['version']}")


def test_the_installed_command_judges_a_manifest(installed: Path) -> None:
    done = run(installed, "bgsafe", "lint", "-", given=MANIFEST)
    assert (done.returncode, done.stderr) == (1, "")
    assert "unsafe" in done.stdout


def test_the_installed_command_explains_from_what_is_packaged(installed: Path) -> None:
    assert "overcommit" in run(installed, "bgsafe", "explain", "fork-refused").stdout


def test_every_module_needs_only_what_is_locked(installed: Path) -> None:
    """Imported away from the checkout: what is not packaged, or not locked, is missing here."""
    done = run(installed, "python", "-c", IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed)


def test_the_installed_webhook_serves(installed: Path, tmp_path: Path) -> None:
    authority, pair = new_pair()
    mount(tmp_path / "tls", pair, 1)
    port = free_port()
    files = ["--tls-cert", str(tmp_path / "tls/tls.crt"), "--tls-key", str(tmp_path / "tls/tls.key")]
    command = [
        str(installed / "bin/bgsafe"),
        "webhook",
        "--listen",
        f"127.0.0.1:{port}",
        "--drain-seconds",
        "0",
        *files,
    ]
    with started(command, port, authority, tmp_path / "log", python=str(installed / "bin/python")) as server:
        assert server.get("/readyz") == 200


def test_the_hook_of_the_chart_is_in_the_image(installed: Path) -> None:
    done = run(installed, "python", "-m", "webhook.uninstall", "bgsafe")
    assert done.returncode == 1
    assert "not in a cluster" in done.stderr
    assert "kubectl delete validatingwebhookconfiguration bgsafe" in done.stderr


# --- the recipe ---


def test_a_wheel_that_is_built_twice_is_the_same(tmp_path: Path) -> None:
    built = []
    for name in ("one", "two"):
        command = ["sh", str(ROOT / "deploy/image/distributions"), str(tmp_path / name)]
        subprocess.run(command, check=True, capture_output=True, cwd="/")
        (wheel,) = (tmp_path / name).glob("*.whl")
        assert list((tmp_path / name).glob("*.tar.gz"))
        built.append(wheel.read_bytes())
    assert built[0] == built[1]


AT_A_DESK = {"plot"}
"""Extras that the image does without: nobody draws pictures in it."""


def locked() -> dict[str, str]:
    text = (ROOT / "deploy/image/requirements.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", text, re.MULTILINE))


def test_the_lock_has_every_dependency_in_a_version_that_is_allowed() -> None:
    extras = {name: needs for name, needs in PROJECT["optional-dependencies"].items() if name not in AT_A_DESK}
    wanted = [*PROJECT["dependencies"], *(one for needs in extras.values() for one in needs)]
    found = locked()
    wrong = [
        text for text in wanted if not (need := Requirement(text)).specifier.contains(found.get(need.name.lower(), "0"))
    ]
    assert wrong == [], "sh deploy/image/lock writes the lock files anew"


def test_the_dockerfile_has_no_lint() -> None:
    done = subprocess.run([tool("hadolint"), "-"], input=DOCKERFILE, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_workflows_have_no_lint() -> None:
    """Among what zizmor asks: actions pinned by hash, the least permissions, no text of strangers in commands."""
    command = [tool("zizmor"), "--offline", "--no-progress", str(ROOT / ".github")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_as_nobody_and_is_pinned() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    assert f"ARG VERSION={PROJECT['version']}\n" in DOCKERFILE


def test_every_link_out_of_the_packages_is_sent_to_the_builder() -> None:
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    links = [
        path.resolve() for name in ("checker", "webhook") for path in (ROOT / name).rglob("*") if path.is_symlink()
    ]
    assert [link for link in links if f"!{link.relative_to(ROOT)}" not in sent] == []
