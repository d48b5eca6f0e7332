"""The figures of workloads and of scheduling: what is measured, by which module."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RATE_FIGURES", "RATE_GROUPS", "RateFigure", "find_rate_figure"]

RATE_GROUPS = {
    "requests": "Requests: generating, writing and reading them, on one core",
    "scheduling": "Scheduling: simulating, checking and measuring, on one core",
    "backends": "Backends: a client's steps with Adam on 32 rows of 28×28, on one core",
}
"""What `--workload` takes for them, and the headings of their tables."""


@dataclass(frozen=True)
class RateFigure:
    """One thing that is timed.

    Attributes:
        name: what `RateTimes.figure` says.
        group: a key of `RATE_GROUPS`.
        module: what measures it.
        title: its row in the table.
        item: what is counted.
        beside: what it is compared with, call by call; empty for nothing.
        part: what the module is asked for; figures of a part are measured in one process.
    """

    name: str
    group: str
    module: str
    title: str
    item: str
    beside: str = ""
    part: str = ""


def _request(name: str, module: str, title: str, beside: str = "", *, part: str = "") -> RateFigure:
    return RateFigure(name, "requests", f"request_files.{module}", title, "requests", beside, part)


def _task(name: str, module: str, title: str, beside: str = "") -> RateFigure:
    return RateFigure(name, "scheduling", f"scheduling.{module}", title, "tasks", beside)


def _step(backend: str, model: str, other: str, beside: str) -> RateFigure:
    name = f"step-{backend}-{model}-{other}"
    title = f"{backend}, {model}"
    return RateFigure(name, "backends", "backends.step", title, "steps", beside, backend)


_FIRST = "first version"

RATE_FIGURES = (
    _request("jsonl", "writing", "to JSONL", f"{_FIRST}, `json.dumps` each"),
    _request("json", "writing", "to the seed's JSON", f"{_FIRST}, `json.dump`"),
    _request("yaml", "writing", "to the seed's YAML", f"{_FIRST}, `yaml.dump`"),
    _request("csv", "writing", "to CSV", f"{_FIRST}, `csv.DictWriter`"),
    _request("parquet", "writing", "to Parquet"),
    _request("memory-jsonl", "memory", "memory, to JSONL", part="jsonl"),
    _request("memory-json", "memory", "memory, to the seed's JSON", part="json"),
    _request("memory-first", "memory", f"memory, {_FIRST}, JSON", part="first-version"),
    _request("read-yaml", "reading", "from the seed's YAML", "`yaml.load`, CSafeLoader, whole"),
    _request("read-yaml-plain", "reading", "the same", "`yaml.safe_load`, whole"),
    _request("read-json", "reading", "from the seed's JSON", "`json.load`, whole"),
    _request("read-jsonl", "reading", "from JSONL", "`json.loads` each"),
    _request("read-parquet", "reading", "from Parquet"),
    _task("fifo-2k", "simulating", "fifo, compiled", f"{_FIRST}, lists"),
    _task("fifo-4k", "simulating", "fifo, compiled", f"{_FIRST}, lists"),
    _task("fifo-10k", "simulating", "fifo, compiled, ten problems of 10,000"),
    _task("fifo-100k", "simulating", "fifo, compiled"),
    _task("fifo-1m", "simulating", "fifo, compiled"),
    RateFigure(
        "compile",
        "scheduling",
        "scheduling.compiling",
        "first simulation in a process, compiled code on disk",
        "simulations",
        "nothing compiled yet",
    ),
    _task("own-4k", "own_policies", "a user's policy with `rank`", f"{_FIRST}, lists"),
    _task("own-100k", "own_policies", "a user's policy with `rank`"),
    _task("choose-100k", "own_policies", "a user's policy with `choose`, sorting 32 tasks"),
    _task("example-10k", "own_policies", "the example `response_ratio.py`, placing 128 tasks"),
    _task("check", "checking", "checker", f"{_FIRST}, fewer rules"),
    _task("measure", "checking", "metrics"),
    _task("log-json", "checking", "log as JSON"),
    _task("log-parquet", "checking", "log as Parquet"),
    RateFigure(
        "build", "scheduling", "scheduling.building", "a problem from a JSONL file", "requests"
    ),
    *(_step("jax", model, "loops", "the forms of lanes") for model in ("mlp", "cnn")),
    *(
        _step(backend, model, *other)
        for backend, compiler in (("torch", "`torch.compile`"), ("tensorflow", "XLA"))
        for model in ("mlp", "cnn")
        for other in (("eager", "not compiled"), ("compiler", compiler))
    ),
)


def find_rate_figure(name: str) -> RateFigure:
    """Return the figure called `name`."""
    return next(figure for figure in RATE_FIGURES if figure.name == name)
