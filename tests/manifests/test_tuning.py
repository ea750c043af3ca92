from __future__ import annotations

import pytest

from tests.manifests.making import read, workload


@pytest.mark.parametrize(
    ("command", "tunes"),
    [
        pytest.param("[sysctl, -w, vm.overcommit_memory=1]", ("vm.overcommit_memory=1",), id="sysctl"),
        pytest.param(
            "[sh, -c, 'echo 2 > /proc/sys/vm/overcommit_memory']", ("vm.overcommit_memory=2",), id="the file itself"
        ),
        pytest.param(
            "[sh, -c, 'echo never > /host-sys/kernel/mm/transparent_hugepage/enabled']",
            ("transparent_hugepage=never",),
            id="huge pages",
        ),
        pytest.param("[sysctl, -w, net.core.somaxconn=1]", (), id="something else"),
        pytest.param("[sh, -c, 'sysctl vm.overcommit_memory']", (), id="only read"),
    ],
)
def test_containers_that_tune_the_kernel_are_told_of(command: str, tunes: tuple[str, ...]) -> None:
    found = read(workload(f"image: busybox\ncommand: {command}"))
    assert [other.tunes for other in found.others] == ([tunes] if tunes else [])
    assert found.not_servers == 0
