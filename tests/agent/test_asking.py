"""INFO of real servers: by a user who may do nothing else, with a wrong password, across a save, and without answer."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from checker.agent.access import Access, ByUrl, Credentials
from checker.agent.asking import LONGEST_PAUSE_SECONDS, REFUSED_PAUSE_SECONDS, Asker, _pause
from checker.agent.book import Labels
from checker.agent.live import Ended, Target
from checker.agent.troubles import Troubles
from checker.facts import Unread
from checker.lab.server import RunningServer, running_server
from checker.lab.servers import NO_SERVER, find_servers
from checker.probes.proc import read_uptime
from checker.probes.servers import Found, look_at

pytestmark = [pytest.mark.live, pytest.mark.skipif(not find_servers(), reason=str(NO_SERVER))]

ROOT = Path("/")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server(find_servers()[0], with_cgroup=False) as one:
        with one.connect() as connection:
            connection.command("ACL", "SETUSER", "bgsafe", "on", ">right", "resetkeys", "-@all", "+info")
            connection.command("ACL", "SETUSER", "default", "resetpass", ">admin")
        yield one


def admin(server: RunningServer, *words: str) -> str:
    with server.connect() as connection:
        connection.command("AUTH", "admin")
        return connection.command(*words)


def found(server: RunningServer) -> Found:
    assert server.process is not None
    looked = look_at(Path(f"/proc/{server.process.pid}"))
    assert isinstance(looked, Found)
    return looked


def asker(server: RunningServer, tmp_path: Path, password: str, troubles: Troubles, user: str = "bgsafe") -> Asker:
    file = tmp_path / "password"
    file.write_text(password)
    entry = ByUrl(f"unix://{server.socket_path}", Credentials(user, file))
    return Asker(Access(servers=(entry,)), troubles, interval=15.0)


def place(one: Asker, server: RunningServer) -> None:
    one.place([found(server)], ROOT, read_uptime(ROOT))


def test_a_user_who_may_only_info_is_enough(server: RunningServer, tmp_path: Path) -> None:
    troubles = Troubles()
    one = asker(server, tmp_path, "right\n", troubles)
    for each in range(50):
        admin(server, "SET", f"k{each}", "v")
    one.ask_all(pause=1.1)
    place(one, server)
    told = one.answer(found(server))
    assert told is not None
    up, answer = told
    assert up
    assert answer is not None
    assert isinstance(answer.info.write_rate_per_second, float)
    assert isinstance(answer.directives, Unread), "CONFIG GET was refused, and that is known"
    assert troubles.counts().total() == 0


def refusals(server: RunningServer) -> int:
    with redis.Redis(unix_socket_path=server.socket_path, password="admin", decode_responses=True) as client:
        return sum(entry["count"] for entry in client.acl_log())


def test_config_get_is_tried_once_however_often_it_is_visited(server: RunningServer, tmp_path: Path) -> None:
    admin(server, "ACL", "LOG", "RESET")
    one = asker(server, tmp_path, "right", Troubles())
    one.ask_all(pause=0.0)
    after_the_first = refusals(server)
    for _ in range(3):
        one.ask_all(pause=0.0)
    assert refusals(server) == after_the_first > 0


def test_a_wrong_password_is_told_and_left_alone(server: RunningServer, tmp_path: Path) -> None:
    troubles = Troubles()
    one = asker(server, tmp_path, "wrong", troubles)
    stop = threading.Event()
    thread = threading.Thread(target=one.run, args=(stop,), daemon=True)
    thread.start()
    time.sleep(1.5)
    stop.set()
    thread.join(5)
    assert troubles.counts() == Counter({"info": 1}), "it is asked again in a minute, not at once"


@pytest.mark.parametrize(
    ("why", "failures", "pause"),
    [
        ("WRONGPASS invalid username-password pair", 1, REFUSED_PAUSE_SECONDS),
        ("WRONGPASS invalid username-password pair", 3, 4 * REFUSED_PAUSE_SECONDS),
        ("no answer in time", 1, 15.0),
        ("no answer in time", 3, 60.0),
        ("no answer in time", 500, LONGEST_PAUSE_SECONDS),
    ],
)
def test_the_pause_grows(why: str, failures: int, pause: float) -> None:
    assert _pause(Unread("redis://x", why), failures, 15.0) == pause


def test_a_password_file_that_cannot_be_read_is_told(server: RunningServer, tmp_path: Path) -> None:
    troubles = Troubles()
    one = asker(server, tmp_path, "right", troubles)
    (tmp_path / "password").unlink()
    one.ask_all(pause=0.0)
    assert troubles.counts() == Counter({"info": 2})
    assert one.answer(found(server)) is None


def test_a_server_that_accepts_and_says_nothing_costs_a_few_seconds(tmp_path: Path) -> None:
    troubles = Troubles()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        entry = ByUrl(f"redis://127.0.0.1:{silent.getsockname()[1]}", Credentials())
        one = Asker(Access(servers=(entry,)), troubles, interval=15.0)
        start = time.monotonic()
        one._visit(one._targets()[0])
        assert time.monotonic() - start < 10
    assert troubles.counts() == Counter({"info": 1})


def test_a_url_that_leads_elsewhere_belongs_to_no_process_here(server: RunningServer, tmp_path: Path) -> None:
    troubles = Troubles()
    one = asker(server, tmp_path, "right", troubles)
    one.ask_all(pause=0.0)
    one.place([], ROOT, read_uptime(ROOT))
    one.place([], ROOT, read_uptime(ROOT))
    assert troubles.counts() == Counter({"info": 1}), "told once for an answer, not at every scan"


def test_after_a_save_the_server_says_what_it_copied_and_how_much_was_written(
    server: RunningServer, tmp_path: Path
) -> None:
    one = asker(server, tmp_path, "right", Troubles())
    one.ask_all(pause=0.0)
    place(one, server)
    for each in range(200):
        admin(server, "SET", f"k{each}", "v")
    began = time.monotonic()
    admin(server, "CONFIG", "SET", "rdb-key-save-delay", "2000")
    admin(server, "BGSAVE")
    for each in range(30):
        admin(server, "SET", f"k{each}", "w")
    me = found(server)
    child = Path(f"/proc/{me.pid}/task/{me.pid}/children").read_text().split()[0]
    admin(server, "CONFIG", "SET", "hz", "1")  # the server notices late: asked at once, it tells of the save before
    while Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.005)
    at = time.monotonic()
    target = Target(
        key=(me.pid, me.stat.start_time_ticks),
        labels=Labels("", "", "", "x"),
        comm="redis-server",
        resident_bytes=1,
        others_bytes=None,
        cgroup=None,
        countable=True,
        predicted_bytes=None,
        child_pid=None,
    )
    ended = Ended(
        target=target,
        child_pid=1,
        cause="rdb",
        age_at_copied=0.0,
        lifetime=at - began,
        copied_bytes=None,
        exit_status=None,
        server_ended=False,
        server_exit_status=None,
        oom_kills=None,
        file=None,
    )
    told = one.told_after(ended, at)
    assert told.ok is True
    assert told.copied_bytes is not None
    assert told.copied_bytes > 0
    assert told.writes is not None
    assert 5 < told.writes <= 30, (
        "the 200 before the fork are not among them; the share of the time after it is left out"
    )
