"""The numbers of the report: intervals, measures, shares, what is drawn."""

from __future__ import annotations

from math import inf, nan, sqrt
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fedloom.bench.legacy import make_results, read_tree
from fedloom.bench.report.beside import side_by_side
from fedloom.bench.report.groups import BACKENDS, BACKENDS_AND_CLIENTS, STRATEGIES
from fedloom.bench.report.interval import Interval
from fedloom.bench.report.lines import over_repeats
from fedloom.bench.report.measures import MEASURES, Kind
from fedloom.bench.report.rows import parts_card
from fedloom.bench.report.shares import Limit
from fedloom.bench.report.spelling import spell, spell_interval
from fedloom.bench.report.summary import CellSummary, summarise_cells, summary_document
from fedloom.bench.report.troubles import Severity, Trouble, find_troubles
from fedloom.bench.report.whole import complete_results
from fedloom.bench.results.frames import CELLS, CLIENTS, ROUNDS, StudyResults
from fedloom.errors import InputError

from .old_study import read_figures, write_old_study
from .synthetic_study import make_study

KEY = {"backend": "jax", "strategy": "FedAvg", "clients": 2, "repeat": 1}


def results(
    rounds: list[dict[str, Any]],
    clients: list[dict[str, Any]] | None = None,
    cells: list[dict[str, Any]] | None = None,
    baselines: list[dict[str, Any]] | None = None,
) -> StudyResults:
    """Rows by hand: what a row does not name is that of `KEY`, or null."""
    return StudyResults(
        "by hand",
        pl.DataFrame([KEY | row for row in cells or []], schema=CELLS),
        pl.DataFrame([KEY | row for row in rounds], schema=ROUNDS),
        pl.DataFrame([KEY | row for row in clients or []], schema=CLIENTS),
        baselines or [],
    )


def only(study: StudyResults) -> CellSummary:
    (cell,) = summarise_cells(study)
    return cell


def troubles(study: StudyResults) -> list[Trouble]:
    return find_troubles(study, summarise_cells(study))


# --- intervals -----------------------------------------------------------------------------------


def test_three_repeats_have_the_interval_of_the_tables() -> None:
    found = Interval.of([1.0, 2.0, 3.0])

    assert (found.mean, found.count) == (2.0, 3)
    assert found.half_width == pytest.approx(4.302653 / sqrt(3))  # t of 2 degrees, s = 1


def test_two_repeats_have_a_wide_interval() -> None:
    assert Interval.of([0.8, 0.9]).half_width == pytest.approx(12.706205 * 0.05, rel=1e-6)


def test_one_repeat_has_no_interval_and_none_has_no_mean() -> None:
    assert Interval.of([0.5, None, nan, inf]) == Interval(0.5, None, 1)
    assert Interval.of([None]) == Interval(None, None, 0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=9))
def test_intervals_are_those_of_scipy(values: list[float]) -> None:
    found = Interval.of(values)
    assert found.mean is not None
    assert found.half_width is not None
    deviation = float(stats.sem(values))
    expected = float(stats.t.ppf(0.975, len(values) - 1)) * deviation

    assert found.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    assert found.half_width == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("interval", "kind", "text"),
    [
        (Interval(0.8853, 0.0121, 3), Kind.SCORE, "0.885 ± 0.012"),
        (Interval(0.8853, None, 1), Kind.SCORE, "0.885"),
        (Interval(215.6, 3.4, 3), Kind.SECONDS, "216 ± 3 s"),
        (Interval(0.0123, 0.0011, 3), Kind.SECONDS, "0.012 ± 0.001 s"),
        (Interval(7.1e9, 2e8, 2), Kind.BYTES, "7.1 ± 0.2 GB"),
        (Interval(0.6337, 0.01, 2), Kind.NUMBER, "0.6337 ± 0.010"),
        (Interval(None, None, 0), Kind.RATIO, "–"),
    ],
)
def test_intervals_have_one_unit(interval: Interval, kind: Kind, text: str) -> None:
    assert spell_interval(interval, kind) == text


def test_values_have_units() -> None:
    assert [spell(999, Kind.BYTES), spell(999_960, Kind.BYTES), spell(0, Kind.BYTES)] == [
        "999 B", "1.0 MB", "0 B"
    ]  # fmt: skip
    assert spell(53.4, Kind.PERCENT) == "53.4 %"
    assert [spell(0, Kind.SECONDS), spell(0.5, Kind.SECONDS)] == ["0 s", "0.500 s"]


# --- measures ------------------------------------------------------------------------------------


