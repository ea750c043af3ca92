"""What the manifests tell the programs, the programs understand."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.deploy.rendering import ROOT, helm, kustomize, kustomize_directory, run, tool


def told() -> dict[str, list[str]]:
    """Where → the command and its options, as deployed."""
    found = {}
    for how, rendered in (
        ("chart", helm()),
        ("kustomize", kustomize()),
        ("cert-manager", kustomize(("cert-manager",))),
    ):
        for value in rendered:
            if value["kind"] in ("DaemonSet", "Deployment"):
                found[f"{value['kind']} of {how}"] = value["spec"]["template"]["spec"]["containers"][0]["args"]
    (cron_job,) = (value for value in kustomize_directory("nightly") if value["kind"] == "CronJob")
    found["nightly"] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    compose = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    found["compose.yaml"] = compose["services"]["bgsafe"]["command"]
    return found


@pytest.mark.parametrize(
    "where",
    [
        *(f"{kind} of {how}" for how in ("chart", "kustomize", "cert-manager") for kind in ("DaemonSet", "Deployment")),
        "nightly",
        "compose.yaml",
    ],
)
def test_every_option_is_one_of_the_command(where: str) -> None:
    command, *options = told()[where]
    known = re.findall(r"--[a-z-]+", run(tool("bgsafe"), command, "--help"))
    assert [option for option in options if option.partition("=")[0] not in known] == []


def test_every_variable_of_the_agents_pod_is_one_that_it_reads() -> None:
    (daemon_set,) = (value for value in kustomize() if value["kind"] == "DaemonSet")
    names = {item["name"] for item in daemon_set["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert names == set(re.findall(r"env\s+var:\s*(\w+)", run(tool("bgsafe"), "agent", "--help")))


def test_the_hooks_module_is_there() -> None:
    (job,) = (value for value in helm() if value["kind"] == "Job")
    python, flag, module, name = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert (python, flag, name) == ("python", "-m", "bgsafe")
    assert ROOT.joinpath(*module.split(".")).with_suffix(".py").exists()
