"""Which data there is, by use case."""

from __future__ import annotations

from nicegui import ui

from fedloom.platform.store import EventKind
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.live import keep_fresh
from fedloom.platform.ui.tables import Cell, Field, make_table, show_rows

__all__ = ["datasets_page"]

_FIELDS = (
    Field("use_case", "Use case"),
    Field("node", "Node"),
    Field("state", "State", Cell.STATUS),
    Field("rows", "Rows", number=True),
)
_SUMS = (
    Field("use_case", "Use case"),
    Field("nodes", "Nodes online", number=True),
    Field("rows", "Rows", number=True),
)


async def datasets_page() -> None:
    """Build the list of data by use case."""
    with frame("Data", "/datasets") as visit:
        heading("Data by use case")
        ui.label("What nodes say that they hold; the rows themselves never leave them.").classes(
            "flm-muted"
        )
        with card("In all"):
            sums = make_table(_SUMS, [], key="use_case", nothing="No node holds data")
        with card("By node"):
            table = make_table(_FIELDS, [], key="key", page_size=50, nothing="No node holds data")

        async def refresh() -> None:
            held = await visit.shared("datasets", lambda service, who: service.datasets(who))
            show_rows(
                sums,
                [
                    {
                        "use_case": use_case,
                        "nodes": f"{sum(one.online for one in holders)} of {len(holders)}",
                        "rows": f"{sum(one.rows or 0 for one in holders):,}",
                    }
                    for use_case, holders in held.items()
                ],
            )
            rows = [
                {
                    "key": f"{use_case}/{one.node}",
                    "use_case": use_case,
                    "node": one.node,
                    "state": "online" if one.online else "offline",
                    "rows": f"{one.rows:,}" if one.rows is not None else "–",
                }
                for use_case, holders in held.items()
                for one in holders
            ]
            if show_rows(table, rows):
                table.props(**{"remove" if len(rows) > 50 else "add": "hide-pagination"})

        await refresh()
        matters = {EventKind.NODE, EventKind.NODE_REMOVED}
        keep_fresh(visit, refresh, lambda event: event.kind in matters, every_s=15.0)
