"""Workloads: what a configuration, a count and a seed determine, and what changes nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.workload.arrivals.settings import ArrivalSettings, ClosedLoop, Gaps
from fedloom.workload.block import BLOCK_REQUESTS, RequestBlock
from fedloom.workload.config.read import read_config
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.generate import Workload

MANY = BLOCK_REQUESTS + 1000


def times_of(workload: Workload) -> list[int]:
    return list(chain.from_iterable(block.time_us.tolist() for block in workload.blocks()))


def columns_of(blocks: list[RequestBlock]) -> dict[int, tuple[str, tuple[int, ...]]]:
    """Return for each request its workflow and its nodes' times."""
    rows = {}
    for block in blocks:
        for columns in block.workflows:
            table = zip(*(node.time_us.tolist() for node in columns.nodes), strict=True)
            for row, times in zip(columns.rows.tolist(), table, strict=True):
                rows[block.first + row] = (columns.workflow.workflow_id, times)
    return rows


def test_there_are_as_many_requests_as_were_asked_for(baseline_config: WorkloadConfig) -> None:
    workload = Workload(baseline_config, MANY)
    blocks = list(workload.blocks())
    assert [len(block) for block in blocks] == [BLOCK_REQUESTS, 1000]
    assert [block.first for block in blocks] == [0, BLOCK_REQUESTS]
    assert workload.count == MANY
    assert workload.header().num_requests == MANY


def test_the_default_is_that_of_the_seed(baseline_config: WorkloadConfig) -> None:
    assert Workload(baseline_config).count == 500


def test_arrivals_lie_within_the_duration_in_order(baseline_config: WorkloadConfig) -> None:
    workload = Workload(baseline_config, 300, duration_minutes=2)
    times = np.asarray(times_of(workload)) - workload.start_us
    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    assert times[-1] <= 120_000_000


