"""Plans: names, defaults, what a run's identity depends on, and what is refused."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fedloom
from fedloom.cli.plan_options import DATA_FIELDS, SPLIT_FIELDS
from fedloom.errors import InputError
from fedloom.experiment import ALGORITHM_PARAMETERS, Plan, PlanOptions, SplitOptions, make_plan
from fedloom.experiment.plan_file import read_options
from fedloom.federation.algorithm import algorithm_names, algorithm_params
from fedloom.federation.algorithms import PARAMETERS


def test_the_defaults_are_those_of_the_seed() -> None:
    plan = make_plan({})
    assert (plan.dataset, plan.model, plan.clients, plan.rounds, plan.epochs, plan.batch_size) == (
        "digits",
        "mlp",
        20,
        5,
        5,
        32,
    )


def test_keyword_arguments_are_the_keys_of_a_plan_under_the_same_names() -> None:
    assert set(PlanOptions.__annotations__) == set(Plan.model_fields)
    assert set(SplitOptions.__annotations__) == {*DATA_FIELDS, *SPLIT_FIELDS, "seed"}
    for function, options in ((fedloom.simulate, PlanOptions), (fedloom.partition, SplitOptions)):
        last = list(inspect.signature(function).parameters.values())[-1]
        assert last.kind is inspect.Parameter.VAR_KEYWORD
        assert options.__name__ in str(last.annotation)
    assert all(type(None) in hint.__args__ for hint in get_type_hints(PlanOptions).values())


def test_every_field_is_described_and_optional() -> None:
    for name, field in Plan.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_parameters_of_algorithms_are_fields_and_the_other_way_round() -> None:
    taken = {name for algorithm in algorithm_names() for name in algorithm_params(algorithm)}
    assert taken == set(ALGORITHM_PARAMETERS) == set(PARAMETERS)
    assert taken <= set(Plan.model_fields)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [(None, 0.3), ("SGD", 0.3), ("momentum", 0.1), ("Adam", 0.01)]
)
def test_the_step_size_goes_with_the_optimizer(optimizer: str | None, rate: float) -> None:
    assert make_plan({"optimizer": optimizer}).learning_rate == rate
    assert make_plan({"optimizer": optimizer, "learning_rate": 2}).learning_rate == 2


def test_names_are_read_without_regard_to_case_and_spelt_in_one_way() -> None:
    odd = make_plan(
        {
            "dataset": "Fashion-MNIST",
            "algorithm": "FEDAVG",
            "partition": "Quantity-Skew",
            "model": "MLP",
            "fleet": "Simulated",
            "weights": "ALL",
            "columns": "MLaaS",
            "local_evaluation": "Full",
            "task": "Classification",
        }
    )
    even = make_plan(
        {"dataset": "fashion_mnist", "partition": "quantity_skew", "task": "classification"}
    )
    assert odd.run_id == even.run_id
    assert odd.dataset_name == "fashion_mnist"


@pytest.mark.parametrize(
    "changes",
    [
        {"output": "x"},
        {"output_dir": "x"},
        {"data_dir": "x"},
        {"lanes": 3},
        {"workers": 3},
        {"weights": "none"},
        {"columns": "mlaas"},
        {"client_timeout_s": 5},
        {"learning_rate": 0.3},
    ],
)
def test_the_run_s_id_does_not_depend_on(changes: dict[str, Any]) -> None:
    assert make_plan(changes).run_id == make_plan({}).run_id


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"dataset": "iris"},
        {"learning_rate": 0.1},
        {"cohort": 3},
        {"server_learning_rate": 0.5},
        {"devices": {"availability": 0.5}},
        {"partition": "custom", "distribution": {"a": {"0": 1}}},
        {"fleet": "process"},
        {"hidden": [3]},
    ],
)
def test_the_run_s_id_depends_on(changes: dict[str, Any]) -> None:
    assert make_plan(changes).run_id != make_plan({}).run_id


def test_folders_of_this_machine_are_no_part_of_a_run() -> None:
    here = make_plan({"dataset": "csv:/a/data.csv", "model": "/a/net.py:build"})
    there = make_plan({"dataset": "csv:b/data.csv", "model": "net.py:build"})
    assert here.run_id == there.run_id
    assert (here.dataset_name, here.model_name) == ("csv:data.csv", "net.py:build")


def test_a_plan_is_frozen_and_takes_paths() -> None:
    plan = make_plan({"data_dir": Path("a"), "output": Path("b.csv")})
    assert (plan.data_dir, plan.output) == ("a", "b.csv")
    with pytest.raises(Exception, match="frozen"):
        plan.clients = 3  # type: ignore[misc]


def test_labels_may_be_numbers() -> None:
    plan = make_plan({"partition": "custom", "distribution": {"a": {0: 5}}})
    assert plan.distribution == {"a": {"0": 5}}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clients": 0}, r"^clients=0: input should be greater than or equal to 1$"),
        ({"clients": True}, r"^clients=True: yes and no belong to allow_shortfall"),
        ({"clients": 2.5}, r"^clients=2.5: "),
        ({"cohort": "ten"}, r"^cohort='ten': "),
        ({"hidden": [3, 0]}, r"^hidden=0: "),
        ({"hidden": "3"}, r"^hidden="),
        ({"learning_rate": float("nan")}, r"^learning_rate=nan: "),
        ({"distribution": {"a": {"0": "x"}}, "partition": "custom"}, r"^distribution\.a\.0='x'"),
        ({"client_timeout_s": float("inf")}, r"^client_timeout_s=inf"),
    ],
)
def test_a_fault_is_one_line_with_field_and_value(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        make_plan(options)
    assert "\n" not in str(caught.value)


@given(
    st.dictionaries(
        st.sampled_from(sorted(Plan.model_fields)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
        max_size=3,
    )
)
def test_any_options_make_a_plan_or_a_clear_error(options: dict[str, Any]) -> None:
    try:
        plan = make_plan(options)
    except InputError:
        return
    assert make_plan(plan.content).run_id == plan.run_id


def test_a_plan_file_is_flat_or_that_of_a_run(tmp_path: Path) -> None:
    Path("flat.yaml").write_text("clients: 3\n")
    Path("run.yaml").write_text("run_id: x\nplan:\n  clients: 3\n")
    Path("json.json").write_text('{"clients": 3}')
    for name in ("flat.yaml", "run.yaml", "json.json"):
        assert read_options(Path(name)) == {"clients": 3}
