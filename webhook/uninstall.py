"""`python -m webhook.uninstall NAME`: delete the ValidatingWebhookConfiguration, before all else goes.

Why there is this, and no other image for it: docs/decisions/0012-deployment.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from checker.cluster.api import ClusterError, connect
from checker.cluster.certificates import ClusterStore
from checker.log import log


def main(name: str, kubeconfig: Path | None = None) -> int:
    """Delete it; the exit code: 0 also where there was none, 1 where the API server did not do it."""
    try:
        deleted = ClusterStore(connect(kubeconfig)).delete_webhook_configuration(name)
    except ClusterError as error:
        remedy = f"kubectl delete validatingwebhookconfiguration {name}"
        log("configuration_not_deleted", level="error", reason=str(error), remedy=remedy)
        return 1
    log("configuration_deleted" if deleted else "configuration_was_gone", name=name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
