"""Which servers the agent may ask INFO, and how: the file of `--redis-access`.

    apiVersion: bgsafe.io/v1
    kind: RedisAccess
    servers:                                   # by URL; which process that is, INFO tells
      - url: redis://127.0.0.1:6379
        username: bgsafe                       # optional, as everything but url
        passwordFile: /etc/bgsafe/redis-password
    pods:                                      # by labels; the first entry that fits a pod counts
      - labels: {app.kubernetes.io/name: redis}
        namespace: "shop-*"                    # a pattern; default: every namespace
        port: 6379                             # default: what the server's process title says, else 6379
        tls: true                              # default: false
        caFile: /etc/bgsafe/redis-ca.crt
        username: bgsafe
        passwordFile: /etc/bgsafe/redis-password

Passwords are read from their files anew for every visit: they may be rotated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from checker import yaml_file
from checker.yaml_file import SettingsError, listed, mapping

DEFAULT_PORT: Final = 6379

_CREDENTIALS: Final = {"username", "passwordFile"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, and where its password is; neither where the server asks for none."""

    username: str | None = None
    password_file: Path | None = None

    def password(self) -> str | None:
        """Read the password; OSError or UnicodeDecodeError where its file cannot be read."""
        if self.password_file is None:
            return None
        return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")

    def applied_to(self, url: str) -> str:
        """The URL with the user's name in it."""
        if self.username is None:
            return url
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{quote(self.username, safe='')}@{rest}"


@dataclass(frozen=True, slots=True)
class ByUrl:
    """One server."""

    url: str
    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class ByLabels:
    """The servers of pods with these labels."""

    labels: Mapping[str, str]
    namespace: str
    port: int | None
    tls: bool
    ca_file: str | None
    credentials: Credentials

    def fits(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Is the pod one of those?"""
        return fnmatchcase(namespace, self.namespace) and self.labels.items() <= labels.items()

    def url(self, address: str, port: int | None) -> str:
        """URL of a server at a pod's address. The certificate of a pod is not made out to that: its CA is checked."""
        host = f"[{address}]" if ":" in address else address
        where = f"{host}:{self.port or port or DEFAULT_PORT}"
        if not self.tls:
            return f"redis://{where}"
        options = {"ssl_check_hostname": "false", **({"ssl_ca_certs": self.ca_file} if self.ca_file else {})}
        return f"rediss://{where}?{urlencode(options)}"


@dataclass(frozen=True, slots=True)
class Access:
    """All of it."""

    servers: tuple[ByUrl, ...] = ()
    pods: tuple[ByLabels, ...] = ()

    def for_pod(self, namespace: str, labels: Mapping[str, str]) -> ByLabels | None:
        """The first entry that fits."""
        return next((entry for entry in self.pods if entry.fits(namespace, labels)), None)


def load(path: Path) -> Access:
    """Read the file. Raises SettingsError, which names file and key."""
    where, document = f"redis access {path}", yaml_file.load(path, "redis access")
    fields = mapping(document, where, {"apiVersion", "kind", "servers", "pods"})
    yaml_file.check_kind(fields, where, "RedisAccess")
    servers = [_by_url(entry, f"{where}: servers[{i}]") for i, entry in enumerate(listed(fields.get("servers"), where))]
    pods = [_by_labels(entry, f"{where}: pods[{i}]") for i, entry in enumerate(listed(fields.get("pods"), where))]
    if not servers and not pods:
        raise SettingsError(f"{where}: neither servers nor pods in it")
    return Access(tuple(servers), tuple(pods))


def _by_url(entry: object, where: str) -> ByUrl:
    fields = mapping(entry, where, {"url", *_CREDENTIALS})
    url = _text(fields, "url", where)
    try:
        parts = urlsplit(url or "")
    except ValueError as error:
        raise SettingsError(f"{where}.url: not a URL of a Redis server") from error
    if url is None or parts.scheme not in ("redis", "rediss", "unix"):
        raise SettingsError(f"{where}.url: expected like redis://host:6379, rediss://… or unix:///path/to.sock")
    if "@" in parts.netloc:
        raise SettingsError(f"{where}.url: leave user and password out: they go into username and passwordFile")
    return ByUrl(url, _credentials(fields, where))


def _by_labels(entry: object, where: str) -> ByLabels:
    fields = mapping(entry, where, {"labels", "namespace", "port", "tls", "caFile", *_CREDENTIALS})
    labels = fields.get("labels")
    if not isinstance(labels, dict) or not labels or not all(isinstance(t, str) for p in labels.items() for t in p):
        raise SettingsError(f"{where}.labels: expected a mapping of label to value, with at least one (as text)")
    port, tls = fields.get("port"), fields.get("tls", False)
    if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536):
        raise SettingsError(f"{where}.port: {port!r} is not a port (1 to 65535)")
    if not isinstance(tls, bool):
        raise SettingsError(f"{where}.tls: {tls!r} is neither true nor false")
    ca_file = _text(fields, "caFile", where)
    if ca_file is not None and not tls:
        raise SettingsError(f"{where}.caFile: only with tls: true")
    return ByLabels(
        labels=labels,
        namespace=_text(fields, "namespace", where) or "*",
        port=port,
        tls=tls,
        ca_file=ca_file,
        credentials=_credentials(fields, where),
    )


def _credentials(fields: Mapping[str, Any], where: str) -> Credentials:
    file = _text(fields, "passwordFile", where)
    return Credentials(_text(fields, "username", where), None if file is None else Path(file))


def _text(fields: Mapping[str, Any], key: str, where: str) -> str | None:
    value = fields.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise SettingsError(f"{where}.{key}: {value!r} is not a text")
    return value
