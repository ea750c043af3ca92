"""What a running webhook follows: the certificate that it keeps itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from checker.cluster.api import ClusterError
from checker.cluster.certificates import Store
from checker.facts import Maybe, Unread
from checker.log import log
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