def test_measures_are_as_computed_by_hand() -> None:
    study = results(
        [
            {"round": 0, "score": 0.9, "loss": 2.3, "evaluate_seconds": 50.0},
            {"round": 1, "score": 0.4, "loss": 1.0, "round_seconds": 10.0, "fit_seconds": 6.0},
            {"round": 2, "score": 0.7, "loss": 0.8, "round_seconds": 20.0, "fit_seconds": 8.0},
            {"round": 3, "score": 0.6, "loss": nan, "round_seconds": None, "fit_seconds": 7.0},
        ],
        [
            {"round": 1, "client": "a", "fit_seconds": 2.0, "fit_cpu_percent": 90.0,
             "download_bytes": 10, "upload_bytes": 5, "fit_memory_bytes": 7,
             "fit_waiting_seconds": 99.0},
            {"round": 1, "client": "b", "fit_seconds": 6.0, "fit_cpu_percent": 50.0,
             "download_bytes": 10, "upload_bytes": 5, "evaluate_memory_bytes": 9},
            {"round": 2, "client": "a", "fit_seconds": 4.0, "fit_cpu_percent": 40.0,
             "download_bytes": 10, "upload_bytes": None, "fit_waiting_seconds": 1.5,
             "evaluate_waiting_seconds": 0.5},
            {"round": 2, "client": "b", "failure": "lost"},
        ],
        [{"status": "finished", "rounds": 3, "seconds": 37.0}],
    )  # fmt: skip

    cell = only(study)
    means = {name: interval.mean for name, interval in cell.measures.items()}

    assert means["final_score"] == 0.6
    assert means["best_score"] == 0.7  # not that of the initial weights
    assert means["final_loss"] == 0.8  # the last one that is a number
    assert means["round_seconds"] == 15.0
    assert means["median_round_seconds"] == 15.0
    assert means["fit_seconds"] == 7.0
    assert means["evaluate_seconds"] is None  # round 0 is no round of training
    assert means["seconds"] == 37.0
    assert means["fit_cpu_percent"] == 60.0  # each client's row once
    assert means["moved_bytes"] == 40
    assert means["memory_bytes"] == 9
    assert means["slowest_over_fastest"] == 2.0  # (6 ÷ 2 + 4 ÷ 4) ÷ 2
    assert means["waiting_seconds"] == 2.0  # the joining before round 1 is no waiting
    assert means["target_seconds"] is None
    assert cell.failures == 1
    assert all(interval.half_width is None for interval in cell.measures.values())


def test_repeats_are_taken_together() -> None:
    rows = [{"round": 1, "score": s, "repeat": r} for r, s in ((1, 0.8), (2, 0.9), (3, 0.7))]

    cell = only(results(rows, cells=[{"repeat": r, "status": "finished"} for r in (1, 2, 3)]))

    assert cell.repeats == 3
    assert cell.measures["final_score"].mean == pytest.approx(0.8)
    assert cell.measures["final_score"].half_width == pytest.approx(4.302653 * 0.1 / sqrt(3))


def test_cells_stand_in_the_order_of_the_study() -> None:
    names = [(cell.strategy, cell.clients) for cell in summarise_cells(
        make_study(backends=("jax",), clients=(10, 2), strategies=("FedAdam", "Krum", "FedAvg"))
    )]  # fmt: skip

    assert names == [("FedAvg", 2), ("FedAvg", 10), ("FedAdam", 2), ("FedAdam", 10),
                     ("Krum", 2), ("Krum", 10)]  # fmt: skip


def test_the_summary_is_json_without_what_was_not_measured() -> None:
    document = summary_document(results([{"round": 1, "score": 0.5}], baselines=[{"x": [nan]}]))

    (cell,) = document["cells"]
    assert set(cell["measures"]) == {"final_score", "best_score"}
    assert cell["measures"]["final_score"] == {"mean": 0.5, "half_width": None, "repeats": 1}
    assert (cell["limit"], cell["shares"]) == (None, {})
    assert document["baselines"] == [{"x": [None]}]


# --- what limits a cell --------------------------------------------------------------------------


def timed(**rest: Any) -> dict[str, Any]:
    return {"round": 1, "round_seconds": 20.0, "fit_seconds": 10.0, "validate_seconds": 5.0, **rest}


def test_a_round_is_taken_apart_as_by_hand() -> None:
    study = results(
        [timed()],
        [{"round": 1, "client": "a", "fit_seconds": 4.0, "evaluate_seconds": 1.0},
         {"round": 1, "client": "b", "fit_seconds": 8.0, "evaluate_seconds": 2.0}],
    )  # fmt: skip

    found = only(study).limitation

    assert found is not None
    assert found.shares == pytest.approx({
        Limit.COMPUTE: (6.0 + 1.5) / 20,
        Limit.CLIENTS: (2.0 + 0.5) / 20,
        Limit.SERVER: 5.0 / 20,
        Limit.NETWORK: (2.0 + 3.0) / 20,
    })  # fmt: skip
    assert (found.limit, found.share) == (Limit.COMPUTE, pytest.approx(0.375))


