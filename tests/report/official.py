"""The official JSON Schema of SARIF 2.1.0.

It is OASIS' sarif-schema-2.1.0.json as SchemaStore publishes it, out of the package `schemastore`, which ships all of
SchemaStore as a cache of HTTP responses. Its own API would ask the network once the cache has expired; so the one
response is read from the cache's file, and nothing of the package is imported.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
from contextlib import closing
from functools import cache
from importlib.metadata import distribution
from typing import Any

SCHEMA_ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


@cache
def sarif_schema() -> dict[str, Any]:
    """The schema, a draft 7 one."""
    store = distribution("schemastore").locate_file("schemastore/cache.sqlite")
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        query = "SELECT value FROM responses WHERE instr(value, CAST(? AS BLOB)) > 0"
        found = database.execute(query, (f'"$id": "{SCHEMA_ID}"',)).fetchall()
    assert len(found) == 1, f"{store} should have one schema with the id {SCHEMA_ID}"
    schema: dict[str, Any] = json.loads(pickle.loads(found[0][0])["_content"])
    return schema


@cache
def stored_schema(url: str) -> dict[str, Any]:
    """Any other schema of SchemaStore, by the URL that it was fetched from."""
    store = distribution("schemastore").locate_file("schemastore/cache.sqlite")
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as database:
        values = database.execute("SELECT value FROM responses").fetchall()
    (found,) = (response for response in (pickle.loads(value[0]) for value in values) if response["url"] == url)
    schema: dict[str, Any] = json.loads(found["_content"])
    return schema
