"""Calls of the Kubernetes API: how to reach it, one try each, with a timeout; what an answer that is none means."""

from __future__ import annotations

import json
import os
import time
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


class ExpiredError(ClusterError):
    """The rest of a list is not to be had any more by the token that was given for it."""

    def __init__(self, message: str, token: str | None) -> None:
        """`token` goes on from the same place in the list as it is now; None: begin again."""
        super().__init__(message)
        self.token = token


class BusyError(ClusterError):
    """It may do what was asked in some seconds; None: it does not say in how many."""

    def __init__(self, message: str, seconds: float | None = None) -> None:
        super().__init__(message)
        self.seconds = seconds


MOST_ANSWER_SECONDS: Final = 120.0
"""Of one answer, from its first byte to its last, however steadily it drips: a judgement."""

_CHUNK_BYTES: Final = 1 << 20

_BUSY: Final = frozenset({429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may well succeed."""


def connect(kubeconfig: Path | None = None, context: str | None = None, *, anywhere: bool = False) -> Any:
    """An `ApiClient` for the cluster that this process runs in, or for one of a kubeconfig; raises ClusterError.

    `anywhere`: where neither is named, for that of the usual kubeconfig (KUBECONFIG, ~/.kube/config), if there is one.
    """
    if kubeconfig is not None or context is not None or (anywhere and _has_kubeconfig()):
        return _connected(lambda config, into: _from_kubeconfig(config, into, kubeconfig, context), kubeconfig)
    return _connected(lambda config, into: config.load_incluster_config(client_configuration=into), None, inside=True)


def _has_kubeconfig() -> bool:
    named = [Path(path) for path in os.environ.get("KUBECONFIG", "").split(os.pathsep) if path]
    return any(path.exists() for path in named or [Path("~/.kube/config").expanduser()])


def _from_kubeconfig(config: Any, into: Any, kubeconfig: Path | None, context: str | None) -> None:
    # The client knows KUBECONFIG as it was when it was imported.
    file = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or None
    config.load_kube_config(file, context, into, persist_config=False)


def _connected(load: Callable[[Any, Any], None], kubeconfig: Path | None, *, inside: bool = False) -> Any:
    try:
        from kubernetes import client, config
        from yaml import YAMLError
    except ImportError as error:
        raise ClusterError("the Kubernetes client is not installed: pip install 'bgsafe[cluster]'") from error

    configuration = client.Configuration()
    configuration.retries = False
    try:
        load(config, configuration)
    except config.ConfigException as error:
        if inside:
            why = f"no kubeconfig, and not in a cluster: {error}; name a kubeconfig, or run it in a pod"
            raise ClusterError(why) from error
        raise ClusterError(_not_usable(kubeconfig, error)) from error
    # What the client does with a file that is no kubeconfig.
    except (YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ClusterError(_not_usable(kubeconfig, error)) from error
    return client.ApiClient(configuration)


def _not_usable(kubeconfig: Path | None, error: Exception) -> str:
    why = " ".join(str(error).split()) or type(error).__name__
    return f"{kubeconfig or 'the kubeconfig'}: {why}; name a kubeconfig and a context of it"


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
        found: dict[str, Any] = json.loads(_whole(response))
    except ApiException as error:
        if error.status == 404:
            return None
        raise _refusal(what, error) from error
    except (HTTPError, OSError) as error:
        raise BusyError(f"{what}: {_unreached(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ClusterError(f"{what}: {type(error).__name__}: {error}") from error
    if not isinstance(found, dict):
        raise ClusterError(f"{what}: the answer is no JSON object")
    return found


def _whole(response: Any) -> bytes:
    """The body, unless it takes too long: a timeout is of one read alone."""
    last = time.monotonic() + MOST_ANSWER_SECONDS
    parts = []
    for part in response.stream(_CHUNK_BYTES):
        parts.append(part)
        if time.monotonic() > last:
            response.close()
            raise TimeoutError(f"the answer was not whole after {MOST_ANSWER_SECONDS:g} s")
    return b"".join(parts)


def _refusal(what: str, error: Any) -> ClusterError:
    """What a status means that is no success."""
    said = f"{what}: HTTP {error.status} {error.reason}"
    if not error.status:  # the client's way to say that TLS failed
        return ClusterError(f"{what}: {' '.join(str(error.reason).split())}")
    if error.status == 409:
        return ConflictError(f"{what}: somebody else was faster")
    if error.status in (401, 403):
        return ForbiddenError(f"{said}; give the service account this permission")
    if error.status == 410:
        return ExpiredError(said, _token(error.body))
    if error.status in _BUSY:
        return BusyError(said, _seconds((error.headers or {}).get("Retry-After")))
    return ClusterError(said)


def _token(body: str | bytes | None) -> str | None:
    """Of a Status of reason Expired, the token that goes on."""
    try:
        said = json.loads(body or "")["metadata"]["continue"]
    except (ValueError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) and said else None


def _seconds(retry_after: str | None) -> float | None:
    """The API server says whole seconds; HTTP dates are none."""
    return float(retry_after) if retry_after is not None and retry_after.isascii() and retry_after.isdigit() else None


def _unreached(error: Exception) -> str:
    """The cause in one line, without the client's own addresses of objects."""
    reason = getattr(error, "reason", None) or error
    text = str(reason).rpartition(">: ")[2] or str(reason)
    return f"{type(reason).__name__}: {' '.join(text.split())}"
