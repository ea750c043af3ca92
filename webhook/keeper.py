"""What a running webhook follows: the certificate that it keeps itself, and its policy file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from checker.cluster.api import ClusterError
from checker.cluster.certificates import Store
from checker.facts import Maybe, Unread
from checker.log import log
from checker.policy import Policy
from checker.policy_file import PolicyError, load
from webhook.certs import Place, keep, utc_now
from webhook.tls import Serving

LOOK_SECONDS = 10.0
"""How often a replica looks after the certificates: two GETs.

So long the API server is without our CA, and no pod is judged, where somebody makes the configuration after us or
replaces it (a judgement).
"""

RETRY_SECONDS = 5.0
"""After the API server refused or did not answer."""


class Keeper:
    """Looks after the self-signed certificates in a thread; `read` gives the one to serve."""

    def __init__(self, connect: Callable[[], Store], place: Place, client_ca: bytes | None = None) -> None:
        self._connect = connect
        self._place = place
        self._client_ca = client_ca
        self._cluster: Store | None = None
        self._latest: Maybe[Serving] = Unread("the certificate", "not made yet")

    def read(self) -> Maybe[Serving]:
        """The certificate to serve; once there is one, a failing API server does not take it away."""
        return self._latest

    def start(self) -> None:
        """Wait until there is a certificate, then look after it from a thread."""
        pause = self.look()
        while isinstance(self._latest, Unread):
            time.sleep(pause)
            pause = self.look()
        threading.Thread(target=self._run, args=(pause,), name="certificates", daemon=True).start()

    def _run(self, pause: float) -> None:
        while True:
            time.sleep(pause)
            pause = self.look()

    def look(self) -> float:
        """Look once; seconds until the next look."""
        try:
            self._cluster = self._cluster or self._connect()
            pair = keep(self._cluster, self._place, utc_now())
        except ClusterError as error:
            pair = Unread("certificates", str(error))
        if isinstance(pair, Unread):
            log("certificates_not_kept", level="error", reason=str(pair))
            return RETRY_SECONDS
        self._latest = Serving(pair.certificate, pair.key, self._client_ca)
        return LOOK_SECONDS


class WatchedPolicy:
    """The policy of a file, read again when the file changes; a bad new one is told, and the old one stays."""

    def __init__(self, path: Path, rejected: Callable[[], None], *, every_seconds: float = 2.0) -> None:
        """Raise PolicyError where the first one is bad."""
        self._path = path
        self._rejected = rejected
        self._every_seconds = every_seconds
        self._policy = load(path)
        self._seen = self._stamp()
        self._next_look = time.monotonic() + every_seconds

    def __call__(self) -> Policy:
        """The policy in force."""
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + self._every_seconds
            self._look()
        return self._policy

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._policy = load(self._path)
        except PolicyError as error:
            self._rejected()
            log("policy_rejected", level="error", reason=str(error), policy="the one before")
        else:
            log("policy_loaded", file=str(self._path))

    def _stamp(self) -> bytes | str:
        """What tells one content from another: a mounted ConfigMap changes by a link, with any mtime."""
        try:
            return self._path.read_bytes()
        except OSError as error:
            return str(error)
