from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fedloom.errors import InputError, UnknownNameError
from fedloom.federation.algorithm import algorithm_names, algorithm_params, build_algorithm
from fedloom.federation.algorithms import PARAMETERS

NAMES = [
    "FedAvg",
    "FedAvgM",
    "FedAdagrad",
    "FedAdam",
    "FedYogi",
    "FedProx",
    "Scaffold",
    "FedMedian",
    "FedTrimmedAvg",
    "GeometricMedian",
    "Krum",
    "MultiKrum",
    "Bulyan",
    "DPFedAvg",
]


def build(name, **params):
    return build_algorithm(name, clients=20, cohort=10, params=params)


def test_names():
    assert algorithm_names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_builds_with_its_defaults(name):
    algorithm = build(name.lower())
    assert algorithm.name == name
    assert algorithm.params == algorithm_params(name.upper())
    assert set(algorithm.params) <= set(PARAMETERS)
    assert algorithm.params["server_learning_rate"] > 0


@pytest.mark.parametrize("name", NAMES)
def test_defaults_suit_the_default_run(name):
    build_algorithm(name, clients=20, cohort=20)


def test_every_parameter_belongs_to_an_algorithm():
    taken = {name for algorithm in NAMES for name in algorithm_params(algorithm)}
    assert taken == set(PARAMETERS)


def test_compositions():
    parts = {name: (a.objective.name, a.reducer.name) for name in NAMES for a in [build(name)]}
    assert parts["FedAvg"] == parts["FedAdam"] == ("plain", "mean_by_examples")
    assert parts["FedProx"] == ("proximal", "mean_by_examples")
    assert parts["Scaffold"] == ("scaffold", "mean_by_examples")
    assert parts["FedMedian"] == ("plain", "median")
    assert parts["FedTrimmedAvg"] == ("plain", "trimmed_mean")
    assert parts["GeometricMedian"] == ("plain", "geometric_median")
    assert parts["Krum"] == ("plain", "krum")
    assert parts["MultiKrum"] == ("plain", "multi_krum")
    assert parts["Bulyan"] == ("plain", "bulyan")
    assert parts["DPFedAvg"] == ("plain", "clipped_sum")


def test_only_dpfedavg_is_private_and_only_scaffold_needs_sgd():
    assert [name for name in NAMES if build(name).requires_sgd] == ["Scaffold"]
    assert [name for name in NAMES if build(name).privacy] == ["DPFedAvg"]
    assert [name for name in NAMES if build(name).poisson_sampling] == ["DPFedAvg"]
    privacy = build("dp-fed-avg", clip_norm=2, noise_multiplier=0.5, privacy_delta=1e-6).privacy
    assert (privacy.clip_norm, privacy.noise_multiplier, privacy.delta) == (2.0, 0.5, 1e-6)


def test_params_are_read_as_the_numbers_they_are():
    params = build("Krum", num_byzantine=2.0, server_learning_rate=1).params
    assert params == {"num_byzantine": 2, "server_learning_rate": 1.0}
    assert type(params["num_byzantine"]) is int
    assert type(params["server_learning_rate"]) is float


def test_defaults_cannot_be_changed_from_outside():
    algorithm_params("FedAvg")["server_learning_rate"] = 7
    assert algorithm_params("FedAvg") == {"server_learning_rate": 1.0}


@pytest.mark.parametrize("name", NAMES)
def test_the_page_gives_the_defaults(name):
    page = (Path(__file__).parents[2] / "docs" / "algorithms.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith(f"| {name} | ")]
    expected = ", ".join(f"`{k}` {v}" for k, v in algorithm_params(name).items())
    assert rows[0].split(" | ")[4] == expected  # the first table is that of the algorithms


def test_unknown_algorithm_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'FedAdam'"):
        build("fedadm")
    with pytest.raises(UnknownNameError, match="Krum"):
        algorithm_params("nothing")


def test_unknown_parameter_names_what_the_algorithm_takes():
    with pytest.raises(UnknownNameError, match=r"did you mean 'beta_1'.*server_learning_rate"):
        build("FedAdam", beta1=0.9)


def test_a_parameter_of_another_algorithm_is_refused():
    with pytest.raises(InputError, match=r"^proximal_mu: FedAvg takes server_learning_rate$"):
        build("FedAvg", proximal_mu=0.1)


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("FedProx", {"proximal_mu": -0.1}, "proximal_mu=-0.1: a number at least 0"),
        ("FedAvg", {"server_learning_rate": 0}, "server_learning_rate=0: a number above 0"),
        ("FedAvg", {"server_learning_rate": float("inf")}, "server_learning_rate=inf"),
        ("FedAvg", {"server_learning_rate": float("nan")}, "server_learning_rate=nan"),
        ("FedAvg", {"server_learning_rate": True}, "server_learning_rate=True"),
        ("FedAvg", {"server_learning_rate": "x"}, "server_learning_rate='x'"),
        ("FedAvgM", {"server_momentum": 1.0}, "server_momentum=1.0: .* below 1 would"),
        ("FedAdam", {"beta_2": 1}, "beta_2=1: a number at least 0 and below 1"),
        ("FedYogi", {"tau": 0.0}, "tau=0.0: a number above 0"),
        ("FedTrimmedAvg", {"trim_fraction": 0.5}, "trim_fraction=0.5: .* below 0.5"),
        ("Krum", {"num_byzantine": 1.5}, "num_byzantine=1.5: a whole number at least 0"),
        ("Krum", {"num_byzantine": 4}, r"needs a cohort of 2 × num_byzantine \+ 3 = 11.*at most 3"),
        ("MultiKrum", {"num_byzantine": 4}, "num_byzantine=4: MultiKrum needs"),
        ("MultiKrum", {"num_selected": 8}, "num_selected=8: .* from 1 to 7"),
        ("Bulyan", {"num_byzantine": 2}, r"4 × num_byzantine \+ 3 = 11"),
        ("DPFedAvg", {"clip_norm": 0}, "clip_norm=0: a number above 0"),
        ("DPFedAvg", {"noise_multiplier": -1}, "noise_multiplier=-1: a number at least 0"),
        ("DPFedAvg", {"privacy_delta": 1.0}, "privacy_delta=1.0: .* above 0 and below 1"),
    ],
)
def test_impossible_numbers_are_refused_with_the_range(name, params, message):
    with pytest.raises(InputError, match=message) as caught:
        build(name, **params)
    assert "\n" not in str(caught.value)


def test_a_cohort_too_small_for_any_liar_says_so_without_a_negative_number():
    with pytest.raises(InputError, match="a cohort of at least that, instead of 2") as caught:
        build_algorithm("Krum", clients=2, cohort=2)
    assert "at most" not in str(caught.value)


@pytest.mark.parametrize("cohort", [0, 6])
def test_impossible_cohort(cohort):
    with pytest.raises(InputError, match=f"cohort={cohort}"):
        build_algorithm("FedAvg", clients=5, cohort=cohort)


def test_names_and_parameters_are_known_without_jax():
    code = (
        "import sys\n"
        "from fedloom.federation.algorithm import algorithm_names, algorithm_params\n"
        "[algorithm_params(name) for name in algorithm_names()]\n"
        "assert not {'jax', 'optax', 'scipy', 'dp_accounting'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
