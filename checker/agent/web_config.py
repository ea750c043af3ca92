"""TLS and basic authentication of /metrics, by the file that the Prometheus exporters share.

Source: https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md. What of it is not here is
refused by name, not passed over: http_server_config, cipher suites, curves.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from checker import yaml_file
from checker.yaml_file import SettingsError, mapping

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}

_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """`tls_server_config`."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None
    client_auth: ssl.VerifyMode
    min_version: ssl.TLSVersion

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises SettingsError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.min_version
        context.verify_mode = self.client_auth
        try:
            context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"certificate {self.cert_file} and key {self.key_file}: {error}") from error
        if self.client_ca_file is not None:
            try:
                context.load_verify_locations(self.client_ca_file)
            except (OSError, ssl.SSLError) as error:
                raise SettingsError(f"client_ca_file {self.client_ca_file}: {error}") from error
        return context


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The file."""

    tls: Tls | None = None
    users: Mapping[str, bytes] = field(default_factory=dict)  # name → bcrypt hash

    def files(self) -> tuple[Path, ...]:
        """Files beside this one that it depends on."""
        if self.tls is None:
            return ()
        return tuple(path for path in (self.tls.cert_file, self.tls.key_file, self.tls.client_ca_file) if path)


def load(path: Path) -> WebConfig:
    """Read the file; paths in it count from its directory. Raises SettingsError, which names file and key."""
    where = f"web config {path}"
    fields = mapping(yaml_file.load(path, "web config"), where, {"tls_server_config", "basic_auth_users"})
    tls = fields.get("tls_server_config")
    users = fields.get("basic_auth_users") or {}
    if not isinstance(users, dict) or not all(isinstance(text, str) for pair in users.items() for text in pair):
        raise SettingsError(f"{where}: basic_auth_users: expected a mapping of name to bcrypt hash")
    for name, hashed in users.items():
        if not hashed.startswith(("$2a$", "$2b$", "$2y$")):
            raise SettingsError(
                f"{where}: basic_auth_users: {name}: not a bcrypt hash (htpasswd -nBC 10 {name} writes one)"
            )
    return WebConfig(
        None if tls is None else _tls(tls, f"{where}: tls_server_config", path.parent),
        {name: hashed.encode() for name, hashed in users.items()},
    )


def _tls(value: object, where: str, directory: Path) -> Tls:
    known = {"cert_file", "key_file", "client_ca_file", "client_auth_type", "min_version"}
    fields = mapping(value, where, known)
    cert, key, client_ca = (
        _path(fields, name, where, directory) for name in ("cert_file", "key_file", "client_ca_file")
    )
    if cert is None or key is None:
        raise SettingsError(f"{where}: needs cert_file and key_file")
    default = "NoClientCert" if client_ca is None else "RequireAndVerifyClientCert"
    auth = _choice(fields, "client_auth_type", default, _CLIENT_AUTH, where)
    if (auth is ssl.CERT_NONE) != (client_ca is None):
        raise SettingsError(f"{where}: client_ca_file and a client_auth_type that verifies go together")
    version = _choice(fields, "min_version", "TLS12", _VERSIONS, where)
    return Tls(cert_file=cert, key_file=key, client_ca_file=client_ca, client_auth=auth, min_version=version)


def _choice(fields: Mapping[str, Any], key: str, default: str, choices: Mapping[str, Any], where: str) -> Any:
    value = fields.get(key, default)
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(f"{where}.{key}: {value!r} is not one of {', '.join(choices)}")
    return choices[value]


def _path(fields: Mapping[str, Any], key: str, where: str, directory: Path) -> Path | None:
    value = fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise SettingsError(f"{where}.{key}: {value!r} is not a path")
    return directory / value
