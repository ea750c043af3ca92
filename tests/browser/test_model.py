"""The page's formulas are the model's: the same grid in Python and in the browser, to a thousandth."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from math import inf, isinf
from typing import Any

import pytest

from checker.facts import Engine, Population
from checker.model.peak import (
    Save,
    held_while_saving,
    lifetime_seconds,
    page_table_bytes,
    peak_bytes,
    scaled,
    worst_peak_bytes,
    write_budget_per_second,
)
from checker.model.workload import Workload
from checker.policy import Distribution
from checker.report import Report
from checker.report.what_if import parameters
from checker.units import GIB, MIB
from tests.report.sample import an_estimate

AGREES = 1e-3
"""What must agree: a thousandth of the figure."""

SHAPES = {
    "unknown": (),
    "small strings": (Population(2_000_000, 100, 16),),
    "embedded": (Population(4_000_000, 20, 10),),
    "numbers": (Population(3_000_000, 8, 16, encoding="int"),),
    "pages": (Population(20_000, 20_000, 16),),
    "a table": (Population(50_000, 4000, 16, type="hash", encoding="hashtable", elements=40),),
    "mixed": (Population(900_000, 100, 16), Population(5_000, 40_000, 16)),
    "spread out": (Population(300_000, 200, 16),),
    "too much for the memory": (Population(90_000_000, 100, 16),),
}
ENGINES = {
    "redis 7.2 jemalloc": Engine(name="redis", version="7.2.4", allocator="jemalloc-5.3.0", forks=True),
    "redis 6.2 libc": Engine(name="redis", version="6.2.14", allocator="libc", forks=True),
    "valkey 8.1 jemalloc": Engine(name="valkey", version="8.1.1", allocator="jemalloc-5.3.0", forks=True),
    "valkey 9.1 libc": Engine(name="valkey", version="9.1.2", allocator="libc", forks=True),
}
DISTRIBUTIONS = (Distribution(), Distribution("hot", 10.0), Distribution("zipf", 0.99))
RATES = (0.0, 1.0, 300.0, 5_000.0, 80_000.0)
RATIOS = (0.1, 0.55, 1.0, 1.7, 3.0)


def a_save(engine: Engine, shape: tuple[Population, ...], distribution: Distribution, **changed: Any) -> Save:
    resident = 512 * MIB
    tables = page_table_bytes(resident, 4096)
    workload = Workload(
        resident_bytes=resident,
        page_size_bytes=4096,
        copy_unit_bytes=4096,
        engine=engine,
        shape=shape,
        distribution=distribution,
        compression=True,
    )
    save = Save(workload=workload, seconds=6.4, base_bytes=resident + tables, child_page_tables_bytes=tables)
    return replace(save, **changed)


SAVES = {
    f"{name}, {shape}, {distribution}": a_save(engine, SHAPES[shape], distribution)
    for (name, engine), shape, distribution in product(ENGINES.items(), SHAPES, DISTRIBUTIONS)
}
COUNTED = a_save(ENGINES["redis 7.2 jemalloc"], SHAPES["small strings"], Distribution())
SAVES |= {
    "pages counted": replace(COUNTED, workload=replace(COUNTED.workload, measured_pages_per_write=1.7)),
    "huge pages": replace(COUNTED, workload=replace(COUNTED.workload, copy_unit_bytes=2 * MIB)),
    "pages of 16 KiB": replace(
        COUNTED, workload=replace(COUNTED.workload, page_size_bytes=16384, copy_unit_bytes=16384)
    ),
    "a CPU limit": a_save(ENGINES["redis 7.2 jemalloc"], (), Distribution(), cpu_limit_cores=0.5),
    "buffers": a_save(
        ENGINES["redis 7.2 jemalloc"],
        (),
        Distribution(),
        buffer_bytes_per_write=200.0,
        buffer_limit_bytes=64.0 * MIB,
        memory_file_bytes=100.0 * MIB,
    ),
}

ASK = """
const [models, limits, rates, ratios] = arguments;
return models.map((m, i) => ratios.map((ratio) => {
  const s = ratio === 1 ? m : bgsafe.scaled(m, m.resident * ratio);
  return {
    peaks: rates.map((rate) => bgsafe.peak(s, rate)),
    seconds: rates.map((rate) => bgsafe.lifetime(s, rate)),
    worst: bgsafe.worstPeak(s, 5000),
    budget: String(bgsafe.budget(s, limits[i])),
    held: bgsafe.course(s, 5000, null, 4).expected,
  };
}));
"""


@pytest.fixture(scope="module")
def answers(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from checker.report.html import render

    page = tmp_path_factory.mktemp("page") / "empty.html"
    page.write_text(render(Report(None, ())), encoding="utf-8")
    chromium.get(page.as_uri())
    models = [parameters(save, an_estimate(GIB, 1.0)) for save in SAVES.values()]
    assert None not in models
    limits = [limit_of(save) for save in SAVES.values()]
    found = chromium.execute_script(ASK, json.loads(json.dumps(models)), limits, RATES, RATIOS)
    return dict(zip(SAVES, found, strict=True))


def limit_of(save: Save) -> float:
    return peak_bytes(save, 2_000.0)


@pytest.mark.parametrize("name", SAVES)
def test_the_page_computes_what_the_model_does(name, answers):
    save, limit = SAVES[name], limit_of(SAVES[name])
    for ratio, answer in zip(RATIOS, answers[name], strict=True):
        here = scaled(save, save.workload.resident_bytes * ratio)
        assert answer["peaks"] == pytest.approx([peak_bytes(here, rate) for rate in RATES], rel=AGREES)
        assert answer["seconds"] == pytest.approx([lifetime_seconds(here, rate) for rate in RATES], rel=AGREES)
        assert answer["worst"] == pytest.approx(worst_peak_bytes(here), rel=AGREES)
        held = held_while_saving(here, 5000.0)
        assert answer["held"] == pytest.approx([held(step / 4, 1.0) for step in range(5)], rel=AGREES)
        budget = write_budget_per_second(here, limit)
        said = inf if answer["budget"] == "Infinity" else float(answer["budget"])
        if isinf(budget) or isinf(said):
            assert budget == said
        else:
            # Next to the limit a budget is as steep as the curve is flat: what it peaks at is what must agree.
            assert peak_bytes(here, said) == pytest.approx(peak_bytes(here, budget), rel=AGREES)
            assert said == pytest.approx(budget, rel=AGREES, abs=0.01) or budget > 50_000
