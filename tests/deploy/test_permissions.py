"""What agent, webhook and hook may do: on their node, and at the API server. Nothing more than is written here."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from checker.survey.reading import CONFIG_MAPS, LIMIT_RANGES, NODES, PODS, WORKLOADS
from tests.deploy.rendering import ROOT, Object, helm, kustomize, kustomize_directory

BARE: Object = {
    "nodeFacts": False,
    "webhook": {"resolve": False, "certificates": {"mode": "cert-manager"}},
    "agent": {"podNames": False},
}


def bare(**changed: Any) -> str:
    """Values with which nobody asks the API server for anything, but for what is changed."""
    merged = {
        key: {**value, **changed.get(key, {})} if isinstance(value, dict) else changed.get(key, value)
        for key, value in BARE.items()
    }
    return json.dumps(merged)


def granted(rendered: tuple[Object, ...], account: str) -> set[str]:
    """`cluster get pods`, `namespace create secrets`, with names where there are some: all that an account may do."""
    roles = {(value["kind"], value["metadata"]["name"]): value for value in rendered}
    found = set()
    for binding in rendered:
        if binding["kind"] in ("RoleBinding", "ClusterRoleBinding"):
            subjects = {subject["name"] for subject in binding["subjects"]}
            if account not in subjects:
                continue
            role = roles[binding["roleRef"]["kind"], binding["roleRef"]["name"]]
            scope = "namespace" if binding["kind"] == "RoleBinding" else "cluster"
            for rule in role["rules"]:
                names = f" {','.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
                found |= {f"{scope} {verb} {what}{names}" for verb in rule["verbs"] for what in rule["resources"]}
    return found


SELF_SIGNED = {
    "namespace get secrets bgsafe-webhook-tls",
    "namespace patch secrets bgsafe-webhook-tls",
    "namespace create secrets",
    "cluster get validatingwebhookconfigurations bgsafe",
    "cluster patch validatingwebhookconfigurations bgsafe",
}
RESOLVE = {
    "cluster get configmaps",
    "cluster get namespaces",
    *(f"cluster list {what}" for what in ("limitranges", "pods", "daemonsets", "deployments", "statefulsets")),
    "cluster list cronjobs",
}
NODE_FACTS = {"namespace list configmaps", "cluster list nodes"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, set(), id="certificates from elsewhere"),
        pytest.param({"webhook": {"certificates": {"mode": "self-signed"}}}, SELF_SIGNED, id="self-signed"),
        pytest.param({"webhook": {"resolve": True}}, RESOLVE, id="resolve"),
        pytest.param({"nodeFacts": True}, NODE_FACTS, id="node facts"),
        pytest.param({"nodeFacts": True, "agent": {"enabled": False}}, set(), id="node facts without agents"),
    ],
)
def test_the_webhook_has_the_permissions_of_what_is_on_and_a_token_for_them_alone(
    values: dict[str, Any], expected: set[str]
) -> None:
    rendered = helm(bare(**values))
    assert granted(rendered, "bgsafe-webhook") == expected
    assert pod_of(rendered, "Deployment")["automountServiceAccountToken"] is bool(expected)


OWN_FACTS = {f"namespace {verb} configmaps" for verb in ("create", "patch")}
POD_NAMES = {f"cluster {verb} pods" for verb in ("list", "watch")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"agent": {"podNames": True}}, POD_NAMES, id="pod names"),
        pytest.param({"nodeFacts": True}, OWN_FACTS, id="node facts"),
        pytest.param({"nodeFacts": True, "webhook": {"enabled": False}}, set(), id="node facts without a webhook"),
    ],
)
def test_the_agent_has_the_permissions_of_what_is_on_and_a_token_for_them_alone(
    values: dict[str, Any], expected: set[str]
) -> None:
    rendered = helm(bare(**values))
    assert granted(rendered, "bgsafe-agent") == expected
    assert pod_of(rendered, "DaemonSet")["automountServiceAccountToken"] is bool(expected)


def test_the_nightly_job_may_list_and_reads_no_secret() -> None:
    rendered = kustomize_directory("nightly")
    rights = granted(rendered, "bgsafe-nightly")
    assert {right.split()[1] for right in rights} == {"list", "get"}
    assert {right for right in rights if " get " in right} == {"cluster get configmaps"}
    assert "secrets" not in " ".join(rights)


def test_the_nightly_job_may_list_what_it_reads() -> None:
    """And of operators' resources, only what the checker takes for one."""
    (role,) = (value for value in kustomize_directory("nightly") if value["kind"] == "ClusterRole")
    listed = {(group, what) for rule in role["rules"] for group in rule["apiGroups"] for what in rule["resources"]}
    own = {(each.group, each.plural) for each in (PODS, CONFIG_MAPS, LIMIT_RANGES, NODES, *WORKLOADS)}
    assert own <= listed
    assert all("." in group for group, _ in listed - own)


def test_the_hook_may_delete_one_object() -> None:
    assert granted(helm(), "bgsafe-uninstall") == {"cluster delete validatingwebhookconfigurations bgsafe"}


# --- on the node ---


def pod_of(rendered: tuple[Object, ...], kind: str) -> Object:
    (found,) = (value["spec"]["template"]["spec"] for value in rendered if value["kind"] == kind)
    return found


def nightly_pod() -> Object:
    (found,) = (value["spec"]["jobTemplate"] for value in kustomize_directory("nightly") if value["kind"] == "CronJob")
    pod: Object = found["spec"]["template"]["spec"]
    return pod


@pytest.mark.parametrize("kind", ["Deployment", "Job", "CronJob"])
def test_webhook_hook_and_nightly_job_are_of_the_restricted_level(kind: str) -> None:
    """Pod Security Standards, restricted: every field of it that can be set."""
    pod = nightly_pod() if kind == "CronJob" else pod_of(helm(), kind)
    assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {next(iter(volume.keys() - {"name"})) for volume in pod.get("volumes", ())} <= {"configMap", "secret"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not any("hostPort" in port for port in container.get("ports", ()))


@pytest.mark.parametrize("rendered", [pytest.param(helm, id="chart"), pytest.param(kustomize, id="kustomize")])
def test_the_agent_has_two_capabilities_and_two_read_only_folders(rendered: Any) -> None:
    pod = pod_of(rendered(), "DaemonSet")
    assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC"))
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_PTRACE"]},
    }
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}
    assert paths == {"proc": "/proc", "sys": "/sys"}
    assert all(mount["readOnly"] for mount in container["volumeMounts"])


def test_with_nothing_to_ask_nothing_goes_out() -> None:
    rendered = helm(bare())
    policies = [value["spec"] for value in rendered if value["kind"] == "NetworkPolicy"]
    assert [policy["egress"] for policy in policies] == [[], []]
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies)


def test_the_agent_has_the_same_rights_with_compose() -> None:
    pod = pod_of(kustomize(), "DaemonSet")
    security = {**pod["securityContext"], **pod["containers"][0]["securityContext"]}
    service = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]["bgsafe"]
    assert (service["cap_drop"], service["cap_add"]) == (["ALL"], security["capabilities"]["add"])
    assert service["user"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["/proc:/host/proc:ro", "/sys:/host/sys:ro"]
    assert "privileged" not in service
