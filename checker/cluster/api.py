"""Calls of the Kubernetes API: how to reach it, one try each, with a timeout; what an answer that is none means."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Timeout = tuple[float, float]
"""Seconds to connect, and to wait for the answer."""

TIMEOUT_SECONDS: Final[Timeout] = (2.0, 5.0)
"""A judgement; an API server that is well answers in milliseconds."""


class ClusterError(Exception):
    """The API server did not do what was asked; the message says what, why and what would help."""


class ConflictError(ClusterError):
    """Somebody else was faster: read again."""


class ForbiddenError(ClusterError):
    """The API server does not let us: a retry does not help, a role does."""


def connect(kubeconfig: Path | None = None, context: str | None = None, *, anywhere: bool = False) -> Any:
    """An `ApiClient` for the cluster that this process runs in, or for one of a kubeconfig; raises ClusterError.

    `anywhere`: where neither is named, for that of the usual kubeconfig (KUBECONFIG, ~/.kube/config), if there is one.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ClusterError("the Kubernetes client is not installed: pip install 'bgsafe[cluster]'") from error

    configuration = client.Configuration()
    configuration.retries = False
    try:
        if kubeconfig is None and context is None and not (anywhere and _has_kubeconfig()):
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                str(kubeconfig) if kubeconfig else None, context, configuration, persist_config=False
            )
    except config.ConfigException as error:
        if kubeconfig is None and context is None:
            also = ", or name a kubeconfig" if anywhere else ""
            why = f"not in a cluster: {error}; run it in a pod with a service account{also}"
            raise ClusterError(why) from error
        raise ClusterError(
            f"{kubeconfig or 'the kubeconfig'}: {error}; name a kubeconfig and a context of it"
        ) from error
    return client.ApiClient(configuration)


def _has_kubeconfig() -> bool:
    named = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return any(path.exists() for path in named or [Path("~/.kube/config").expanduser()])


def call(
    what: str, function: Callable[..., Any], *arguments: Any, timeout: Timeout = TIMEOUT_SECONDS, **options: Any
) -> dict[str, Any] | None:
    """The object that the API server answers; None where there is none of that name.

    Read as JSON, not into the client's models, which would lose fields that are newer than the client.
    """
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        response = function(*arguments, **options, _preload_content=False, _request_timeout=timeout)
        found: dict[str, Any] = json.loads(response.data)
    except ApiException as error:
        if error.status == 404:
            return None
        if error.status == 409:
            raise ConflictError(f"{what}: somebody else was faster") from error
        if error.status in (401, 403):
            why = f"HTTP {error.status} {error.reason}; give the service account this permission"
            raise ForbiddenError(f"{what}: {why}") from error
        raise ClusterError(f"{what}: HTTP {error.status} {error.reason}") from error
    except (HTTPError, OSError, ValueError) as error:
        raise ClusterError(f"{what}: {type(error).__name__}: {error}") from error
    return found
