"""The parts of the page that need no browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fedloom.errors import LinkError
from fedloom.page.palette import PALETTES
from fedloom.platform.identity import Identity, LockedOutError, Role, UnauthenticatedError
from fedloom.platform.service import Service
from fedloom.platform.store import Event, EventKind
from fedloom.platform.task import NewTask
from fedloom.platform.ui.broadcast import Broadcaster
from fedloom.platform.ui.feed import FEW_CLIENTS, Feeds, TaskView
from fedloom.platform.ui.plots import metrics_of, plot_metric
from fedloom.platform.ui.series import band_of, describe_metric, order_metrics, read_scalars, thin
from fedloom.platform.ui.sessions import Sessions
from fedloom.platform.ui.theme import asset_text

from .page_world import OWNER, client_row, round_row

ADA = Identity("ada", Role.VIEWER, 1)


class Door:
    """Lets the token "right" in, until it is told otherwise; a clock stands beside it."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.refusal: Exception | None = None
        self.asked = 0

    def sign_in(self, token: str, address: str) -> Identity:
        self.asked += 1
        if self.refusal is not None:
            raise self.refusal
        if token != "right":
            raise UnauthenticatedError("the token is not known")
        return ADA

    def sessions(self, **limits: Any) -> Sessions:
        return Sessions(self.sign_in, clock=lambda: self.now_s, **limits)


def test_a_session_ends_with_its_token_and_its_time() -> None:
    door = Door()
    sessions = door.sessions(idle_s=50.0, longest_s=120.0, recheck_s=5.0)
    with pytest.raises(UnauthenticatedError):
        sessions.open("wrong", "10.0.0.1")
    key, session = sessions.open("right", "10.0.0.1")
    assert "right" not in repr(sessions)
    assert key not in repr(sessions.__dict__)
    assert sessions.find(key) is session
    assert sessions.find("another") is None
    door.now_s += 40.0
    assert sessions.find(key) is session
    door.now_s += 40.0
    assert sessions.find(key) is session  # used 40 s ago, begun 80 s ago
    door.now_s += 41.0
    assert sessions.find(key) is None  # begun 121 s ago
    assert not sessions.is_alive(session)
    idle, _ = sessions.open("right", "10.0.0.1")
    door.now_s += 51.0
    assert sessions.find(idle) is None


def test_a_token_is_asked_about_again_and_a_database_that_is_down_ends_nothing() -> None:
    door = Door()
    sessions = door.sessions(recheck_s=5.0)
    key, session = sessions.open("right", "10.0.0.1")
    for _ in range(10):
        assert sessions.find(key) is session
    assert door.asked == 1
    door.now_s += 6.0
    for refusal in (LinkError("the database is down"), LockedOutError(30.0)):
        door.refusal = refusal
        assert sessions.find(key) is session
        door.now_s += 6.0
    door.refusal = UnauthenticatedError("token 1 (laptop) is revoked")
    assert sessions.find(key) is None
    assert session.closed
    door.refusal = None
    assert sessions.find(key) is None  # it does not come back


def test_the_oldest_session_goes_when_there_are_too_many() -> None:
    sessions = Door().sessions(most=2)
    keys = [sessions.open("right", "10.0.0.1")[0] for _ in range(3)]
    assert [sessions.find(key) is not None for key in keys] == [False, True, True]


def test_numbers_are_read_and_ordered() -> None:
    row = {
        "round": 3,
        "global_loss": 0.5,
        "participated": True,
        "model": "mlp",
        "epsilon": None,
        "metrics": {"f1": 0.9, "by class": {"a": 1}},
        "broken": float("nan"),
    }
    assert read_scalars(row) == {"global_loss": 0.5, "f1": 0.9, "by class.a": 1.0}
    names = ["train_seconds", "f1", "global_loss", "num_examples", "global_score"]
    ordered = [metric.name for metric in order_metrics(names)]
    assert ordered == ["global_score", "global_loss", "f1", "num_examples", "train_seconds"]
    assert describe_metric("update_norm").meaning.startswith("L2 norm")


def test_a_band_holds_the_middle_eight_of_ten() -> None:
    band = band_of([{"loss": float(value)} for value in range(11)] + [{"other": 1.0}])["loss"]
    assert (band.low, band.median, band.high) == (1.0, 5.0, 9.0)