def test_the_first_round_does_not_count_beside_others() -> None:
    compiling = {**timed(), "round_seconds": 900.0, "fit_seconds": 800.0}
    later = {"round": 2, "round_seconds": 4.0, "fit_seconds": 2.0, "validate_seconds": 1.0}
    rows = [
        {"round": number, "client": "a", "fit_seconds": fit, "evaluate_seconds": 0.5}
        for number, fit in ((1, 799.0), (2, 0.5))
    ]

    cell = only(results([compiling, later], rows))

    assert cell.limitation is not None
    assert cell.limitation.shares == pytest.approx({
        Limit.COMPUTE: 0.25, Limit.CLIENTS: 0.0, Limit.SERVER: 0.25, Limit.NETWORK: 0.5,
    })  # fmt: skip
    assert cell.measures["round_seconds"].mean == 452.0  # here it counts


def test_the_wait_for_a_failed_client_is_no_network() -> None:
    study = results(
        [timed(validate_seconds=None)],
        [{"round": 1, "client": "a", "fit_seconds": 1.0},
         {"round": 1, "client": "b", "failure": "timeout"}],
    )  # fmt: skip

    found = only(study).limitation

    assert found is not None
    assert found.shares[Limit.NETWORK] == 0.0
    assert found.shares[Limit.CLIENTS] == pytest.approx(9.0 / 20)


def test_what_was_not_measured_is_not_taken_apart() -> None:
    found = only(results([timed()], [{"round": 1, "client": "a"}])).limitation

    assert found is not None
    assert found.shares == pytest.approx({Limit.SERVER: 0.25, Limit.PHASES: 0.75})
    assert found.limit is Limit.PHASES
    assert only(results([{"round": 1, "score": 0.1}])).limitation is None


seconds = st.floats(0.0, 100.0)


@given(seconds, seconds, seconds, st.lists(st.tuples(seconds, seconds), min_size=1, max_size=4))
def test_shares_add_up_to_one(
    fit: float, validate: float, other: float, clients: list[tuple[float, float]]
) -> None:
    row = {"round": 1, "round_seconds": fit + validate + other + 0.1, "fit_seconds": fit,
           "validate_seconds": validate}  # fmt: skip
    rows = [
        {"round": 1, "client": str(i), "fit_seconds": f, "evaluate_seconds": v}
        for i, (f, v) in enumerate(clients)
    ]

    found = only(results([row], rows)).limitation

    assert found is not None
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert all(-1e-9 <= share <= 1 + 1e-9 for share in found.shares.values())


# --- what is drawn -------------------------------------------------------------------------------


def test_a_curve_is_the_mean_of_the_repeats_with_their_lowest_and_highest() -> None:
    table = results([
        {"strategy": "FedAvg", "round": 1, "score": 0.2},
        {"strategy": "FedAdam", "round": 1, "score": 0.4},
        {"strategy": "FedAvg", "round": 1, "score": 0.7, "repeat": 2},
        {"strategy": "FedAvg", "round": 2, "score": None},
    ]).rounds  # fmt: skip

    (row,) = over_repeats(table, "score", BACKENDS).iter_rows(named=True)

    assert row["mean"] == pytest.approx(0.5)  # of 0.3 and 0.7
    assert (row["low"], row["high"]) == (pytest.approx(0.3), pytest.approx(0.7))
    assert (row["repeats"], row["cells"]) == (2, 3)


def test_parts_of_a_round_stand_at_the_name_of_their_group() -> None:
    rows = [
        {"strategy": name, "round": 1, "round_seconds": total, "fit_seconds": fit,
         "evaluate_seconds": 1.0, "validate_seconds": 1.0}
        for name, total, fit in (("FedAdam", 10.0, 4.0), ("FedAvg", 20.0, 9.0))
    ]  # fmt: skip

    card = parts_card(results(rows).rounds, STRATEGIES)

    assert card is not None
    assert card.layout["yaxis"]["ticktext"] == ["FedAvg", "FedAdam"]
    assert [trace["x"] for trace in card.data] == [[9, 4], [1, 1], [1, 1], [9, 4]]
    assert card.data[-1]["text"] == [" 20.0 s", " 10.0 s"]


def test_groups_of_two_are_in_order_of_numbers() -> None:
    groups = BACKENDS_AND_CLIENTS.groups(make_study(clients=(10, 2), backends=("torch",)).rounds)

    assert [group.label for group in groups] == ["torch · 2", "torch · 10"]


# --- troubles ------------------------------------------------------------------------------------


def test_a_failed_cell_says_why() -> None:
    study = results([], cells=[{"status": "failed", "reason": "client_2 was lost"}])

    (trouble,) = troubles(study)

    assert (trouble.severity, trouble.text) == (Severity.FAILED, "failed: client_2 was lost")


