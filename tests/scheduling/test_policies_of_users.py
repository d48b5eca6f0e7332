"""Policies of users: every way to get one wrong ends in one line that says where."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fedloom.errors import InputError
from fedloom.scheduling import questions
from fedloom.scheduling.compare import compare_policies
from fedloom.scheduling.policies.registry import POLICIES, read_policies, read_policy
from fedloom.scheduling.problem import NEVER, Problem
from fedloom.scheduling.simulate.engine import simulate

HEAD = """\
from fedloom.scheduling.policy import Placement, Policy
"""


@pytest.fixture
def problem(make_problem: Any) -> Problem:
    """Three calls and a gang on two GPUs: the third call has to wait."""
    return make_problem(
        {"m": (1, 16, 1), "n": (1, 70, 1), "g": (2, 32, 1)},
        {"w": (["m"], []), "v": (["n"], []), "gang": (["g"], [])},
        [("w", 0, [5]), ("v", 0, [5]), ("w", 1, [5]), ("v", 1, [5]), ("gang", 2, [5])],
        2,
    )


def write(path: Path, body: str, head: str = HEAD) -> Path:
    path.write_text(head + dedent(body))
    return path


def run(text: str, problem: Problem | None) -> None:
    named = read_policy(text)
    if problem is not None:
        compare_policies(problem, [named])


def fails(text: str, problem: Problem | None = None) -> str:
    """Return the one line in which a policy ends."""
    with pytest.raises(InputError) as caught:
        run(text, problem)
    message = str(caught.value)
    assert "\n" not in message
    assert message == message.strip()
    return message


# The file and the class


def test_a_policy_of_a_file_is_used(tmp_path: Path, problem: Problem) -> None:
    file = write(
        tmp_path / "mine.py",
        """
        class Longest(Policy):
            name = "longest-first"

            def rank(self, task):
                return -task.estimate_us
        """,
    )
    named = read_policy(f"{file}:Longest")
    assert (named.label, named.file, dict(named.options)) == ("longest-first", file, {})
    found = compare_policies(problem, [named])
    assert found.sound
    assert found.outcomes[0].schedule.policy == "longest-first"


def test_nothing_is_left_beside_the_file_and_edits_count_at_once(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.py", "class Mine(Policy):\n    name = 'aaa'\n")
    assert read_policy(f"{file}:Mine").label == "aaa"
    write(file, "class Mine(Policy):\n    name = 'bbb'\n")  # the same second, the same size
    assert read_policy(f"{file}:Mine").label == "bbb"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_class_without_a_name_is_called_by_its_class_name(
    tmp_path: Path, problem: Problem
) -> None:
    file = write(
        tmp_path / "mine.py",
        """
        from fedloom.scheduling.policies.ordered import ShortestJob

        class Base(Policy):
            name = "base"

        class Plain(Policy):
            pass

        class Child(Base):
            pass

        class Boxed(Policy):
            name = "sjf"
        """,
    )
    names = ["Base", "Plain", "Child", "Boxed", "ShortestJob"]
    labels = [read_policy(f"{file}:{name}").label for name in names]
    assert labels == ["base", "Plain", "Child", "Boxed", "ShortestJob"]
    assert POLICIES["sjf"].name == "sjf"  # the box is as it was
    schedule = simulate(problem, read_policy(f"{file}:Plain").make())
    assert schedule.policy == "Plain"


def test_dataclasses_and_several_classes_of_one_file_work(tmp_path: Path, problem: Problem) -> None:
    file = write(
        tmp_path / "mine.py",
        """
        from __future__ import annotations
        from dataclasses import dataclass

        @dataclass
        class Seen:
            model: str

        class A(Policy):
            def rank(self, task):
                return len(Seen(task.model).model)

        class B(A):
            pass
        """,
        head="",
    )
    file.write_text(file.read_text().replace("from dataclasses", HEAD + "from dataclasses"))
    found = compare_policies(problem, read_policies([f"{file}:A", f"{file}:B"]))
    assert [outcome.label for outcome in found.outcomes] == ["A", "B"]
    assert found.sound


def test_a_missing_file(tmp_path: Path) -> None:
    assert fails(f"{tmp_path}/no.py:Mine") == f"--policy: there is no file {tmp_path}/no.py"
    (tmp_path / "folder.py").mkdir()
    assert fails(f"{tmp_path}/folder.py:Mine").endswith(
        "there is no file " + f"{tmp_path}/folder.py"
    )


@pytest.mark.parametrize("end", ["", ":"])
def test_a_file_without_a_class(tmp_path: Path, end: str) -> None:
    file = write(tmp_path / "mine.py", "")
    assert "name the class too" in fails(f"{file}{end}")
    assert f"{file}:MyPolicy" in fails(f"{file}{end}")


def test_an_unknown_name_has_the_nearest_one() -> None:
    assert "did you mean 'backfill'?" in fails("backfil")
    assert read_policy("Fair_Share").label == "fair-share"


@pytest.mark.parametrize(
    ("source", "said", "line"),
    [
        ("x = 1\ndef f(:\n", "SyntaxError: invalid syntax", 2),
        ("x = 1\n  y = 2\n", "IndentationError: unexpected indent", 2),
        ("x = 'a\n", "SyntaxError: unterminated string literal", 1),
        ("\n\nimport no_such_module_anywhere\n", "ModuleNotFoundError: No module named", 3),
        ("def f():\n    return 1 / 0\n\nf()\n", "ZeroDivisionError: division by zero", 2),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines", 1),
        ("raise ValueError\n", "ValueError", 1),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
        ("exit()\n", "SystemExit", 1),
    ],
)
def test_a_file_that_fails(tmp_path: Path, source: str, said: str, line: int) -> None:
    file = tmp_path / "mine.py"
    file.write_text(source)
    before = set(sys.modules)
    message = fails(f"{file}:Mine")
    assert message.startswith(f"{file}: {said}")
    assert message.endswith(f"({file}:{line})")
    assert not {name for name in set(sys.modules) - before if name.startswith("fedloom_policy")}


@pytest.mark.parametrize("content", [b"\x00\x01", b"\xff\xfe\x00", b"# coding: no-such\nx\n"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "mine.py"
    file.write_bytes(content)
    assert fails(f"{file}:Mine").startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("body", "class_name", "said"),
    [
        ("class Other(Policy):\n    pass\n", "Mine", "no policy 'Mine'.*those here are: Other$"),
        ("", "Mine", "no policy 'Mine'.*those here are: none$"),
        ("class Mine:\n    pass\n", "Mine", "no policy 'Mine'.*subclass of"),
        ("Mine = 3\n", "Mine", "no policy 'Mine'"),
        ("Mine = Policy()\n", "Mine", "no policy 'Mine'"),
        ("", "Policy", "no policy 'Policy'"),
        ("class Mine(Policy):\n    name = 3\n", "Mine", "Mine.name is 3; give a name"),
        ("class Mine(Policy):\n    name = ''\n", "Mine", "Mine.name is ''; give a name"),
        ("class Mine(Policy):\n    name = 'a\\nb'\n", "Mine", "give a name of 1 to 100"),
        (
            "class Mine(Policy):\n    @property\n    def name(self):\n        return 'x'\n",
            "Mine",
            "Mine.name is <property",
        ),
        (
            "from abc import ABC, abstractmethod\nclass Mine(Policy, ABC):\n"
            "    @abstractmethod\n    def weight(self): ...\n",
            "Mine",
            "policy 'Mine' is abstract: it lacks weight$",
        ),
    ],
)
def test_a_class_that_is_no_policy(tmp_path: Path, body: str, class_name: str, said: str) -> None:
    file = write(tmp_path / "mine.py", body)
    message = fails(f"{file}:{class_name}")
    assert message.startswith(f"{file}: ")
    assert re.search(said, message)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("greedy:wait=", "'wait=' is no option"),
        ("greedy:=1", "'=1' is no option"),
        ("greedy:wait=1,", "'' is no option"),
        ("greedy:wait=1,wait=2", "option 'wait' is given twice"),
        ("greedy:wait", "unknown policy 'greedy:wait'"),
        ("", "unknown policy ''"),
    ],
)
def test_options_that_cannot_be_read(text: str, said: str) -> None:
    assert said in fails(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("greedy:wiat=1", "did you mean 'wait'?"),
        ("greedy:wait=much", "option wait is 'much'; give a number of 0 or more"),
        ("greedy:wait=-1", "option wait is '-1'"),
        ("greedy:wait=nan", "option wait is 'nan'"),
        ("greedy:wait=inf", "option wait is 'inf'"),
        ("greedy:wait=1,WAIT=2", "option wait is given twice"),
        ("fifo:wait=1", "policy 'fifo' has no options, but wait=1 was given"),
        ("random:seed=1", "has no options"),
    ],
)
def test_options_that_a_policy_refuses(text: str, said: str, problem: Problem) -> None:
    assert said in fails(text, problem)


# Made and prepared


@pytest.mark.parametrize(
    ("body", "said", "line"),
    [
        ("    def __init__(self, k):\n        self.k = k\n", "missing 1 required", None),
        ("    def __init__(self):\n        self.k = {}['k']\n", "KeyError: 'k'", 4),
        ("    def __init__(self):\n        import sys; sys.exit()\n", "SystemExit", 4),
        ("    def __new__(cls):\n        return 3\n", "gives 3, which is no policy", None),
    ],
)
def test_a_constructor_that_fails(
    tmp_path: Path, problem: Problem, body: str, said: str, line: int | None
) -> None:
    file = write(tmp_path / "mine.py", f"class Mine(Policy):\n{body}")
    message = fails(f"{file}:Mine", problem)
    assert message.startswith("policy Mine: Mine() ")
    assert said in message
    assert line is None or message.endswith(f"({file}:{line})")


def test_wrong_options_cost_no_simulation(problem: Problem) -> None:
    heard: list[int] = []
    with pytest.raises(InputError, match="has no options"):
        compare_policies(
            problem,
            [read_policy("fifo"), read_policy("sjf:x=1")],
            progress=lambda done, _: heard.append(done),
        )
    assert heard == []


# Called


METHODS = {
    "prepare": "def prepare(self, setting):",
    "rank": "def rank(self, task):",
    "group": "def group(self, task):",
    "place": "def place(self, task, devices):",
    "choose": "def choose(self, queue, devices):",
    "evict": "def evict(self, resident, devices, gpu):",
    "started": "def started(self, task, gpus, end_us):",
    "ended": "def ended(self, task, gpus):",
}


def method(name: str, *lines: str) -> str:
    """Return a class `Mine`; the first of the lines is line 4 of the file."""
    body = "".join(f"        {line}\n" for line in lines)
    return f"class Mine(Policy):\n    {METHODS[name]}\n{body}"


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("raise RuntimeError('on two\\nlines')", "RuntimeError: on two lines"),
        ("raise KeyError", "KeyError"),
        ("return undefined_name", "NameError: name 'undefined_name' is not defined"),
        ("import sys; sys.exit()", "SystemExit"),
    ],
)
def test_a_method_that_raises(
    tmp_path: Path, problem: Problem, name: str, line: str, said: str
) -> None:
    file = write(tmp_path / "mine.py", method(name, line, *["yield"] * (name == "choose")))
    message = fails(f"{file}:Mine", problem)
    assert message.startswith("policy Mine: ")
    assert said in message
    assert message.endswith(f"({file}:4 in {name})")


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("rank", "return 'a' if task.index else 1", "ranks cannot be compared"),
        ("rank", "return None if task.index else 1", "ranks cannot be compared"),
        ("rank", "return float('nan')", "no number"),
        ("rank", "import numpy; return numpy.array([1, 2])", "ranks cannot be compared"),
        ("rank", "from decimal import Decimal; return Decimal('NaN')", "ranks cannot be compared"),
        ("rank", "return complex(task.index)", "ranks cannot be compared"),
        ("group", "return []", "cannot name a line"),
        ("place", "return 0", "choose() yields"),
        ("place", "return ()", "needs 1 different GPUs"),
        ("place", "return (0.0,)", "choose() yields"),
        ("place", "return ('0',)", "choose() yields"),
        ("place", "return (0, 0)", "needs 1 different GPUs"),
        ("place", "return (0, 1)", "needs 1 different GPUs"),
        ("place", "return (7,)", "there is no GPU 7"),
        ("place", "return (-1,)", "there is no GPU -1"),
        ("place", "return (0,)", "GPU 0 is busy"),
        ("place", "return task", "choose() yields"),
        ("choose", "return 3", "choose()"),
        ("choose", "return None", "choose()"),
        ("choose", "pass", "choose()"),
        ("choose", "yield None", "choose() yields None"),
        ("choose", "yield queue.first()", "choose() yields"),
        ("choose", "yield (queue.first(), 0)", "choose() yields"),
        ("choose", "yield (queue.first(), (0,), 1)", "choose() yields"),
        ("choose", "yield (None, (0,))", "not in the queue"),
        ("choose", "yield ('task', (0,))", "not in the queue"),
        ("choose", "t = queue.first(); yield (t, (0,)); yield (t, (1,))", "not in the queue"),
        ("choose", "return iter([(queue.first(), (True, False))])", "needs 1 different GPUs"),
        (
            "choose",
            "import copy; yield Placement(copy.copy(queue.first()), (0,))",
            "not in the queue",
        ),
        ("choose", "import itertools; yield queue.first(), itertools.count()", "different GPUs"),
        ("choose", "yield queue.first(), (1 << 70,)", "there is no GPU"),
        ("evict", "return None", "evict()"),
        ("evict", "return 3", "evict()"),
        ("evict", "return [[]]", "evict()"),
        ("evict", "return ['other']", "evict() names 'other'"),
    ],
)
def test_rubbish_that_a_method_returns(
    tmp_path: Path, problem: Problem, name: str, line: str, said: str
) -> None:
    file = write(tmp_path / "mine.py", method(name, line))
    message = fails(f"{file}:Mine", problem)
    assert message.startswith("policy Mine: ")
    assert said in message
    assert len(message) < 600


def test_a_gang_that_may_not_span(tmp_path: Path, make_problem: Any) -> None:
    cluster = {"servers": [{"name": "a", "count": 2, "gpus": 2, "gpu_memory_gb": 80}]}
    problem = make_problem({"g": (2, 32, 1)}, {"w": (["g"], [])}, [("w", 0, [1])], cluster)
    file = write(tmp_path / "mine.py", method("place", "return (1, 2)"))
    assert "GPUs (1, 2) stand in several servers" in fails(f"{file}:Mine", problem)


def test_a_model_that_is_too_large_for_the_device(tmp_path: Path, make_problem: Any) -> None:
    cluster = {
        "servers": [
            {"name": "small", "gpus": 1, "gpu_memory_gb": 8},
            {"name": "large", "gpus": 1, "gpu_memory_gb": 80},
        ]
    }
    problem = make_problem({"m": (1, 16, 1)}, {"w": (["m"], [])}, [("w", 0, [1])], cluster)
    file = write(tmp_path / "mine.py", method("place", "return (0,)"))
    assert "there is no room for m on GPU (0,)" in fails(f"{file}:Mine", problem)


def test_questions_about_devices_that_do_not_exist(tmp_path: Path, problem: Problem) -> None:
    for question in ("resident(9)", "memory_mb(9)", "free_at_us(9)", "switch_us(task, (9,))"):
        file = write(tmp_path / "mine.py", method("place", f"devices.{question}; return (0,)"))
        message = fails(f"{file}:Mine", problem)
        assert "IndexError: there is no GPU 9" in message
        assert message.endswith(f"({file}:4 in place)")


# Never ends


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("place", "return None"),
        ("choose", "return iter(())"),
        ("choose", "yield from ()"),
        ("choose", "return []"),
    ],
)
def test_a_policy_that_never_places_leaves_everything_unfinished(
    tmp_path: Path, problem: Problem, name: str, line: str
) -> None:
    file = write(tmp_path / "mine.py", method(name, line))
    found = compare_policies(problem, [read_policy(f"{file}:Mine")])
    assert not found.sound
    outcome = found.outcomes[0]
    assert outcome.metrics.unfinished_requests == 5
    assert list(outcome.violations) == []
    assert (outcome.schedule.end_us == NEVER).all()
    assert "policy Mine placed nothing more" in outcome.schedule.stopped


def test_a_policy_that_evicts_nothing_leaves_what_has_no_room(
    tmp_path: Path, make_problem: Any
) -> None:
    problem = make_problem(
        {"m": (1, 70, 1), "n": (1, 70, 1)},
        {"w": (["m"], []), "v": (["n"], [])},
        [("w", 0, [1]), ("v", 0, [1])],
        1,
    )
    file = write(tmp_path / "mine.py", method("evict", "return []"))
    found = compare_policies(problem, [read_policy(f"{file}:Mine")])
    assert found.outcomes[0].metrics.completed_requests == 1
    assert "first in the queue was n0 of req_0001" in found.outcomes[0].schedule.stopped


@pytest.mark.parametrize(
    "lines",
    [
        ("while True:", "    queue.first()", "yield"),
        ("while (task := queue.first()):", "    if g := devices.find(task): yield task, g"),
        ("while queue:", "    for t in queue.in_order(9):", "        if 0: yield t, (0,)"),
        ("while len(queue):", "    list(queue.groups())", "yield"),
        ("while devices.idle:", "    pass", "yield"),
        ("while list(devices.candidates(queue.first())) is not None:", "    pass", "yield"),
    ],
)
def test_a_choice_that_does_not_end_is_ended(
    tmp_path: Path, problem: Problem, lines: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "MOST_QUESTIONS", 10_000)
    file = write(tmp_path / "mine.py", method("choose", *lines))
    message = fails(f"{file}:Mine", problem)
    assert "asked 10,000 times without placing anything" in message
    assert f"({file}:" in message


# Named twice


def test_the_same_policy_twice_is_refused(tmp_path: Path) -> None:
    for texts in (["fifo", "FIFO"], ["all", "sjf"], ["greedy:wait=1", "greedy:wait=1"]):
        with pytest.raises(InputError, match="is given twice; name each policy once"):
            read_policies(texts)
    file = write(tmp_path / "mine.py", "class Mine(Policy):\n    pass\n")
    with pytest.raises(InputError, match="--policy Mine is given twice"):
        read_policies([f"{file}:Mine", f"{tmp_path}/./mine.py:Mine"])
    assert [p.label for p in read_policies(["all"])] == list(POLICIES)
    assert len(read_policies(["greedy:wait=1", "greedy:wait=2", "greedy"])) == 3


def test_classes_of_one_name_in_two_files_are_told_apart(tmp_path: Path, problem: Problem) -> None:
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        body = "class Mine(Policy):\n    name = 'mine'\n"
        files.append(write(tmp_path / folder / "mine.py", body))
    policies = read_policies([f"{file}:Mine" for file in files] + ["fifo"])
    assert [policy.label for policy in policies] == [
        f"mine ({files[0]}:Mine)",
        f"mine ({files[1]}:Mine)",
        "fifo",
    ]
    assert len({policy.kind for policy in policies}) == 3
    assert len(compare_policies(problem, policies).to_dict()["policies"]) == 3
