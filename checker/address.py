"""Where a server of ours listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `0.0.0.0:8443`, `[::]:8443` or `:8443`; raise ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not an address (expected like 0.0.0.0:8443, [::]:8443 or :8443)")
        return cls(host.strip("[]") or "0.0.0.0", int(port))
