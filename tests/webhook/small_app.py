"""A server with short limits and an application of a few lines: `python small_app.py PORT DIRECTORY [client-ca]`."""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from webhook.connection import Limits
from webhook.parent import mind
from webhook.server import EXIT_CANNOT_START, Server, Timing, listen, work
from webhook.tls import Files


def application(environ, start_response):  # type: ignore[no-untyped-def]
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
    if path == "/slow":
        time.sleep(float(environ["QUERY_STRING"]))
    elif path == "/bug":
        raise RuntimeError("hunter2")
    elif path == "/crash":
        os._exit(9)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['REQUEST_METHOD']} {path} {len(body)}".encode()]


def main(port: str, directory: str, client_ca: str = "") -> int:
    folder = Path(directory)
    files = Files(folder / "tls.crt", folder / "tls.key", folder / client_ca if client_ca else None)
    limits = Limits(
        request_seconds=1.0, request_bytes=100_000, handshake_seconds=1.0, answer_seconds=2.0, connections=60
    )
    timing = Timing(reload=0.05, drain=0.3, grace=2.0)
    listening = listen("127.0.0.1", int(port))
    server = Server(application, listening, files.read, limits, timing)
    return mind(lambda alive: work(server, alive), cannot_start=EXIT_CANNOT_START, stop_seconds=4.0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
