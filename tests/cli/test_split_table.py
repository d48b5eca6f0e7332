from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fedloom.cli.split_table import grid_of, labels_that_fit, render_plain, render_table

COUNTS = [{"cat": 3, "dog": 0}, {"cat": 1, "dog": 20}]


def test_plain_columns_are_aligned_and_summed() -> None:
    assert render_plain(grid_of(["a", "client_2"], COUNTS)) == (
        "client    cat  dog  rows\n"
        "a           3    0     3\n"
        "client_2    1   20    21\n"
        "all         4   20    24"
    )


def test_many_clients_are_left_out_in_the_middle_and_counted_in_the_sum() -> None:
    grid = grid_of([f"c{n}" for n in range(6)], [{"x": n} for n in range(6)], max_clients=4)
    assert grid.names == ("c0", "c1", "… 2 more", "c4", "c5")
    assert grid.counts == ((0,), (1,), (), (4,), (5,))
    assert grid.totals == (15,)
    assert "… 2 more\n" in render_plain(grid)


def test_many_labels_are_summed_up_in_the_last_column() -> None:
    grid = grid_of(["c"], [{"a": 1, "b": 2, "c": 3, "d": 4}], max_labels=3)
    assert grid.labels == ("a", "b", "2 more")
    assert grid.counts == ((1, 2, 7),)


@given(
    st.integers(1, 12).flatmap(
        lambda labels: st.lists(
            st.lists(st.integers(0, 99), min_size=labels, max_size=labels), min_size=1, max_size=9
        )
    ),
    st.integers(2, 6),
    st.integers(2, 6),
)
def test_shortening_keeps_every_row_in_the_sums(
    rows: list[list[int]], max_clients: int, max_labels: int
) -> None:
    counts = [{str(label): count for label, count in enumerate(row)} for row in rows]
    names = [f"client_{n}" for n in range(len(rows))]
    grid = grid_of(names, counts, max_clients=max_clients, max_labels=max_labels)
    assert sum(grid.totals) == sum(map(sum, rows))
    assert len(grid.labels) <= max_labels
    assert len(grid.names) <= max_clients + 1


def test_labels_that_fit_leave_room_for_names_and_sums() -> None:
    counts = [{str(label): 100 for label in range(30)}]
    fit = labels_that_fit(80, ["client_1"], counts)
    assert fit == (80 - 9 - 4 - 2) // 5
    assert labels_that_fit(10, ["client_1"], counts) == 2
    assert labels_that_fit(1000, ["client_1"], counts) == 20


def test_cells_are_shaded_by_their_share_and_empty_ones_are_not() -> None:
    console = Console(file=io.StringIO(), width=80)
    drawn = console.render(render_table(grid_of(["a", "client_2"], COUNTS)))
    cells = {(segment.text.strip(), str(segment.style)) for segment in drawn}
    assert ("20", "#ffffff on #083a7a") in cells
    assert ("1", "#08306b on #c6dbef") in cells  # the square root of 1/20, of six shades
    assert ("·", "dim") in cells


def test_nothing_to_show_is_no_error() -> None:
    grid = grid_of(["a"], [{"x": 0}])
    assert render_plain(grid).endswith("all     0     0")
    Console(file=io.StringIO()).print(render_table(grid))
