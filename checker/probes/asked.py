"""What INFO and CONFIG GET add to what the process shows, or tell alone of a server elsewhere."""

from __future__ import annotations

from dataclasses import replace

from checker.engines import FORKING
from checker.facts import Config, Engine, Server, Sourced, Subject, Unread
from checker.probes import config as configs
from checker.probes import redis_conf, volume
from checker.probes.config import Told
from checker.probes.inside import Inside
from checker.probes.redis_info import Answer

ELSEWHERE = "the server's process is not on this machine"
REMEDY = "run bgsafe node on the machine of the server"


def told(answer: Answer, by_process: Told, inside: Inside | None) -> Told:
    """What holds, best source first: CONFIG GET, which knows what was set at run time; what the process was started
    with; the file that INFO names."""
    if not isinstance(answer.directives, Unread):
        return Told(answer.directives, True, (), (), by_process.title)
    problems = (*by_process.problems, answer.directives)
    file = answer.fields.get("config_file")
    if by_process.missing and inside is not None and file:
        # the arguments behind the file's name stay hidden, but INFO tells the most important of what they may say
        return replace(configs.from_file(file, inside, by_process.title), problems=problems)
    return replace(by_process, problems=problems)


def with_info(config: Config, answer: Answer) -> Config:
    """Take from INFO what it knows of the configuration, where CONFIG GET did not answer."""
    sources = dict(config.sources)
    if isinstance(answer.directives, Unread):
        fields: dict[str, object] = {}
        if isinstance(maxmemory := answer.count("maxmemory"), int):
            fields["maxmemory"] = maxmemory
        if isinstance(policy := answer.get("maxmemory_policy"), str):
            fields["maxmemory_policy"] = policy
        for field, name, yes in (
            ("appendonly", "aof_enabled", "1"),
            ("cluster_enabled", "cluster_enabled", "1"),
            ("replicaof", "role", "slave"),
        ):
            if isinstance(value := answer.get(name), str):
                fields[field] = value == yes
        config = replace(config, **fields)  # type: ignore[arg-type]
        sources |= dict.fromkeys(fields, f"INFO of {answer.where}")
    replicas = answer.count("connected_slaves")
    if config.cluster_enabled is True or config.replicaof is True or (isinstance(replicas, int) and replicas > 0):
        config = replace(config, replicas_possible=True)
        sources.setdefault("replicas_possible", f"INFO of {answer.where}")
    return replace(config, sources=sources)


def with_answer(server: Server, answer: Answer) -> Server:
    """Complete a server of this machine."""
    shape_unread = (answer.shape,) if isinstance(answer.shape, Unread) else ()
    return replace(
        server,
        config=with_info(server.config, answer),
        info=answer.info,
        shape=() if answer.shape is None or isinstance(answer.shape, Unread) else answer.shape,
        unread=server.unread + shape_unread,
    )


def server_elsewhere(answer: Answer) -> Server:
    """Return a server of which only INFO tells: resident memory is used_memory_rss, and no limit is known."""
    nowhere = Unread(answer.where, ELSEWHERE, REMEDY)
    by_nothing = Told((), True, (nowhere,), ())
    what = told(answer, by_nothing, None)
    version = answer.version if isinstance(answer.version, str) else None
    config = redis_conf.effective(
        what.directives, engine_name=answer.engine_name, version=version, has_config=True, missing=what.missing
    )
    server = Server(
        subject=Subject(source="process", name=answer.where),
        engine=Engine(
            name=answer.engine_name,
            version=answer.version,
            allocator=answer.get("mem_allocator"),
            forks=answer.engine_name in FORKING,
        ),
        config=config,
        process=None,
        cgroup=nowhere,
        limit=Sourced(nowhere, nowhere.where),
        cpu_limit_cores=nowhere,
        oom_group=nowhere,
        volume=volume.unread(nowhere),
        unread=what.problems,
    )
    return with_answer(server, answer)
