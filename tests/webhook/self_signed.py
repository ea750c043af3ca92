"""`bgsafe webhook --self-signed` against a given API server: `python self_signed.py URL PORT`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from checker import cluster
from webhook.command import webhook


def main(url: str, port: str) -> None:
    def connect() -> cluster.Cluster:
        from kubernetes import client

        configuration = client.Configuration()
        configuration.host, configuration.retries = url, False
        return cluster.Kubernetes(client.ApiClient(configuration))

    cluster.connect = connect
    options = ["--self-signed", "--namespace", "ops", "--listen", f"127.0.0.1:{port}", "--drain-seconds", "0"]
    webhook(options)


if __name__ == "__main__":
    main(*sys.argv[1:])
