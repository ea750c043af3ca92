from pathlib import Path

import pytest

from checker.facts import SavePoint, Unread
from checker.probes import config
from checker.probes.inside import Inside
from checker.probes.proc import Stat


@pytest.fixture
def inside(tmp_path: Path) -> Inside:
    files = {
        "etc/redis/redis.conf": "port 6379\ndir /data\nmaxmemory 100mb\ninclude /etc/redis/conf.d/*.conf\n",
        "etc/redis/conf.d/a.conf": "maxmemory 200mb\n",
        "etc/redis/conf.d/b.conf": "appendonly yes\n",
        "etc/redis/broken.conf": "include /etc/none.conf\nmaxmemory 1gb\n",
        "data/redis-7001.conf": "port 7001\nmaxmemory 1gb\n",
        "data/redis-7002.conf": "port 7002\nmaxmemory 2gb\n",
        "data/dump.rdb": "x",
    }
    for name, text in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(text)
    return Inside(tmp_path / "root", "/data")


def read(inside: Inside, cmdline: str, arguments_bytes: int | None = None):
    told = config.of_process(
        Path("/proc/7"), inside, cmdline.encode(), Stat("", 1, 1, arguments_bytes), engine_name="redis"
    )
    return config.effective(told, inside, "redis", "7.0.15"), told.problems


def hidden(arguments: str) -> int:
    return len("redis-server") + 1 + len(arguments) + 1


def test_the_command_line_wins_over_the_file_and_its_includes(inside):
    told, problems = read(inside, "redis-server\0/etc/redis/redis.conf\0--save\0\0")
    assert (told.maxmemory, told.appendonly, told.save, problems) == (200 * 2**20, True, (), ())
    assert told.sources["maxmemory"] == "/etc/redis/conf.d/a.conf line 1"
    assert told.sources["save"] == "command line"


def test_dir_is_where_the_server_stands(inside):
    told, _ = read(inside, "redis-server\0--dir\0./sub\0")
    assert told.directory == "/data"
    assert told.sources["directory"].endswith("/cwd")


def test_a_file_that_cannot_be_read_leaves_nothing_to_defaults(inside):
    told, problems = read(inside, "redis-server\0/etc/none.conf\0--appendonly\0yes\0")
    assert isinstance(told.maxmemory, Unread)
    assert told.appendonly is True
    assert problems
    assert problems[0].remedy


def test_an_include_that_is_not_there_is_a_problem(inside):
    told, problems = read(inside, "redis-server\0/etc/redis/broken.conf\0")
    assert told.maxmemory == 2**30
    assert isinstance(told.appendonly, Unread)
    assert problems


def test_configuration_from_standard_input_is_not_known(inside):
    told, problems = read(inside, "redis-server\0-\0")
    assert isinstance(told.maxmemory, Unread)
    assert "standard input" in problems[0].why


def test_no_hidden_byte_means_the_defaults(inside):
    told, problems = read(inside, "redis-server *:6379", len("redis-server") + 1)
    assert (told.maxmemory, problems) == (0, ())
    assert told.save == (SavePoint(3600, 1), SavePoint(300, 100), SavePoint(60, 10000))


def test_the_only_file_that_fits_is_taken_and_said_to_be_inferred(inside):
    told, problems = read(inside, "redis-server *:6379", hidden("/etc/redis/redis.conf"))
    assert (told.maxmemory, problems) == (200 * 2**20, ())
    assert "inferred" in read(inside, "redis-server *:7001", hidden("/data/redis-7001.conf"))[0].sources["maxmemory"]


def test_of_files_alike_in_size_the_title_tells_which(inside):
    for port, size in ((7001, 2**30), (7002, 2 * 2**30)):
        assert read(inside, f"redis-server *:{port}", hidden(f"/data/redis-{port}.conf"))[0].maxmemory == size


def test_hidden_options_are_not_defaults(inside):
    told, problems = read(inside, "redis-server *:6379", hidden("/etc/redis/redis.conf --maxmemory 1gb"))
    assert isinstance(told.maxmemory, Unread)
    assert isinstance(told.save, Unread)
    assert "set-proc-title no" in problems[0].remedy
    assert told.cluster_enabled is False  # the title would say


def test_a_file_of_the_right_size_on_the_wrong_port_is_not_it(inside):
    told, _ = read(inside, "redis-server *:6400", hidden("/etc/redis/redis.conf"))
    assert isinstance(told.maxmemory, Unread)


def test_the_title_says_cluster(inside):
    told, _ = read(inside, "redis-server *:6379 [cluster]")
    assert (told.cluster_enabled, told.replicas_possible) == (True, True)


def test_flags_with_an_equals_sign_are_those_of_servers_that_do_not_fork(inside):
    told = config.from_arguments(("--maxmemory=4gb", "--dir", "/data", "--cache_mode"), inside, "dragonfly")
    assert told.last("maxmemory") == "4gb"


def test_a_containers_specification_has_the_hidden_arguments(inside):
    args = ("docker-entrypoint.sh", "redis-server", "/etc/redis/redis.conf", "--maxmemory", "1gb")
    size = hidden("/etc/redis/redis.conf --maxmemory 1gb")
    told = config.of_process(
        Path("/proc/7"), inside, b"redis-server *:6379", Stat("", 1, 1, size), engine_name="redis", container_args=args
    )
    seen = config.effective(told, inside, "redis", "7.0.15")
    assert (seen.maxmemory, seen.appendonly, told.problems) == (2**30, True, ())
    assert seen.sources["maxmemory"] == "process.args of the container"


def test_a_specification_of_another_size_is_not_believed(inside):
    args = ("redis-server", "--maxmemory", "1gb")
    told = config.of_process(
        Path("/proc/7"), inside, b"redis-server *:6379", Stat("", 1, 1, 99), engine_name="redis", container_args=args
    )
    assert told.missing
