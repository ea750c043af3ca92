"""Image names → what is in them. Registry, tag and digest do not matter, the repository's last word does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from checker.engines import DATA_SERVERS
from checker.policy import EngineImage

Family = Literal["official", "bitnami", "stack", "sclorg", "custom"]


@dataclass(frozen=True, slots=True)
class Image:
    """What an image name says. `engine` is a word of checker.engines, "other" where nothing of Redis is in it."""

    name: str
    engine: str
    family: Family
    version: str | None
    replica: bool | None  # `redis-slave`, `redis-master`: the role is built in; None: the name does not say

    @property
    def is_server(self) -> bool:
        return self.engine in DATA_SERVERS


DATA_DIRECTORIES: Final = {
    "bitnami": "/bitnami/{engine}/data",
    "sclorg": "/var/lib/redis/data",
    "kvrocks": "/var/lib/kvrocks",
    "photon": "/var/lib/redis",
}
"""Where the image's own configuration puts the data; everybody else works in /data."""

_ENGINE: Final = re.compile(r"(redis|valkey|keydb|dragonfly|garnet|kvrocks)(?:db)?(\d*)(slave|master|replica|server)?")

_ROLES: Final = {
    **dict.fromkeys(("slave", "replica", "follower", "secondary"), True),
    **dict.fromkeys(("master", "primary", "leader"), False),
}

_OTHERS: Final = (
    ("sentinel", frozenset({"sentinel", "sentinels"})),
    ("exporter", frozenset({"exporter", "metrics", "exporter1"})),
    ("proxy", frozenset({"proxy", "twemproxy", "predixy", "envoy", "haproxy", "nutcracker", "sidecar", "router"})),
    ("operator", frozenset({"operator", "controller", "manager"})),
    ("client", frozenset({"cli", "client", "benchmark", "tools", "backup", "dump", "shell", "trib", "shake", "init"})),
)

_SERVER_WORDS: Final = frozenset(
    {
        *(
            "server",
            "stack",
            "cluster",
            "ha",
            "cache",
            "store",
            "standalone",
            "node",
            "db",
            "data",
            "persistent",
            "with",
        ),
        *(
            "alpine",
            "debian",
            "ubuntu",
            "centos",
            "rhel",
            "ubi",
            "photon",
            "bundle",
            "bookworm",
            "bullseye",
            "arm",
            "arm64",
        ),
        *(
            "official",
            "base",
            "custom",
            "k8s",
            "kubernetes",
            "docker",
            "gb",
            "my",
            "local",
            "image",
            "container",
            "library",
        ),
        *(
            "openshift",
            "weekly",
            "extensions",
            "search",
            "json",
            "graph",
            "time",
            "series",
            "bloom",
            "mod",
            "sentinels",
        ),
        *(
            "amd64",
            "x86",
            "64",
            "pro",
            "ce",
            "community",
            "e2e",
            "test",
            "prod",
            "dev",
            "in",
            "memory",
            "session",
            "queue",
        ),
        *_ROLES,
    }
)
"""Words beside the engine's name with which an image is still that engine."""

_MODULE_IMAGES: Final = frozenset(
    {
        "rejson",
        "redisearch",
        "redisgraph",
        "redistimeseries",
        "rebloom",
        "redismod",
        "redisai",
        "redisgears",
        "falkordb",
    }
)
"""Redis with a module in it."""

_CLIENTS: Final = frozenset({"memtier_benchmark", "redis-benchmark", "riot", "rdbtools"})
_OPERATING: Final = {"dragonflyoss": "other"}  # a file distribution system of the same name


def classify(name: str, engines: Sequence[EngineImage] = ()) -> Image:
    """What an image is; `engines` are the policy's own patterns, which go before the table."""
    repository, version = split(name)
    words = repository.lower().split("/")
    base = words[-1]
    family: Family = "custom"
    if (entry := named_by(name, engines)) is not None:
        return Image(name, entry.engine, family, version, None)
    if base in _CLIENTS:
        return Image(name, "client", family, version, None)
    if base in _MODULE_IMAGES:
        return Image(name, "redis", family, version, None)
    tokens = [token for token in re.split(r"[-_.]+", base) if token]
    found = [match for token in tokens if (match := _ENGINE.fullmatch(token))]
    if not found or words[0] in _OPERATING or (len(words) > 1 and words[-2] in _OPERATING):
        return Image(name, _other(tokens, False), family, version, None)
    rest = [
        token for token in tokens if not _ENGINE.fullmatch(token) and not re.fullmatch(r"v?\d+\w?|c\d+s|el\d+", token)
    ]
    engine = found[0][1]
    strangers = [token for token in rest if token not in _SERVER_WORDS]
    if strangers:
        return Image(name, _other(strangers, True), family, version, None)
    if "sentinel" in rest:
        return Image(name, "sentinel", family, version, None)
    roles = [_ROLES[word] for word in [*rest, *(match[3] or "" for match in found)] if word in _ROLES]
    bitnami = any(word.startswith("bitnami") for word in words[:-1])
    if bitnami:
        family = "bitnami"
    elif "sclorg" in words or "rhel8" in words or "rhel9" in words or "centos7" in words:
        family = "sclorg"
    elif "stack" in rest:
        family = "stack"
    elif (base == found[0][0] and not found[0][2] and not found[0][3]) or base in (
        "valkey-bundle",
        "redis-stack-server",
    ):
        family = "official"
    return Image(name, engine, family, _engine_version(family, base, version), roles[0] if roles else None)


def named_by(name: str, engines: Sequence[EngineImage]) -> EngineImage | None:
    """The first of the policy's patterns that is this image's, with its tag or without."""
    repository, _ = split(name)
    return next(
        (entry for entry in engines if fnmatchcase(name, entry.image) or fnmatchcase(repository, entry.image)), None
    )


def _engine_version(family: Family, base: str, version: str | None) -> str | None:
    """The engine's version, where the tag is likely to be one: `redis:2.1` of somebody's chart is not Redis 2.1."""
    if family == "sclorg" and (digits := re.search(r"-(\d{1,2})(?:-|\Z)", base)):
        return digits[1]
    if version is None or (int(version.split(".")[0]) < 3 and "dragonfly" not in base and "garnet" not in base):
        return None
    return version if family != "custom" or version.count(".") == 2 else None


def _other(tokens: Sequence[str], of_redis: bool) -> str:
    for engine, words in _OTHERS:
        if words.intersection(tokens):
            return engine if of_redis or engine == "proxy" else "other"
    return "other"


def split(name: str) -> tuple[str, str | None]:
    """(repository, version in the tag or None) of `registry:5000/a/redis:7.2-alpine@sha256:…`."""
    repository = name.split("@", maxsplit=1)[0]
    tag = ""
    if ":" in repository.rpartition("/")[2]:
        repository, _, tag = repository.rpartition(":")
    match = re.search(r"(?:^|[^\d.])v?(\d{1,2}(?:\.\d{1,3}){0,2})(?![\d.])", tag.replace("x86_64", ""))
    return repository, match[1] if match else None


def data_directory(image: Image) -> str:
    """Where the server of this image works where nobody says `dir`."""
    key = "photon" if "photon" in image.name else image.engine if image.engine == "kvrocks" else image.family
    return DATA_DIRECTORIES.get(key, "/data").format(engine=image.engine)