def test_thinning_keeps_the_ends() -> None:
    few = thin(range(1, 10_001), 300)
    assert (len(few), few[0], few[-1]) == (300, 1, 10_000)
    assert thin([], 300) == []
    assert thin([7], 300) == [7]


def run_task(service: Service, rounds: int) -> int:
    task = service.store.add_task(
        NewTask(
            user_id="ada",
            use_case="iris",
            model_name="iris",
            model_version=1,
            num_global_iterations=rounds,
            run_name="run",
            experiment_name="Default",
        )
    )
    assert service.store.claim_task(OWNER, 3600.0, lambda *_: task.id) is not None
    return task.id


def add_round(service: Service, task_id: int, number: int, names: Sequence[str]) -> None:
    rows = [client_row(number, name) for name in names]
    assert service.store.add_client_rows(task_id, rows, OWNER)
    assert service.store.add_round(task_id, round_row(number, len(names)), OWNER)


def series_of(view: TaskView, name: str, chosen: dict[str, Any] | None = None) -> dict[str, Any]:
    options = plot_metric(view, describe_metric(name), chosen or {})
    return {one["name"]: one["data"] for one in options["series"]}


def test_a_feed_reads_what_is_new_and_begins_again_after_a_cut(service: Service) -> None:
    task_id, feeds = run_task(service, 5), Feeds(service, ADA)
    for number in (1, 2, 3):
        add_round(service, task_id, number, ["anna", "bert"])
    view = feeds.get(task_id).read()
    assert [row["round"] for row in view.rounds] == [1, 2, 3]
    assert sorted(view.lines) == ["anna", "bert"]
    drawn = series_of(view, "local_loss")
    assert [point[0] for point in drawn["bert"]] == [1, 2, 3]
    assert drawn["bert"][0][1] == pytest.approx(client_row(1, "bert")["local_loss"])
    rows = [client_row(4, "anna")]
    service.store.add_client_rows(task_id, rows, OWNER)
    under_way = feeds.get(task_id).read()
    assert under_way.client_ids == ["anna"]
    assert len(under_way.rounds) == 3
    service.store.cut_rounds(task_id, 1, OWNER)
    cut = Event(1, task_id, EventKind.ROUNDS_CUT, {"after": 1}, datetime.now(UTC))
    feeds.listen([cut])
    again = feeds.get(task_id).read()
    assert [row["round"] for row in again.rounds] == [1]
    assert sorted(again.bands) == [1]


def test_many_clients_are_a_band_and_some_lines(service: Service) -> None:
    task_id, feeds = run_task(service, 2), Feeds(service, ADA)
    names = [f"n{number:02d}" for number in range(FEW_CLIENTS + 1)]
    for number in (1, 2):
        add_round(service, task_id, number, names)
    feed = feeds.get(task_id)
    view = feed.read()
    assert view.lines == {}
    losses = sorted(client_row(2, name)["local_loss"] for name in names)
    drawn = series_of(view, "local_loss", {"n03": feed.client_line("n03")})
    assert drawn["Clients, median"][1] == [2, pytest.approx(losses[4])]
    low, height = drawn[""][1][1], drawn["Clients, 10–90 %"][1][1]
    assert losses[0] < low < losses[1]
    assert losses[-2] < low + height < losses[-1]
    assert drawn["n03"][0][1] == pytest.approx(client_row(1, "n03")["local_loss"])
    assert "f1" in [metric.name for metric in metrics_of(view)]


@pytest.mark.parametrize("clients", [2, FEW_CLIENTS + 1])
def test_what_clients_only_repeat_of_the_round_is_drawn_once(
    service: Service, clients: int
) -> None:
    task_id, feeds = run_task(service, 2), Feeds(service, ADA)
    for number in (1, 2):
        same = {"global_score": round_row(number, 2)["global_score"]}
        rows = [client_row(number, f"n{place}") | same for place in range(clients)]
        assert service.store.add_client_rows(task_id, rows, OWNER)
        assert service.store.add_round(task_id, round_row(number, clients), OWNER)
    view = feeds.get(task_id).read()
    options = plot_metric(view, describe_metric("global_score"), {})
    assert [one["name"] for one in options["series"]] == ["Global"]
    assert options["legend"]["data"] == ["Global"]
    assert len(series_of(view, "local_score")) > 1


