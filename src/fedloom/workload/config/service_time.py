"""How long calls of a service model take, from what its section says.

A model of type ``llm`` takes time by its tokens, and so does any other that states their number and
speed and no ``inference_time_mean``; an ``llm`` that states a time and no speed, and all others,
take the time that they state.
"""

from __future__ import annotations

from fedloom.workload.config.faults import KeyPath
from fedloom.workload.config.findings import Findings
from fedloom.workload.config.model_schema import ModelSection, TokenSection
from fedloom.workload.config.service_model import Law, LawName, TokenTime

__all__ = ["resolve_time"]

_TOKENS_PER_SECOND, _TOKEN_MEAN, _TOKEN_STD = 50.0, 512.0, 128.0
"""Of language models that do not say: a model of 7 billion weights, and answers of a page."""

_LONGEST_S = 1e8

_SYMMETRIC = (LawName.NORMAL, LawName.UNIFORM)
"""Laws that can fall below zero; only these need a floor that nobody stated."""

_SPREAD = (LawName.LOGNORMAL, LawName.GAMMA, LawName.PARETO)
"""Laws of positive numbers, whose shape follows from mean and standard deviation."""


def resolve_time(section: ModelSection, path: KeyPath, findings: Findings) -> Law | TokenTime:
    """Return how long a call takes.

    Args:
        section: the model, with what it inherits.
        path: of the model.
        findings: takes what is missing or contradicts itself, and what is assumed.
    """
    has_speed, has_time = (
        section.tokens_per_second is not None,
        section.inference_time_mean is not None,
    )
    has_tokens = section.token_mean is not None or section.output_tokens is not None
    if section.type == "llm":
        by_tokens = has_speed or not has_time
    else:
        by_tokens = has_speed and has_tokens and not has_time
    return _token_time(section, path, findings) if by_tokens else _time_law(section, path, findings)


def _token_time(section: ModelSection, path: KeyPath, findings: Findings) -> TokenTime:
    speed = section.tokens_per_second
    if speed is None:
        speed = _TOKENS_PER_SECOND
        findings.warn(path, f"states no tokens_per_second; {speed:g} is assumed")
    output = _output_law(section, path, findings)
    prompt = section.input_tokens and _token_law(
        section.input_tokens, (*path, "input_tokens"), findings
    )
    prefill, correlation = section.prefill_tokens_per_second, section.token_correlation
    for name, value in (("prefill_tokens_per_second", prefill), ("token_correlation", correlation)):
        if value is not None and prompt is None:
            findings.warn((*path, name), "has no effect without input_tokens")
    took = output.mean / speed + (prompt.mean / prefill if prompt and prefill else 0.0)
    if took > _LONGEST_S:
        findings.fault(path, f"takes {took:g} s a call", f"{_LONGEST_S:g} s are the most")
    return TokenTime(output, speed, prompt or None, prefill, correlation or 0.0)


def _output_law(section: ModelSection, path: KeyPath, findings: Findings) -> Law:
    if section.output_tokens is not None:
        return _token_law(section.output_tokens, (*path, "output_tokens"), findings)
    mean, std = section.token_mean, section.token_std
    if mean is None:
        mean, std = _TOKEN_MEAN, _TOKEN_STD if std is None else std
        findings.warn(path, f"states no token_mean; {mean:g} ± {std:g} tokens are assumed")
    low, high = section.token_min, section.token_max
    stated = TokenSection(mean=mean, std=std, law=section.token_law, min=low, max=high)
    return _token_law(stated, path, findings, "token_")


def _token_law(stated: TokenSection, path: KeyPath, findings: Findings, prefix: str = "") -> Law:
    law = stated.law or LawName.NORMAL
    if stated.mean is None:
        findings.fault((*path, f"{prefix}mean"), "is missing", "add it, in tokens")
    mean, low = stated.mean or 0.0, stated.min or 1.0
    return _build(law, mean, stated.std, (low, stated.max), path, prefix, findings)


def _time_law(section: ModelSection, path: KeyPath, findings: Findings) -> Law:
    law, prefix = section.time_law or LawName.NORMAL, "inference_time_"
    mean, std = section.inference_time_mean, section.inference_time_std
    says_nothing = mean is None and std is None
    if section.type == "embedding":
        mean, std = 0.5 if mean is None else mean, 0.1 if std is None else std
    elif says_nothing and section.type != "image_generation":
        mean, std = 1.0, 0.2
        findings.warn(path, "states no inference_time_mean; 1 ± 0.2 s are assumed")
    if mean is None:
        findings.fault((*path, f"{prefix}mean"), "is missing", "add it, in seconds")
    mean, low = mean or 0.0, section.inference_time_min
    high = section.inference_time_max
    if low is None:
        low = _floor(section.type, law, mean, says_nothing)
        low = low if high is None else min(low, high)
        if low > mean > 0:
            text = f"is below {low:g} s, which every call takes; state inference_time_min"
            findings.warn((*path, f"{prefix}mean"), text)
    return _build(law, mean, std, (low, high), path, prefix, findings)


def _floor(kind: str, law: LawName, mean: float, says_nothing: bool) -> float:
    """Return the floor where none is stated: the original's, or a tenth of a stated mean."""
    if law not in _SYMMETRIC:
        return 0.0
    if kind == "embedding":
        return 0.01
    return 0.1 if kind == "image_generation" or says_nothing else mean / 10


def _build(
    law: LawName,
    mean: float,
    std: float | None,
    bounds: tuple[float, float | None],
    path: KeyPath,
    prefix: str,
    findings: Findings,
) -> Law:
    """Check that the numbers of a law go together; a spread of 0 is the law ``fixed``."""
    low, high = bounds
    if law in (*_SPREAD, LawName.EXPONENTIAL) and mean == 0:
        findings.fault((*path, f"{prefix}mean"), "is 0", f"{law} needs a mean greater than 0")
    if law in _SPREAD and std is None:
        findings.fault((*path, f"{prefix}std"), "is missing", f"{law} needs it")
    if high is not None and low > high:
        findings.fault((*path, f"{prefix}min"), f"is {low:g}, above {prefix}max, {high:g}")
    elif high is not None and mean > high:
        findings.warn((*path, f"{prefix}mean"), f"is {mean:g}, above {prefix}max, {high:g}")
    if law in _SPREAD and not std:
        law = LawName.FIXED
    return Law(law, mean, std or 0.0, low, high)
