"""One way through a start script: what has been set, written and started so far."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace

from checker.manifests.shell_syntax import Node
from checker.manifests.virtual_files import Files, Lines


@dataclass(frozen=True, slots=True)
class Run:
    """A program of the Redis world that was started, or a script that nobody gave us."""

    what: str  # word of checker.engines, or "script"
    argv: tuple[str, ...]
    where: str
    files: Files
    directory: str


@dataclass(slots=True)
class Path:
    """One way through the script, as far as it has come."""

    files: Files
    variables: dict[str, str | tuple[str, ...]]
    positional: tuple[str, ...] = ()
    functions: dict[str, Node] = field(default_factory=dict)
    directory: str = "/"
    where: str = ""
    stdin: Lines = ()
    output: Lines = ()
    runs: tuple[Run, ...] = ()
    status: bool | None = True  # None: not known
    ended: str = ""  # "" goes on | return | exit

    def copy(self) -> Path:
        return replace(self, variables=dict(self.variables), functions=dict(self.functions))

    def absolute(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.directory, path))
