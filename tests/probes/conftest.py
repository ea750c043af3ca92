"""Trees of small files, written beside what must follow from them."""

import time
from collections.abc import Callable, Mapping
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
