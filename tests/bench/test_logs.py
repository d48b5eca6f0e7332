"""Logs: lines as the studied system writes them, read back; going on without doubling."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.bench.logs import ClientLog, ServerLog
from fedloom.bench.logs.client_events import Used, read_client_events
from fedloom.bench.logs.lines import LogLine, read_lines, write_line
from fedloom.bench.logs.server_events import ServerEvents, read_server_events
from fedloom.errors import NotFoundError, OutputError

AT = datetime(2026, 5, 4, 3, 2, 1, 7000)
HEAD = re.compile(
    r"jax-FedAvg-run \| INFO flwr \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \| \w+\.py:\d+ \| "
)


def messages(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    assert all(HEAD.match(line) for line in lines)
    return [HEAD.sub("", line) for line in lines]


def do_round(log: ServerLog, number: int) -> None:
    log.fit_begun(number, 2, 2)
    log.fit_ended(number, 2, 0)
    log.progress(number, 0.5 / number, 0.25, 1.5 * number)
    log.evaluate_begun(number, 2, 2)
    log.evaluate_ended(number, 2, 0)


ROUND_1 = [
    "fit_round 1: strategy sampled 2 clients (out of 2)",
    "fit_round 1 received 2 results and 0 failures",
    "fit progress: (1, 0.5, {'accuracy': 0.25}, 1.5)",
    "evaluate_round 1: strategy sampled 2 clients (out of 2)",
    "evaluate_round 1 received 2 results and 0 failures",
]


def test_a_server_writes_the_lines_that_extractors_look_for(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "s.log", "jax", "FedAvg")
    log.start(1)
    log.initial(2.5, 0.125)
    log.begin()
    do_round(log, 1)
    log.end(1.75, [(1, 0.75)], [(0, 2.5), (1, 0.5)], [(0, 0.125), (1, 0.25)])
    assert messages(tmp_path / "s.log") == [
        "Starting Flower server, config: ServerConfig(num_rounds=1, round_timeout=None)",
        "Flower ECE: gRPC server running (1 rounds), SSL is disabled",
        "Initializing global parameters",
        "Using initial parameters provided by strategy",
        "Evaluating initial parameters",
        "initial parameters (loss, other metrics): 2.5, {'accuracy': 0.125}",
        "FL starting",
        *ROUND_1,
        "FL finished in 1.75",
        "app_fit: losses_distributed [(1, 0.75)]",
        "app_fit: metrics_distributed_fit {}",
        "app_fit: metrics_distributed {}",
        "app_fit: losses_centralized [(0, 2.5), (1, 0.5)]",
        "app_fit: metrics_centralized {'accuracy': [(0, 0.125), (1, 0.25)]}",
    ]


def test_a_client_adds_how_long_it_took(tmp_path: Path) -> None:
    log = ClientLog(tmp_path / "c.log", "jax", "FedAvg", "i-0ab")
    log.connected()
    log.used("fit", 1, 86.34, AT, 2.5)
    log.closed()
    told = "{'timestamp': datetime.datetime(2026, 5, 4, 3, 2, 1, 7000), 'cpu_utilization': 86.3, "
    told += "'round': 1, 'seconds': 2.5}"
    assert messages(tmp_path / "c.log") == [
        "Opened insecure gRPC connection (no certificates were passed)",
        "ChannelConnectivity.IDLE",
        "ChannelConnectivity.READY",
        f"Instance i-0ab : CPU usage history during fit() : {told}",
        "gRPC channel closed",
        "Disconnect and shut down",
    ]


def test_a_server_that_goes_on_writes_no_round_twice(tmp_path: Path) -> None:
    first = ServerLog(tmp_path / "s.log", "jax", "FedAvg")
    first.start(3)
    first.initial(2.5, 0.125)
    first.begin()
    do_round(first, 1)
    first.fit_begun(2, 2, 2)
    with (tmp_path / "s.log").open("a") as file:
        file.write("jax-FedAvg-run | INFO flwr 20")  # it died here
    again = ServerLog(tmp_path / "s.log", "jax", "FedAvg")
    again.start(3)
    again.begin()
    do_round(again, 2)
    found = messages(tmp_path / "s.log")
    assert found[7:12] == ROUND_1
    assert [text for text in found if text.startswith("fit_round 2")] == [
        "fit_round 2: strategy sampled 2 clients (out of 2)",
        "fit_round 2 received 2 results and 0 failures",
    ]
    assert found.count("FL starting") == 1
    assert len(found) == 17


def test_a_client_that_goes_on_writes_no_round_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    first = ClientLog(path, "jax", "FedAvg", "c")
    for number in (1, 2):
        first.used("fit", number, 50.0, AT.replace(minute=number), 1.0)
        first.used("evaluate", number, 50.0, AT.replace(minute=number), 1.0)
    again = ClientLog(path, "jax", "FedAvg", "c")
    again.connected()
    again.used("fit", 2, 60.0, AT, 1.0)
    used = read_client_events(list(read_lines(path)))
    told = [(one.work, one.round, one.cpu_percent) for one in used]
    assert told == [("fit", 1, 50.0), ("evaluate", 1, 50.0), ("fit", 2, 60.0)]


@given(
    st.dictionaries(
        st.integers(1, 50),
        st.tuples(
            st.floats(allow_nan=False),
            st.floats(0, 1),
            st.floats(0, 1e6),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_a_server_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rounds: dict[int, tuple[float, float, float]]
) -> None:
    path = tmp_path_factory.mktemp("logs") / "s.log"
    log = ServerLog(path, "torch", "FedAdam")
    log.start(len(rounds))
    log.initial(1.0, 0.5)
    for number in sorted(rounds):
        log.fit_begun(number, 5, 5)
        log.progress(number, *rounds[number])
    scores = [(number, rounds[number][1]) for number in sorted(rounds)]
    log.end(12.5, [(n, rounds[n][0]) for n in sorted(rounds)], [(0, 1.0)], scores)
    found = read_server_events(list(read_lines(path)))
    kept = {n: (p.loss, p.accuracy, p.elapsed_s) for n, p in found.progress.items()}
    assert kept == rounds
    assert (found.rounds, found.initial, found.finished_s) == (len(rounds), (1.0, 0.5), 12.5)
    assert found.central_scores == dict(scores)
    assert found.distributed_losses == {n: loss for n, (loss, _, _) in rounds.items()}
    assert {line.backend for line in read_lines(path)} == {"torch"}


def test_a_diverged_loss_is_read_back(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "s.log", "jax", "FedAvg")
    log.progress(1, float("nan"), 0.1, 2.0)
    found = read_server_events(list(read_lines(tmp_path / "s.log")))
    assert str(found.progress[1].loss) == "nan"


def test_lines_of_before_are_counted_where_they_say_no_round() -> None:
    def line(work: str, second: int) -> LogLine:
        at = f"datetime.datetime(2023, 12, 4, 9, 0, {second}, 5)"
        told = f"{{'timestamp': {at}, 'cpu_utilization': 86.3}}"
        text = f"Instance i-1 : CPU usage history during {work}() : {told}"
        return LogLine("jax", "FedAvg", "INFO", AT, "client.py:9", text)

    lines = [line("fit", 1), line("fit", 1), line("evaluate", 2), line("fit", 3)]
    at = datetime(2023, 12, 4, 9, 0, 3, 5)
    found = read_client_events(lines)
    assert [(one.work, one.round) for one in found] == [("fit", 1), ("evaluate", 1), ("fit", 2)]
    assert found[-1] == Used("i-1", "fit", 2, at, 86.3, None)


@pytest.mark.parametrize(
    "text",
    ["", "rubbish", "jax-FedAvg-run | INFO flwr 2026-13-45 03:02:01,007 | a.py:1 | FL starting"],
)
def test_what_is_no_line_is_passed_over(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.log").write_text(text)
    assert list(read_lines(tmp_path / "s.log")) == []
    assert read_server_events([]) == ServerEvents()


@given(st.text("abc |-:(){}'", max_size=30), st.datetimes(datetime(1970, 1, 1)))
def test_a_line_is_read_back(message: str, at: datetime) -> None:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    line = LogLine("jax", "FedAvg", "INFO", at, "a.py:1", message.strip())
    assert f"{at:%H:%M:%S}," in write_line(line)
    assert str(line) == write_line(line)


def test_a_log_that_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.log cannot be read"):
        list(read_lines(tmp_path / "none.log"))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        ServerLog(tmp_path / "file" / "s.log", "jax", "FedAvg")


def test_seconds_since_the_epoch_are_a_time_too(tmp_path: Path) -> None:
    log = ClientLog(tmp_path / "c.log", "jax", "FedAvg", "c")
    log.used("fit", 1, 1.0, datetime(2026, 1, 1, tzinfo=UTC).timestamp(), 0.5)
    (used,) = read_client_events(list(read_lines(tmp_path / "c.log")))
    assert used.at == datetime(2026, 1, 1)
