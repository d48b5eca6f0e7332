"""Building problems from configurations and requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.scheduling.build import build_problem, model_needs
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.read import uniform_cluster
from fedloom.scheduling.cluster.schema import describe_cluster
from fedloom.scheduling.policy import Policy
from fedloom.scheduling.problem import NEVER, ModelNeeds, Problem
from fedloom.scheduling.simulate.engine import simulate
from fedloom.workload.config.service_model import Law, LawName, ServiceModel
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import Tenant, WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.units import parse_time

START = parse_time("2025-01-01T00:00:00")
LAW = Law(LawName.FIXED, 1.0)


def model(name: str, gb: float, gpus: int, load_s: float | None = None) -> ServiceModel:
    return ServiceModel(name, name, "llm", gb, gpus, LAW, load_time_seconds=load_s)


def config(*models: ServiceModel, tenants: Mapping[str, float] | None = None) -> WorkloadConfig:
    models = models or (model("a", 16, 1, 4), model("b", 25, 2), model("u", 1, 0))
    names = [each.model_id for each in models]
    return WorkloadConfig(
        name="c.json",
        models={each.model_id: each for each in models},
        workflows={
            "pair": Workflow("pair", "", (Node("x", names[0]), Node("y", names[1])), ((0, 1),)),
            "one": Workflow("one", "", (Node("only", names[2]),)),
        },
        tenants={name: Tenant(name, weight) for name, weight in (tenants or {}).items()},
    )


def request(number: int, at_s: float, workflow: str = "one", **more: Any) -> Request:
    times = {"pair": {"x": 1.5, "y": 2}, "one": {"only": 0.25}}.get(workflow, {})
    fields = {"node_execution_times": times, "metadata": {}, **more}
    return Request(f"req_{number:04d}", START + round(at_s * 1e6), workflow, **fields)


def build(*requests: Request, cluster: Cluster | int = 2, **more: Any) -> Problem:
    given = more.pop("config", None) or config()
    where = uniform_cluster(cluster) if isinstance(cluster, int) else cluster
    return build_problem(given, iter(requests), where, **more)


def refusal(*requests: Request, **more: Any) -> str:
    with pytest.raises(InputError) as caught:
        build(*requests, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_columns_of_a_small_workload() -> None:
    problem = build(
        request(0, 5, "pair"),
        request(1, 6.000001, "one", metadata={"priority": 2, "deadline": "2025-01-01T00:00:08"}),
        request(2, 6.000001, "pair", node_execution_times={"y": 0.0000016, "x": 0}),
    )
    assert problem.start_us == START + 5_000_000
    assert problem.request_ids == ["req_0000", "req_0001", "req_0002"]
    assert problem.arrival_us.tolist() == [0, 1_000_001, 1_000_001]
    assert [problem.workflows[w].workflow_id for w in problem.workflow] == ["pair", "one", "pair"]
    assert problem.first_task.tolist() == [0, 2, 3, 5]
    assert problem.duration_us.tolist() == [1_500_000, 2_000_000, 250_000, 0, 2]
    assert problem.estimate_us is problem.duration_us
    assert problem.priority.tolist() == [0, 2, 0]
    assert problem.deadline_us.tolist() == [NEVER, 3_000_000, NEVER]
    assert problem.tenant.tolist() == [-1, -1, -1]
    assert (problem.tenants, problem.tenant_weights) == ((), ())
    assert problem.after.tolist() == [-1, -1, -1]
    assert (problem.tasks, problem.requests) == (5, 3)
    assert problem.models == (
        ModelNeeds("a", "llm", 1, 16_000, 4_000_000),
        ModelNeeds("b", "llm", 2, 12_500, None),
        ModelNeeds("u", "llm", 0, 0, None),
    )
    assert problem.node_models == ((0, 1), (2,))
    assert simulate(problem, Policy()).stopped == ""


def test_only_what_is_called_counts() -> None:
    # b needs two GPUs and there is one, but nothing calls it.
    problem = build(request(0, 0, "one"), cluster=1)
    assert [each.model_id for each in problem.models] == ["u"]
    assert [each.workflow_id for each in problem.workflows] == ["one"]
    assert problem.node_models == ((0,),)


@pytest.mark.parametrize(
    ("gb", "gpus", "share"), [(70.1, 1, 70_100), (10, 3, 3_334), (0.0001, 1, 1), (1.1, 2, 550)]
)
def test_shares_are_whole_megabytes(gb: float, gpus: int, share: int) -> None:
    assert model_needs(model("m", gb, gpus)).memory_mb == share


def test_requests_are_sorted_by_arrival_and_keep_their_order_otherwise() -> None:
    requests = [request(0, 9), request(1, 3, "pair"), request(2, 3), request(3, 1, "pair")]
    problem = build(*requests)
    assert problem.request_ids == ["req_0003", "req_0001", "req_0002", "req_0000"]
    assert problem.arrival_us.tolist() == [0, 2_000_000, 2_000_000, 8_000_000]
    assert problem.duration_us.tolist() == [1_500_000, 2_000_000] * 2 + [250_000] * 2


def test_tenants_of_the_configuration_have_their_weights() -> None:
    given = config(tenants={"x": 2.0, "y": 0.5})
    problem = build(request(0, 0, metadata={"tenant": "y"}), request(1, 0), config=given)
    assert problem.tenants == ("x", "y")
    assert problem.tenant_weights == (2.0, 0.5)
    assert problem.tenant.tolist() == [1, -1]
    said = refusal(request(0, 0, metadata={"tenant": "z"}), config=given)
    assert "request req_0000: metadata.tenant: unknown tenant 'z'" in said


def test_tenants_that_only_requests_name_weigh_the_same() -> None:
    names = ["q", "p", "q"]
    problem = build(*(request(n, n, metadata={"tenant": t}) for n, t in enumerate(names)))
    assert problem.tenants == ("q", "p")
    assert problem.tenant_weights == (1.0, 1.0)
    assert problem.tenant.tolist() == [0, 1, 0]


def test_closed_loops_are_linked_by_name() -> None:
    later = {"after_request": "req_0007", "think_time": 2.5}
    problem = build(request(3, 9, metadata=later), request(7, 1), request(1, 2))
    assert problem.request_ids == ["req_0007", "req_0001", "req_0003"]
    assert problem.after.tolist() == [-1, -1, 0]
    assert problem.think_us.tolist() == [0, 0, 2_500_000]
    assert simulate(problem, Policy()).arrival_us.tolist() == [0, 1_000_000, 2_750_000]


def test_a_deadline_before_the_first_arrival_is_missed_as_any_other() -> None:
    problem = build(request(0, 5, metadata={"deadline": "2025-01-01 00:00:01"}))
    assert problem.deadline_us.tolist() == [0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"workflow_id": "pairs"}, "unknown workflow 'pairs': did you mean 'pair'?"),
        ({"workflow_id": None}, "unknown workflow 'None'"),
        ({"node_execution_times": {}}, "node_execution_times has no node 'only' of workflow 'one'"),
        ({"node_execution_times": {"only": 1, "onyl": 2}}, "unknown node 'onyl': did you mean"),
        ({"node_execution_times": {"only": "1"}}, "'only' takes '1', which is no number"),
        ({"node_execution_times": {"only": None}}, "'only' takes None, which is no number"),
        ({"node_execution_times": {"only": -0.1}}, "node 'only' takes -0.1 s; a time is"),
        ({"node_execution_times": {"only": float("nan")}}, "node 'only' takes nan s"),
        ({"node_execution_times": {"only": float("inf")}}, "node 'only' takes inf s"),
        ({"node_execution_times": {"only": 2e9}}, "node 'only' takes 2e+09 s"),
        ({"node_execution_times": None}, "node_execution_times"),
        ({"metadata": {"priority": 1.5}}, "metadata.priority is 1.5; give a whole number"),
        ({"metadata": {"priority": True}}, "metadata.priority is True"),
        ({"metadata": {"priority": 2**70}}, "metadata.priority is"),
        ({"metadata": {"deadline": "soon"}}, "metadata.deadline is 'soon'; give an ISO time"),
        ({"metadata": {"tenant": 3}}, "metadata.tenant is 3; give a name"),
        ({"metadata": {"after_request": "req_0001"}}, "after_request 'req_0001' does not exist"),
        ({"metadata": {"after_request": ["x"]}}, "metadata.after_request is ['x']; give a name"),
        (
            {"metadata": {"after_request": "req_0000", "think_time": 1}},
            "after_request 'req_0000' does not arrive earlier",
        ),
        (
            {"metadata": {"after_request": "req_0000", "think_time": -1}},
            "metadata.think_time is -1; give seconds",
        ),
        (
            {"metadata": {"after_request": "req_0000", "think_time": "1"}},
            "metadata.think_time is '1'; give seconds",
        ),
    ],
)
def test_requests_that_do_not_go_with_the_configuration(fields: dict[str, Any], said: str) -> None:
    message = refusal(replace(request(0, 0), **fields))
    assert message.startswith("request req_0000: ")
    assert said in message


def test_the_request_at_fault_is_named_also_when_sorted() -> None:
    bad = request(5, 1, node_execution_times={"only": -1})
    assert refusal(request(1, 9), bad).startswith("request req_0005: ")


def test_other_faults_of_requests() -> None:
    assert "no requests" in refusal()
    assert refusal(request(1, 0), request(1, 5)) == (
        "request_id 'req_0001' stands there twice; names are unique"
    )
    long = [request(n, n, node_execution_times={"only": 9e8}) for n in range(6)]
    slow = describe_cluster({"servers": [{"gpus": 1, "gpu_memory_gb": 80, "speed": 0.001}]})
    assert "add up to more than" in refusal(*long, cluster=slow)
    endless = config(model("a", 16, 1), model("b", 16, 1), model("u", 16, 1, 1e300))
    assert "add up to more than" in refusal(request(0, 0), config=endless)
    assert "add up to more than" in refusal(
        *(
            request(n, n, metadata={"after_request": f"req_{n - 1:04d}", "think_time": 1e9})
            if n
            else request(0, 0)
            for n in range(5000)
        )
    )


def test_models_that_can_never_run_are_all_named() -> None:
    given = config(model("big", 100, 1), model("gang", 40, 3), model("wide", 400, 4))
    requests = (request(0, 0, "pair"), request(1, 0, "one"))
    servers = [{"name": "s", "count": 2, "gpus": 2, "gpu_memory_gb": 80}]
    cluster = describe_cluster({"servers": servers})
    assert refusal(*requests, config=given, cluster=cluster) == (
        "model 'big' needs 100 GB on a GPU, but the largest has 80 GB; "
        "model 'gang' needs 13.334 GB on each of 3 GPUs of one server, but no server has more "
        "than 2 (allow_span would lift that); "
        "model 'wide' needs 100 GB on each of 4 GPUs, but the largest has 80 GB"
    )
    spanning = describe_cluster({"servers": servers, "allow_span": True})
    fine = config(model("a", 80, 1), model("gang", 40, 3), model("wide", 320, 4))
    assert simulate(build(*requests, config=fine, cluster=spanning), Policy()).stopped == ""
    more = config(model("a", 80, 1), model("gang", 40, 5), model("u", 1, 0))
    assert refusal(*requests, config=more, cluster=spanning) == (
        "model 'gang' needs 8 GB on each of 5 GPUs, but the cluster has 4 of 4 that large"
    )


def test_a_gang_counts_only_the_devices_that_are_large_enough() -> None:
    servers = [{"gpus": 4, "gpu_memory_gb": 10}, {"name": "t", "gpus": 1, "gpu_memory_gb": 80}]
    cluster = describe_cluster({"servers": servers, "allow_span": True})
    given = config(model("a", 8, 1), model("gang", 40, 2), model("u", 1, 0))
    assert "has 1 of 5 that large" in refusal(request(0, 0, "pair"), config=given, cluster=cluster)


def test_estimates_err_as_asked() -> None:
    requests = [request(n, n, "pair") for n in range(4000)]
    exact, rough = (build(*requests, estimate_error=error, seed=3) for error in (0.0, 0.5))
    np.testing.assert_array_equal(exact.duration_us, rough.duration_us)
    logs = np.log(rough.estimate_us / rough.duration_us)
    assert abs(logs.mean()) < 4 * 0.5 / np.sqrt(8000)
    assert abs(logs.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * 8000)
    again = build(*requests, estimate_error=0.5, seed=3)
    np.testing.assert_array_equal(rough.estimate_us, again.estimate_us)
    other = build(*requests, estimate_error=0.5, seed=4)
    assert (rough.estimate_us != other.estimate_us).any()
    # More requests leave the errors of the others as they were.
    fewer = build(*requests[:100], estimate_error=0.5, seed=3)
    np.testing.assert_array_equal(fewer.estimate_us, rough.estimate_us[:200])


@pytest.mark.parametrize("error", [-0.1, float("nan"), 11])
def test_errors_of_estimates_that_cannot_be(error: float) -> None:
    assert "estimate_error=" in refusal(request(0, 0), estimate_error=error)