def test_one_round_and_no_round_can_be_drawn(service: Service) -> None:
    task_id, feeds = run_task(service, 1), Feeds(service, ADA)
    assert metrics_of(feeds.get(task_id).read()) == []
    add_round(service, task_id, 1, ["anna"])
    view = feeds.get(task_id).read()
    options = plot_metric(view, describe_metric("global_loss"), {})
    assert options["series"][-1]["data"] == [[1.0, pytest.approx(0.924)]]
    assert (options["xAxis"]["min"], options["xAxis"]["max"]) == (0, 2)


def test_no_text_of_a_user_is_a_key_of_a_plot(service: Service) -> None:
    """NiceGUI runs the values of keys that begin with a colon."""
    task_id, feeds = run_task(service, 1), Feeds(service, ADA)
    row = client_row(1, ":alert(1)") | {"metrics": {":alert(1)": 1.0}}
    service.store.add_client_rows(task_id, [row], OWNER)
    options = plot_metric(feeds.get(task_id).read(), describe_metric(":alert(1)"), {})
    keys = set(_keys(options))
    assert ":alert(1)" not in keys
    assert {key for key in keys if key.startswith(":")} <= {
        ":color",
        ":backgroundColor",
        ":borderColor",
        ":valueFormatter",
    }


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner)


def make_event(number: int) -> Event:
    return Event(number, 1, EventKind.ROUND, {"round": number}, datetime.now(UTC))


def test_everybody_is_told_of_every_event_once_and_a_broken_link_is_said() -> None:
    known = [make_event(number) for number in range(1, 6)]
    down = [False]

    def read(after: int, limit: int) -> tuple[list[Event], int]:
        if down[0]:
            raise LinkError("the database is down")
        found = [event for event in known if event.id > after][:limit]
        return found, found[-1].id if found else after

    async def scene() -> None:
        broadcaster = Broadcaster(read, lambda: 3, poll_s=0.01)
        told: list[list[int]] = [[], []]
        ends = [
            broadcaster.subscribe(lambda events, mine=mine: mine.extend(e.id for e in events))
            for mine in told
        ]
        running = asyncio.create_task(broadcaster.run())
        await _until(lambda: told == [[4, 5], [4, 5]])
        ends[0]()
        down[0] = True
        await _until(lambda: broadcaster.problem == "the database is down")
        known.append(make_event(6))
        down[0] = False
        await _until(lambda: told[1] == [4, 5, 6])
        assert told[0] == [4, 5]
        await _until(lambda: broadcaster.problem == "")
        running.cancel()

    asyncio.run(scene())


def test_pages_share_an_answer_until_something_happens() -> None:
    async def scene() -> None:
        broadcaster = Broadcaster(lambda after, _: ([], after), lambda: 0)
        reads = []

        async def read() -> int:
            reads.append(1)
            await asyncio.sleep(0.01)
            return len(reads)

        first = await asyncio.gather(*(broadcaster.shared("key", read) for _ in range(50)))
        assert first == [1] * 50
        broadcaster.position = 7
        assert await broadcaster.shared("key", read) == 2

        async def fail() -> int:
            raise LinkError("down")

        with pytest.raises(LinkError):
            await broadcaster.shared("other", fail)
        assert await broadcaster.shared("other", read) == 3

    asyncio.run(scene())


async def _until(met: Any) -> None:
    async with asyncio.timeout(30):
        while not met():
            await asyncio.sleep(0.01)


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_edges_have_the_contrast_of_wcag_aa(theme: str) -> None:
    from fedloom.platform.ui.theme import _MORE

    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    colors = PALETTES[theme]["colors"] | _MORE[theme]
    for ground in ("bg", "surface", "raised"):
        for text in ("text", "muted", "c1", "bad"):
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        for shape in ("edge", "c2", "c3", "c4", "c5", "c8"):
            assert contrast(colors[shape], colors[ground]) >= 2.9, (shape, ground)
    assert contrast(colors["on"], colors["c1"]) >= 4.5
    assert contrast(colors["on"], colors["bad"]) >= 4.5


def test_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    for name in ("page.css", "page.js"):
        text = asset_text(name)
        assert "http" not in text
        assert "@import" not in text
