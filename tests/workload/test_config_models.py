"""What a model's section means: inheritance, times, tokens, options."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.workload.config.check import CheckResult, check_mapping
from fedloom.workload.config.service_model import Law, LawName, ServiceModel, TokenTime

NORMAL, FIXED = LawName.NORMAL, LawName.FIXED


def check(models: dict[str, Any], used: str = "m") -> CheckResult:
    workflows = {"w": {"nodes": [{"id": "n", "model": used}]}}
    return check_mapping({"models": models, "workflows": workflows})


def resolve(*, gpus_required: int = 1, memory_gb: float = 8, **fields: Any) -> ServiceModel:
    fields |= {"gpus_required": gpus_required, "memory_gb": memory_gb}
    result = check({"m": fields})
    assert result.config is not None, result.faults
    return result.config.models["m"]


def test_the_model_of_the_seed() -> None:
    model = resolve(
        name="LLM-7B", type="llm", memory_gb=14, tokens_per_second=50, token_mean=512, token_std=128
    )
    assert model == ServiceModel(
        "m", "LLM-7B", "llm", 14.0, 1, TokenTime(Law(NORMAL, 512.0, 128.0, 1.0), 50.0)
    )


@pytest.mark.parametrize(
    ("fields", "law"),
    [
        # The original's floors and defaults.
        ({"type": "image_generation", "inference_time_mean": 2, "inference_time_std": 0.5},
         Law(NORMAL, 2.0, 0.5, 0.1)),
        ({"type": "embedding"}, Law(NORMAL, 0.5, 0.1, 0.01)),
        ({"type": "embedding", "inference_time_mean": 2}, Law(NORMAL, 2.0, 0.1, 0.01)),
        ({"type": "vae"}, Law(NORMAL, 1.0, 0.2, 0.1)),
        # Every other type takes its own times; the floor is a tenth of its mean.
        ({"type": "utility", "inference_time_mean": 0.1, "inference_time_std": 0.05},
         Law(NORMAL, 0.1, 0.05, 0.01)),
        ({"type": "video_generation", "inference_time_mean": 15, "inference_time_std": 3},
         Law(NORMAL, 15.0, 3.0, 1.5)),
        ({"type": "llm", "inference_time_mean": 4, "inference_time_std": 1},
         Law(NORMAL, 4.0, 1.0, 0.4)),
        # Laws of positive numbers have no floor that nobody stated.
        ({"type": "image_generation", "inference_time_mean": 2, "inference_time_std": 1,
          "time_law": "gamma"}, Law(LawName.GAMMA, 2.0, 1.0, 0.0)),
        ({"type": "vae", "inference_time_mean": 0.02, "time_law": "fixed"},
         Law(FIXED, 0.02, 0.0, 0.0)),
        ({"type": "vae", "inference_time_mean": 3, "time_law": "exponential",
          "inference_time_min": 0.2, "inference_time_max": 60},
         Law(LawName.EXPONENTIAL, 3.0, 0.0, 0.2, 60.0)),
        # A law that cannot have a spread of 0.
        ({"type": "vae", "inference_time_mean": 3, "inference_time_std": 0, "time_law": "pareto"},
         Law(FIXED, 3.0, 0.0, 0.0)),
        # A cap below the floor that nobody stated lowers it.
        ({"type": "image_generation", "inference_time_mean": 0.04, "inference_time_max": 0.05},
         Law(NORMAL, 0.04, 0.0, 0.05, 0.05)),
        # Tokens without a number of them are not enough for other types.
        ({"type": "embedding", "tokens_per_second": 900}, Law(NORMAL, 0.5, 0.1, 0.01)),
    ],
)  # fmt: skip
def test_times_by_type(fields: dict[str, Any], law: Law) -> None:
    assert resolve(**fields).time == law


def test_other_types_may_take_tokens() -> None:
    time = resolve(type="vision_llm", tokens_per_second=40, token_mean=80).time
    assert time == TokenTime(Law(NORMAL, 80.0, 0.0, 1.0), 40.0)


def test_tokens_of_prompts_and_answers() -> None:
    model = resolve(
        tokens_per_second=50,
        prefill_tokens_per_second=4000,
        token_correlation=-0.5,
        token_mean=1,
        input_tokens={"mean": 700, "std": 300, "law": "lognormal", "max": 4096},
        output_tokens={"mean": 200, "law": "exponential", "min": 5},
    )
    assert model.time == TokenTime(
        output=Law(LawName.EXPONENTIAL, 200.0, 0.0, 5.0),
        tokens_per_second=50.0,
        input=Law(LawName.LOGNORMAL, 700.0, 300.0, 1.0, 4096.0),
        prefill_tokens_per_second=4000.0,
        correlation=-0.5,
    )


def test_what_is_assumed_is_said() -> None:
    bare = check({"m": {"gpus_required": 1, "memory_gb": 8}})
    assert bare.config is not None
    expected = TokenTime(Law(NORMAL, 512.0, 128.0, 1.0), 50.0)
    assert bare.config.models["m"].time == expected
    assert [text.rpartition("models.m: ")[2] for text in bare.warnings] == [
        "states no tokens_per_second; 50 is assumed",
        "states no token_mean; 512 ± 128 tokens are assumed",
    ]
    other = check({"m": {"gpus_required": 1, "memory_gb": 8, "type": "vae"}})
    assert "1 ± 0.2 s are assumed" in other.warnings[0]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"type": "image_generation", "inference_time_mean": 0.05}, "below 0.1 s"),
        ({"type": "vae", "inference_time_mean": 5, "inference_time_max": 4}, "above inference_"),
        ({"tokens_per_second": 5, "token_mean": 5, "token_correlation": 0.5}, "without input_"),
        ({"tokens_per_second": 5, "token_mean": 5, "prefill_tokens_per_second": 9}, "without in"),
        ({"type": "embedding", "option_time_factors": {"q": {"a": 2}}}, "no option 'q' in config"),
        ({"type": "vae", "inference_time_mean": 2, "config": {"q": ["fast"]},
          "option_time_factors": {"q": {"fsat": 2}}}, "of no choice; did you mean 'fast'?"),
        ({"type": "embedding", "memory_bg": 3}, "did you mean 'memory_gb'?"),
        ({"tokens_per_second": 5, "output_tokens": {"mean": 5, "sdt": 2}}, "did you mean 'std'?"),
    ],
)  # fmt: skip
def test_doubtful_fields_are_warned_of(fields: dict[str, Any], text: str) -> None:
    result = check({"m": {"gpus_required": 1, "memory_gb": 8, **fields}})
    assert result.faults == ()
    assert len(result.warnings) == 1
    assert text in result.warnings[0]


def test_models_beside_the_gpus_need_no_memory() -> None:
    result = check({"m": {"gpus_required": 0, "type": "utility"}})
    assert result.config is not None
    assert result.config.models["m"].memory_gb == 0.0


def test_inheritance_over_three_levels() -> None:
    models = {
        "leaf": {"base_model": "middle", "token_std": 7, "config": {"style": ["x"], "mood": []}},
        "root": {
            "name": "Root", "memory_gb": 14, "gpus_required": 1, "load_time_seconds": 3,
            "tokens_per_second": 50, "token_mean": 100, "token_std": 20,
            "config": {"style": ["a", "b"], "size": [1, 2]},
            "option_time_factors": {"size": {"2": 4}},
            "input_tokens": {"mean": 300, "std": 30},
        },
        "middle": {
            "base_model": "root", "memory_gb": 28, "input_tokens": {"std": 60},
            "option_time_factors": {"style": {"x": 1.5}},
        },
    }  # fmt: skip
    result = check(models, used="leaf")
    assert result.config is not None
    leaf = result.config.models["leaf"]
    assert (leaf.name, leaf.base_model, leaf.counted_as) == ("leaf", "middle", "middle")
    assert (leaf.memory_gb, leaf.gpus_required, leaf.load_time_seconds) == (28.0, 1, 3.0)
    assert isinstance(leaf.time, TokenTime)
    assert leaf.time.output == Law(NORMAL, 100.0, 7.0, 1.0)
    assert leaf.time.input == Law(NORMAL, 300.0, 60.0, 1.0)
    assert {name: (o.choices, o.factors) for name, o in leaf.options.items()} == {
        "style": (("x",), (1.5,)),
        "size": ((1, 2), (1.0, 4.0)),
        "mood": ((), ()),
    }
    assert list(result.config.models) == ["leaf", "root", "middle"]


def test_an_abstract_base_need_not_be_complete() -> None:
    models = {
        "base": {"tokens_per_second": 50, "token_mean": 9},
        "m": {"base_model": "base", "memory_gb": 3, "gpus_required": 1},
        "idle": {"gpus_required": 2},
    }
    result = check(models)
    assert result.config is not None
    assert list(result.config.models) == ["m"]
    assert len(result.warnings) == 1
    assert (
        "models.idle: is left out, no workflow uses it: models.idle.memory_gb is missing"
        in (result.warnings[0])
    )


def test_an_unused_model_is_kept_without_a_word() -> None:
    models = {name: {"memory_gb": 3, "gpus_required": 1} for name in ("m", "idle")}
    models["m"]["tokens_per_second"] = models["m"]["token_mean"] = 5
    result = check(models)
    assert result.config is not None
    assert list(result.config.models) == ["m", "idle"]
    assert result.warnings == ()


def test_inheritance_is_as_deep_as_you_like() -> None:
    depth = 1500
    models: dict[str, Any] = {f"m{i}": {"base_model": f"m{i + 1}"} for i in range(depth)}
    models[f"m{depth}"] = {"memory_gb": 3, "gpus_required": 1, "type": "embedding"}
    result = check(models, used="m0")
    assert result.config is not None
    assert result.config.models["m0"].memory_gb == 3.0


@pytest.mark.parametrize(
    ("choices", "stated", "factors"),
    [
        ([512, 1024], {"512": 0.5}, (0.5, 1.0)),
        ([1.5, 2], {"1.50": 3, "2.0": 4}, (3.0, 4.0)),
        ([True, False], {"true": 2}, (2.0, 1.0)),
        (["euler", "512"], {"512": 2}, (1.0, 2.0)),
        ([None, 1], {"null": 3}, (3.0, 1.0)),
        ([10, 20, 30], {"per": 20}, (0.5, 1.0, 1.5)),
        ([512, 1024], {"per": 512, "power": 2}, (1.0, 4.0)),
        (["per", "power"], {"per": 2}, (2.0, 1.0)),
        ([], {"per": 2}, ()),
    ],
)
def test_options_change_time(
    choices: list[Any], stated: dict[str, float], factors: tuple[float, ...]
) -> None:
    model = resolve(type="embedding", config={"o": choices}, option_time_factors={"o": stated})
    option = model.options["o"]
    assert option.factors == factors
    assert option.choices == tuple(choices)
    assert [type(kept) for kept in option.choices] == [type(choice) for choice in choices]


def test_one_value_is_a_choice_and_null_is_none() -> None:
    model = resolve(type="embedding", config={"steps": 20, "mode": "fast", "seed": None})
    assert {name: option.choices for name, option in model.options.items()} == {
        "steps": (20,),
        "mode": ("fast",),
        "seed": (),
    }


def test_options_without_choices_are_warned_of_never_refused() -> None:
    models = {"m": {"type": "embedding", "memory_gb": 1, "gpus_required": 1, "config": {"a": []}}}
    nodes = [{"id": "n", "model": "m", "config_options": ["a", "b"]}]
    more = [{"id": "n", "model": "m", "config_options": ["b"]}]
    workflows = {"w": {"nodes": nodes}, "v": {"nodes": more}}
    result = check_mapping({"models": models, "workflows": workflows})
    assert result.faults == ()
    assert result.config is not None
    assert result.config.workflows["w"].nodes[0].config_options == ("a", "b")
    assert [text.rpartition("config_options: ")[2] for text in result.warnings] == [
        "option 'a' has no choices in model 'm'; it is never set",
        "option 'b' has no choices in model 'm'; it is never set (as for 1 more)",
    ]


def flatten(models: dict[str, dict[str, Any]], model: str) -> dict[str, Any]:
    """Resolve inheritance the slow way: an oracle."""
    own = models[model]
    if "base_model" not in own:
        return own
    base = flatten(models, own["base_model"])
    config = {**base.get("config", {}), **own.get("config", {})}
    return {**base, **own, "config": config}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_inheritance_agrees_with_a_recursive_oracle(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    order = data.draw(st.permutations(range(count)))
    fields = st.fixed_dictionaries(
        {},
        optional={
            "memory_gb": st.integers(1, 99),
            "load_time_seconds": st.integers(0, 9),
            "config": st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(0, 5))),
        },
    )
    models: dict[str, dict[str, Any]] = {}
    for position, number in enumerate(order):  # a base may stand before or after its heirs
        base = (
            {}
            if position == 0
            else {"base_model": f"m{data.draw(st.sampled_from(order[:position]))}"}
        )
        models[f"m{number}"] = {**base, **data.draw(fields)}
    root = models[f"m{order[0]}"]
    root |= {"memory_gb": root.get("memory_gb", 1), "gpus_required": 1, "type": "embedding"}
    models = {name: models[name] for name in sorted(models)}
    used = f"m{order[-1]}"
    config = check(models, used).config
    assert config is not None
    for name, model in config.models.items():
        expected = flatten(models, name)
        assert model.memory_gb == expected["memory_gb"]
        assert model.load_time_seconds == expected.get("load_time_seconds")
        found = {option: list(o.choices) for option, o in model.options.items()}
        assert found == expected.get("config", {})
