"""Init of the virtual machine: measure without a fork, fork, and print both as one line of JSON for each load."""

import ctypes
import json
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, "/")
SERVER = Path("/usr/bin/redis-server")
LOOK_SECONDS = 2.5
PAGE = 4096


def prepare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, where in (
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/tmp"),
        ("tmpfs", "/var/tmp"),
    ):
        libc.mount(kind.encode(), where.encode(), kind.encode(), 0, None)
    os.environ.update(PATH="/usr/bin", PYTHONPATH="/", HOME="/tmp")


def measured(workload, connection, server) -> dict:
    from checker.facts import Written
    from checker.lab.load import writing
    from checker.model.curve import written_after
    from checker.probes import soft_dirty

    with writing(server.socket_path, workload, 1):
        time.sleep(0.5)
        begun = changes(connection)
        started = time.perf_counter()
        counted = soft_dirty.measure(Path("/"), [server.pid], LOOK_SECONDS, page=PAGE)[server.pid]
        writes, seconds = changes(connection) - begun, time.perf_counter() - started
        assert isinstance(counted, Written), counted
        resident = rss(server.pid)
        fork_at = changes(connection)
        connection.command("BGSAVE")
        while connection.info("persistence")["rdb_bgsave_in_progress"] != "0":
            time.sleep(0.05)
        info = connection.info("persistence")
        assert info["rdb_last_bgsave_status"] == "ok"
    saved = int(info["rdb_changes_since_last_save"])
    # The save saw another number of writes: so many seconds of the measurement's own rate.
    told = written_after(counted, resident, seconds * saved / writes)
    return {
        "at": round(time.monotonic(), 1),
        "load": str(workload),
        "resident": resident,
        "looks": [*counted.earlier, (counted.seconds, counted.bytes)],
        "writes": writes,
        "save_writes": saved,
        "save_seconds": int(info["rdb_last_bgsave_time_sec"]),
        "told": round(told),
        "copied": int(info["rdb_last_cow_size"]),
        "fork_at": fork_at,
    }


def changes(connection) -> int:
    return int(connection.info("persistence")["rdb_changes_since_last_save"])


def rss(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def excluded(pid: int) -> str:
    """Two at once: what the second is told."""
    from checker.probes import soft_dirty

    told = []

    def second(_seconds: float) -> None:
        if not told:
            told.append(soft_dirty.measure(Path("/"), [pid], 0.0, page=PAGE, sleep=lambda _: None)[pid])

    soft_dirty.measure(Path("/"), [pid], 0.1, page=PAGE, sleep=second)
    return str(told[0])


def main() -> None:
    from checker.lab.load import Workload, fill
    from checker.lab.server import running_server
    from checker.lab.servers import read_binary
    from checker.policy import Distribution
    from checker.probes import soft_dirty

    print("RESULT", json.dumps({"refusal": str(soft_dirty.refusal())}), flush=True)
    loads = [
        Workload(keys=100_000, value_bytes=100, write_rate_per_second=700),
        Workload(keys=100_000, value_bytes=100, write_rate_per_second=700, distribution=Distribution("hot", 5)),
        Workload(keys=100, value_bytes=60, write_rate_per_second=700, type="hash", write="HSET", elements=1500),
        Workload(keys=100, value_bytes=20, write_rate_per_second=250, type="zset", write="ZADD", elements=1500),
    ]
    for load in loads:
        with running_server(read_binary(SERVER), with_cgroup=False) as server, server.connect() as connection:
            fill(connection, load, 1, lambda _step: None)
            connection.command("MEMORY", "PURGE")
            connection.command("CONFIG", "SET", "rdbcompression", "no")
            # A save of two to four seconds. Short naps take 0.3 ms here: a negative number is so many keys to each.
            delay = round(2e6 / load.keys) if load.keys < 1_000 else -load.keys // 8_000
            connection.command("CONFIG", "SET", "rdb-key-save-delay", str(delay))
            print("RESULT", json.dumps(measured(load, connection, server)), flush=True)
            if load is loads[0]:
                print("RESULT", json.dumps({"excluded": excluded(server.pid)}), flush=True)


if __name__ == "__main__":
    try:
        prepare()
        main()
    except BaseException:  # noqa: BLE001  # the console is all that is seen of it
        traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    os.sync()
    ctypes.CDLL(None).reboot(0x4321FEDC)
