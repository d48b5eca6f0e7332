"""The column of prompts that follow a template.

The template is filled in and printed twice, with digits 7 and with digits 8 wherever a number will
stand. Where the two texts differ is where the numbers go; all else (quotes, escapes, folded lines)
is the same for every row whose number has as many digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fedloom.workload.formats.matrix import RowPart, values_part
from fedloom.workload.formats.numbers import Lookup, Part, Whole, print_id, single_digits
from fedloom.workload.formats.prompts import NUMBERED, fill_template, template_fields
from fedloom.workload.formats.skeleton import Layout, Path

__all__ = ["TemplatePrompts"]


@dataclass(frozen=True, slots=True)
class TemplatePrompts:
    """Prompts of rows of one workflow whose numbers have the same number of digits.

    Attributes:
        template: of the configuration.
        workflow_id: of all rows.
        numbers: of the requests.
        width: of ids.
        tenants: names; one empty name where there are none.
        tenant: for each row, the position of its tenant.
    """

    is_column: ClassVar[bool] = True
    template: str
    workflow_id: str
    numbers: Whole
    width: int
    tenants: tuple[str, ...]
    tenant: Whole

    def filled(self, digit: str) -> list[str]:
        """Return the filled template for each tenant, all numbers made of one digit."""
        number = digit * len(str(self.numbers[0]))
        request_id = print_id(0, self.width).replace("0", digit)
        return [
            fill_template(
                self.template,
                i=number,
                request_id=request_id,
                workflow_id=self.workflow_id,
                tenant=tenant,
            )
            for tenant in self.tenants
        ]

    def suits(self, layout: Layout, path: Path) -> bool:
        """Return whether the layout prints all these prompts alike but for their digits."""
        count = len(self._digits())
        return all(
            layout.holds(seven)
            and layout.is_steady(seven)
            and len(_around(layout.print_value(seven, path), layout.print_value(eight, path)))
            == count + 1
            for seven, eight in zip(self.filled("7"), self.filled("8"), strict=True)
        )

    def parts(self, layout: Layout, path: Path) -> Sequence[RowPart]:
        """Return the texts around the numbers, by tenant, and the numbers."""
        digits = self._digits()
        by_tenant = [
            _around(layout.print_value(seven, path), layout.print_value(eight, path))
            for seven, eight in zip(self.filled("7"), self.filled("8"), strict=True)
        ]
        between: list[Part] = [*digits, b""]
        parts: list[RowPart] = []
        for texts, digit in zip(zip(*by_tenant, strict=True), between, strict=True):
            parts += [values_part(texts, self.tenant), digit]
        return parts

    def _digits(self) -> list[Lookup]:
        """Return the digits of all the numbers in the template, in order, one by one."""
        width = {"i": len(str(self.numbers[0])), "request_id": self.width}
        return [
            digit
            for field in template_fields(self.template)
            if field in NUMBERED
            for digit in single_digits(self.numbers, width[field])
        ]


def _around(seven: str, eight: str) -> list[bytes]:
    """Return the pieces of a text between the places where the two differ."""
    if len(seven) != len(eight):
        return []
    pairs = zip(seven, eight, strict=True)
    places = [place for place, (one, other) in enumerate(pairs) if one != other]
    begins = [0, *(place + 1 for place in places)]
    ends = [*places, len(seven)]
    return [seven[begin:end].encode() for begin, end in zip(begins, ends, strict=True)]