@pytest.mark.parametrize("last", [nan, inf, 5e9])
def test_divergence_is_noticed_whatever_the_status_says(last: float) -> None:
    study = results(
        [{"round": 0, "loss": 2.0}, {"round": 1, "loss": last}], cells=[{"status": "finished"}]
    )

    assert [trouble.severity for trouble in troubles(study)] == [Severity.DIVERGED]


def test_a_loss_that_grows_a_little_is_no_divergence() -> None:
    study = results([{"round": 0, "loss": 2.0}, {"round": 1, "loss": 9.0}],
                    cells=[{"status": "finished", "rounds": 1}])  # fmt: skip

    assert troubles(study) == []


def test_what_is_not_whole_is_doubtful() -> None:
    study = results(
        [{"round": 1, "score": 0.2}],
        [{"round": 1, "client": "a", "failure": "lost"}],
        [{"strategy": "FedAdam", "repeat": r, "status": "finished", "rounds": 5} for r in (1, 2)],
        [{"backend": "jax", "clients": 2, "constant": {"score": 0.25}}],
    )

    found = {trouble.text for trouble in troubles(study) if trouble.cell.strategy == "FedAvg"}

    assert found == {
        "not finished, or still running",
        "1 of 5 rounds",
        "1 of 2 repeats",
        "1 update of clients missing",
        "never better than a constant guess (0.250)",
    }


def test_strategies_that_do_the_same_are_noticed() -> None:
    rows = [
        {"strategy": name, "round": number, "loss": loss, "repeat": repeat}
        for repeat in (1, 2)
        for name, second in (("FedAvgM", 0.5), ("FedAvg", 0.5), ("FedAdam", 0.6))
        for number, loss in ((0, 2.0), (1, 1.0), (2, second))
    ]
    ended = [{"strategy": name, "status": "finished", "rounds": 2, "repeat": repeat}
             for name in ("FedAvg", "FedAvgM", "FedAdam") for repeat in (1, 2)]  # fmt: skip

    (trouble,) = troubles(results(rows, cells=ended))

    assert (trouble.cell.strategy, trouble.severity) == ("FedAvgM", Severity.DOUBTFUL)
    assert trouble.text == "its losses are those of FedAvg in every round"


# --- tables as they come -------------------------------------------------------------------------


def test_missing_columns_and_strange_numbers_become_null() -> None:
    given_rounds = pl.DataFrame([KEY | {"round": 1, "score": inf, "extra": 3}])
    study = StudyResults("odd", pl.DataFrame(), given_rounds, pl.DataFrame())

    whole = complete_results(study)

    assert whole.rounds.schema == ROUNDS
    assert whole.rounds["score"].to_list() == [None]
    assert whole.clients.schema == CLIENTS
    assert whole.cells["status"].to_list() == ["unfinished"]


def test_studies_stand_side_by_side() -> None:
    one = make_study(backends=("jax",), clients=(2,), strategies=("FedAvg",))

    both = side_by_side([one, one])

    names = {"jax (study-1)", "jax (study-1 (2))"}
    assert {cell.backend for cell in summarise_cells(both)} == names
    assert {b["backend"] for b in both.baselines} == names
    assert side_by_side([one]) is one
    with pytest.raises(InputError, match="at least one study"):
        side_by_side([])


def test_every_measure_says_what_it_is() -> None:
    assert all(measure.meaning and measure.label for measure in MEASURES)
    assert len({measure.name for measure in MEASURES}) == len(MEASURES)


# --- the older study -----------------------------------------------------------------------------

SPELLED = {"FedAdaGrad": "FedAdagrad"}


def test_the_36_imported_cells_are_as_published(tmp_path: Path) -> None:
    write_old_study(tmp_path)

    study = make_results("old", read_tree(tmp_path))
    found = {(c.backend, c.strategy, c.clients): c for c in summarise_cells(study)}

    assert len(found) == 36
    for cell in read_figures():
        strategy = SPELLED.get(cell.strategy, cell.strategy)
        measures = found[cell.backend, strategy, cell.clients].measures
        means = {name: measure.mean for name, measure in measures.items()}
        assert means["final_score"] == pytest.approx(cell.score, abs=0.0011)
        assert means["best_score"] == pytest.approx(cell.best, abs=0.0011)
        assert means["recorded_score"] == pytest.approx(cell.recorded, abs=0.0011)
        assert means["final_loss"] == pytest.approx(cell.loss, rel=1e-3)
        assert means["round_seconds"] == pytest.approx(cell.round_s, abs=0.3)
        assert means["fit_seconds"] == pytest.approx(cell.fit_s, abs=0.3)
        assert means["fit_machine_cpu_percent"] == pytest.approx(cell.cpu_fit, abs=0.3)
    diverged = {t.cell.strategy for t in troubles(study) if t.severity is Severity.DIVERGED}
    assert diverged == {"FedAdagrad", "FedAdam"}
