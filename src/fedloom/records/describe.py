"""The description of the tables' columns in `docs/records.md`, made from the schema.

``python -m fedloom.records.describe docs/records.md`` brings the page up to date; without a page
it prints the tables.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from fedloom.files import write_text
from fedloom.records.schema import (
    ClientRecord,
    Column,
    MetricRecord,
    RoundRecord,
    Table,
    describe_columns,
)

__all__ = ["describe_table", "main", "update_page"]

_TABLES: dict[str, Table] = {
    "clients": ClientRecord,
    "rounds": RoundRecord,
    "metrics": MetricRecord,
}
_KINDS = {str: "text", int: "integer", float: "number", bool: "True/False"}


def describe_table(table: Table) -> str:
    """Return the columns of a table as a Markdown table."""
    head = "| column | type | unit | meaning | older names |\n|---|---|---|---|---|\n"
    return head + "".join(_describe_row(column) for column in describe_columns(table))


def _describe_row(column: Column) -> str:
    kind = _KINDS[column.kind] + (" or empty" if column.optional else "")
    older = ", ".join(f"`{name}`" for name in column.replaces if name != column.name)
    return f"| `{column.name}` | {kind} | {column.unit} | {column.meaning} | {older} |\n"


def update_page(page: str) -> str:
    """Return a page with the text between the marks of each table replaced by its description.

    The marks are ``<!-- columns of clients -->`` and ``<!-- end -->``, and so for ``rounds``
    and ``metrics``.
    """
    for name, table in _TABLES.items():
        mark = f"<!-- columns of {name} -->\n"
        text = f"{mark}{describe_table(table)}<!-- end -->".replace("\\", r"\\")
        page = re.sub(f"{mark}.*?<!-- end -->", text, page, flags=re.DOTALL)
    return page


def main(arguments: list[str]) -> None:
    """Bring the named pages up to date, or print the tables."""
    for name in arguments:
        path = Path(name)
        write_text(path, update_page(path.read_text(encoding="utf-8")))
    if not arguments:
        print("\n".join(describe_table(table) for table in _TABLES.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
