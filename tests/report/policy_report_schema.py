"""What a PolicyReport may have, written from its documented types: kubernetes-sigs/wg-policy-prototypes, v1alpha2.

A structural schema, as a CustomResourceDefinition has it.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def mapping(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


REFERENCE = mapping(
    dict.fromkeys(("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"), TEXT)
)
TIME = mapping({"seconds": {"type": "integer"}, "nanos": {"type": "integer"}}, "seconds", "nanos")

RESULT = mapping(
    {
        "source": TEXT,
        "policy": TEXT,
        "rule": TEXT,
        "category": TEXT,
        "severity": {"type": "string", "enum": ["critical", "high", "low", "medium", "info"]},
        "timestamp": TIME,
        "result": {"type": "string", "enum": ["pass", "fail", "warn", "error", "skip"]},
        "scored": {"type": "boolean"},
        "resources": {"type": "array", "items": REFERENCE},
        "message": TEXT,
        "properties": {"type": "object", "additionalProperties": TEXT},
    },
    "policy",
)

REPORT = mapping(
    {
        "apiVersion": TEXT,
        "kind": TEXT,
        "metadata": {"type": "object"},
        "scope": REFERENCE,
        "summary": mapping(dict.fromkeys(("pass", "fail", "warn", "error", "skip"), COUNT)),
        "results": {"type": "array", "items": RESULT},
    }
)


def closed(schema: Any) -> Any:
    """The same, where a field that is not named is an error, as `kubectl apply --validate=strict` has it."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    return (
        {**inner, "additionalProperties": False} if "properties" in schema and schema.get("type") == "object" else inner
    )


def definition(kind: str, scope: str) -> Schema:
    """A CustomResourceDefinition."""
    plural = f"{kind.lower()}s"
    version = {"name": "v1alpha2", "served": True, "storage": True, "schema": {"openAPIV3Schema": REPORT}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.wgpolicyk8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
        },
        "spec": {
            "group": "wgpolicyk8s.io",
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "scope": scope,
            "versions": [version],
        },
    }
