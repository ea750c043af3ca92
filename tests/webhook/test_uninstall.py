"""The first step of an uninstallation, over the wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.webhook.clusters import api_server, kubeconfig
from webhook.uninstall import main

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/bgsafe"


@pytest.mark.parametrize(
    ("objects", "code", "said"),
    [
        pytest.param({CONFIGURATION: {"metadata": {}}}, 0, "configuration_deleted", id="is there"),
        pytest.param({}, 0, "configuration_was_gone", id="is not there any more"),
        pytest.param(
            {CONFIGURATION: {"refuse": 403}},
            1,
            "kubectl delete validatingwebhookconfiguration bgsafe",
            id="not allowed",
        ),
        pytest.param({CONFIGURATION: {"refuse": 500}}, 1, "HTTP 500", id="the API server fails"),
    ],
)
def test_the_configuration_is_gone_or_somebody_is_told_how_to_delete_it(
    objects: dict[str, Any], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with api_server(objects, []) as url:
        assert main("bgsafe", kubeconfig(tmp_path, url)) == code
    assert said in capsys.readouterr().err
    assert (CONFIGURATION in objects) is (code != 0)
