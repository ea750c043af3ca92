"""Trees of small files, written beside what must follow from them."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

Tree = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write files (path → text; a text `-> target` is a symbolic link) and return the directory for `--root`."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "host"
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                path.symlink_to(text.removeprefix("-> "))
            else:
                path.write_text(text)
        return root

    return write


@pytest.fixture
def benchmark_seconds() -> Callable[[Callable[[], object]], float]:
    """Return the least of three runs, so that a busy machine does not decide."""

    def measure(function: Callable[[], object]) -> float:
        def once() -> float:
            start = time.process_time()
            function()
            return time.process_time() - start

        return min(once() for _ in range(3))

    return measure


Speak = Callable[[socket.socket], None]


@pytest.fixture
def listener() -> Iterator[Callable[[Speak], str]]:
    """Start a server on the loopback that does what `speak` does with each connection; return its URL."""
    open_sockets: list[socket.socket] = []

    def start(speak: Speak) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        open_sockets.append(server)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    open_sockets.append(connection)
                    with suppress(OSError):
                        speak(connection)

        threading.Thread(target=serve, daemon=True).start()
        return f"redis://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for one in open_sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@pytest.fixture
def redis_like(listener: Callable[[Speak], str]) -> Callable[[Callable[[list[bytes]], bytes]], str]:
    """Start a server that answers each command with what `answer` returns for its words; return its URL."""

    def start(answer: Callable[[list[bytes]], bytes]) -> str:
        def speak(connection: socket.socket) -> None:
            reader = connection.makefile("rb")
            while header := reader.readline():
                words = []
                for _ in range(int(header[1:])):
                    size = int(reader.readline()[1:])
                    words.append(reader.read(size + 2)[:-2])
                connection.sendall(answer(words))

        return listener(speak)

    return start