def test_the_same_seed_gives_the_same_and_another_gives_another(
    baseline_config: WorkloadConfig,
) -> None:
    one, again, other = (
        columns_of(list(Workload(baseline_config, 50, seed=seed).blocks())) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_more_requests_leave_what_the_earlier_ones_call_alone(
    baseline_config: WorkloadConfig,
) -> None:
    few = columns_of(list(Workload(baseline_config, 400).blocks()))
    many = columns_of(list(Workload(baseline_config, MANY).blocks()))
    assert few == {number: many[number] for number in range(400)}


def test_another_model_changes_no_draw(baseline_config: WorkloadConfig) -> None:
    model = next(iter(baseline_config.models.values()))
    models = {"first": replace(model, model_id="first"), **baseline_config.models}
    wider = replace(baseline_config, models=models)
    one, two = (Workload(config, 300) for config in (baseline_config, wider))
    assert columns_of(list(one.blocks())) == columns_of(list(two.blocks()))
    assert times_of(one) == times_of(two)


def test_with_a_rate_the_number_is_random_and_known_beforehand(
    baseline_config: WorkloadConfig,
) -> None:
    arrivals = ArrivalSettings(gaps=Gaps.GAMMA, cv=2.0, rate_per_second=3.0)
    config = replace(baseline_config, arrivals=arrivals)
    workload = Workload(config, duration_minutes=10)
    assert workload.count == len(times_of(workload))
    assert 1200 < workload.count < 2400
    assert workload.count != Workload(config, duration_minutes=10, seed=3).count
    assert len(times_of(Workload(config, 100, duration_minutes=10))) == 100


def test_users_of_a_closed_loop_wait_for_their_answer(baseline_config: WorkloadConfig) -> None:
    loop = ClosedLoop(users=3, think_seconds=5)
    config = replace(baseline_config, arrivals=ArrivalSettings(closed_loop=loop))
    workload = Workload(config, duration_minutes=30)
    blocks = list(workload.blocks())
    assert workload.count == sum(map(len, blocks)) > 30
    block = blocks[0]
    assert block.closed_loop is not None
    critical = np.empty(len(block), np.int64)
    for columns in block.workflows:
        critical[columns.rows] = columns.critical_us
    after, think = block.closed_loop.after, block.closed_loop.think_us
    later = np.flatnonzero(after >= 0)
    previous = after[later]
    expected = block.time_us[previous] + critical[previous] + think[later]
    np.testing.assert_array_equal(block.time_us[later], expected)
    assert np.count_nonzero(after < 0) == 3


def test_a_closed_loop_may_be_cut_by_a_count(baseline_config: WorkloadConfig) -> None:
    arrivals = ArrivalSettings(closed_loop=ClosedLoop(users=2, think_seconds=1))
    config = replace(baseline_config, arrivals=arrivals)
    whole = columns_of(list(Workload(config, duration_minutes=20).blocks()))
    cut = columns_of(list(Workload(config, 10, duration_minutes=20).blocks()))
    assert cut == {number: whole[number] for number in range(10)}


def test_tenants_have_their_own_mix_priority_and_deadline() -> None:
    config = read_config(["tenants.yaml"]).config
    workload = Workload(config, 3000, duration_minutes=600)
    blocks = list(workload.blocks())
    assert sum(map(len, blocks)) == workload.count == 3000
    tenants = list(config.tenants)
    counts = np.zeros(3, int)
    for block in blocks:
        assert block.tenant is not None
        assert block.priority is not None
        assert block.deadline_us is not None
        assert np.all(np.diff(block.time_us) >= 0)
        counts += np.bincount(block.tenant, minlength=3)
        for columns in block.workflows:
            own = {tenants[i] for i in block.tenant[columns.rows]}
            allowed = {
                name
                for name, tenant in config.tenants.items()
                if columns.workflow.workflow_id in tenant.mix
            }
            assert own <= allowed
        for position, tenant in enumerate(config.tenants.values()):
            assert set(block.priority[block.tenant == position]) <= {tenant.priority}
    np.testing.assert_allclose(counts / 3000, [3 / 6, 2 / 6, 1 / 6], atol=0.04)


def test_another_tenant_leaves_the_draws_of_the_others_alone() -> None:
    config = read_config(["tenants.yaml"]).config
    rates = {
        name: replace(tenant, arrivals=ArrivalSettings(rate_per_second=1.0))
        for name, tenant in config.tenants.items()
    }

    def of_shop(names: list[str]) -> list[tuple[str, tuple[int, ...]]]:
        own = replace(config, tenants={name: rates[name] for name in names})
        blocks = list(Workload(own, duration_minutes=5).blocks())
        rows = columns_of(blocks)
        shop = names.index("shop")
        return [
            rows[block.first + int(row)]
            for block in blocks
            if block.tenant is not None
            for row in np.flatnonzero(block.tenant == shop)
        ]

    assert of_shop(["shop"]) == of_shop(["magazine", "shop", "laboratory"])


# A replay


@pytest.fixture
def replay(tmp_path: Path) -> ArrivalSettings:
    """Five arrivals; the last one after half an hour and a little."""
    path = tmp_path / "times.txt"
    path.write_text("100\n130\n700\n1300\n1900.5\n")
    return ArrivalSettings(replay=path)


def test_a_replay_goes_on_to_its_end_and_the_header_says_so(
    baseline_config: WorkloadConfig, replay: ArrivalSettings
) -> None:
    workload = Workload(replace(baseline_config, arrivals=replay))
    seconds = [(time - workload.start_us) / 1e6 for time in times_of(workload)]
    assert seconds == [0, 30, 600, 1200, 1800.5]
    header = workload.header()
    assert (header.num_requests, header.duration_minutes) == (5, 31)


@pytest.mark.parametrize(
    ("minutes", "count", "requests"), [(10, None, 2), (20.0001, None, 4), (60, None, 5), (60, 3, 3)]
)
def test_a_duration_cuts_a_replay(
    baseline_config: WorkloadConfig,
    replay: ArrivalSettings,
    minutes: float,
    count: int | None,
    requests: int,
) -> None:
    config = replace(baseline_config, arrivals=replay)
    workload = Workload(config, count, duration_minutes=minutes)
    assert len(times_of(workload)) == workload.count == requests
    assert workload.header().duration_minutes == minutes


def test_a_short_replay_lasts_a_minute(baseline_config: WorkloadConfig, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("5\n")
    config = replace(baseline_config, arrivals=ArrivalSettings(replay=tmp_path / "one.txt"))
    assert Workload(config).header().duration_minutes == 1


def test_beside_a_replay_the_others_have_their_twenty_minutes(replay: ArrivalSettings) -> None:
    config = read_config(["tenants.yaml"]).config
    names = list(config.tenants)
    tenants = {
        names[0]: replace(config.tenants[names[0]], arrivals=replay),
        names[1]: replace(config.tenants[names[1]], arrivals=None),
    }
    workload = Workload(replace(config, tenants=tenants))
    assert workload.count == 505 == len(times_of(workload))
    assert workload.header().duration_minutes == 31
    assert Workload(replace(config, tenants=tenants), duration_minutes=1).count == 502


def test_a_replay_beyond_the_year_9999_is_refused(
    baseline_config: WorkloadConfig, replay: ArrivalSettings
) -> None:
    config = replace(baseline_config, arrivals=replay)
    workload = Workload(config, start="9999-12-31T23:35:00")
    with pytest.raises(InputError, match="after the year 9999"):
        workload.header()
    with pytest.raises(InputError, match="after the year 9999"):
        list(workload.blocks())
    assert Workload(config, duration_minutes=20, start="9999-12-31T23:35:00").count == 3


# Tenants of no weight


def test_a_tenant_of_no_weight_asks_nothing_unless_it_has_a_rate() -> None:
    config = read_config(["tenants.yaml"]).config
    one, two, three = (replace(t, arrivals=None) for t in config.tenants.values())
    rate = ArrivalSettings(rate_per_second=1.0)
    tenants = {
        "a": replace(one, tenant_id="a", weight=0.0),
        "b": replace(two, tenant_id="b", weight=0.0, arrivals=rate),
        "c": replace(three, tenant_id="c", weight=2.0),
    }
    for left_out in ("", "c"):
        chosen = {name: tenant for name, tenant in tenants.items() if name != left_out}
        workload = Workload(replace(config, tenants=chosen), duration_minutes=2)
        counts = np.zeros(len(chosen), int)
        for block in workload.blocks():
            assert block.tenant is not None
            counts += np.bincount(block.tenant, minlength=len(chosen))
        assert counts[0] == 0
        assert 80 < counts[1] < 165
        assert counts[2:].tolist() == ([] if left_out else [500])
        assert workload.count == counts.sum()


# What cannot be


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_requests": 0}, "--num-requests is 0"),
        ({"num_requests": -5}, "--num-requests is -5"),
        ({"duration_minutes": 0.0}, "--duration is 0"),
        ({"duration_minutes": float("nan")}, "--duration is nan"),
        ({"duration_minutes": float("inf")}, "--duration is inf"),
        ({"duration_minutes": 1e-12}, "--duration is 1e-12"),
        ({"duration_minutes": 2e8}, "at most 150,119,988"),
        ({"num_requests": 10**12}, "--num-requests is 1,000,000,000,000; give 1 to 1,000,000,000"),
        ({"start": "yesterday"}, "--start is 'yesterday'"),
        ({"start": "0001-01-01T00:00+05:00"}, "--start is"),
        ({"start": "1969-12-31"}, "1970 or later"),
        ({"start": "9999-12-31T23:50:00"}, "beyond the year 9999"),
    ],
)
def test_what_cannot_be_is_named(
    baseline_config: WorkloadConfig, change: dict[str, object], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        list(replace(Workload(baseline_config), **change).blocks())
