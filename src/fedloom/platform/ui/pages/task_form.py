"""The fields of a new task, made from what a version of a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from fedloom.errors import FedloomError, InputError
from fedloom.platform.service.asked_task import TaskFieldsError
from fedloom.platform.ui.frame import card

if TYPE_CHECKING:
    from fedloom.platform.service.task_form import AlgorithmForm, NumberField, TaskForm

__all__ = ["TaskFormPanel"]

_ROUNDS = 5
Path = tuple[str, ...]


class TaskFormPanel:
    """Fields by the way to them in a task, such as ``("local", "epochs")``.

    Args:
        use_cases: those that nodes hold data for.
        user_id: who asks.
        for_others: whether they may ask in another's name.
    """

    def __init__(self, use_cases: Sequence[str], user_id: str, for_others: bool) -> None:
        self._form: TaskForm | None = None
        self._fields: dict[Path, ValidationElement[Any]] = {}
        self._use_cases = sorted(use_cases)
        with card("How long, and what for"), ui.element("div").classes("flm-form"):
            choices = self._use_cases
            self._use_case = ui.select(
                choices, label="Use case", with_input=True, new_value_mode="add-unique"
            )
            self._add(("use_case",), self._use_case)
            self._number(("num_global_iterations",), "Rounds", _ROUNDS, min=1, step=1)
            self._add(("run_name",), ui.input("Name of the run"))
            self._add(("experiment_name",), ui.input("Experiment", value="Default"))
            if for_others:
                self._add(("user_id",), ui.input("In the name of", value=user_id))
        with card("How nodes train"):
            self._local = ui.element("div").classes("flm-form")
        with card("How updates become one model"):
            self._algorithm = ui.select([], label="Algorithm", on_change=self._show_params)
            self._add(("algorithm",), self._algorithm)
            self._params = ui.element("div").classes("flm-form")
        more = ui.expansion("Clients, time limits and more")
        with more, card(), ui.element("div").classes("flm-form"):
            self._add_limits()

    def _add_limits(self) -> None:
        share = "a number, or a share such as 0.5"
        self._text(("cohort",), "Clients of a round", f"{share}; empty: all")
        self._text(("quorum",), "Updates that make a round count", f"{share}; empty: one")
        self._number(("min_clients",), "Clients before the first round", None, min=1, step=1)
        self._number(("round_timeout_s",), "Time limit of a round (s)", None, min=1)
        deadline = ui.input("Deadline (UTC)").props("type=datetime-local stack-label")
        self._add(("deadline",), deadline)
        self._number(("priority",), "Priority, -100 to 100", None, step=1)
        self._number(("seed",), "Seed", None, min=0, step=1)
        self._validate = ui.checkbox("Clients score each round's weights", value=True)

    def show(self, form: TaskForm) -> None:
        """Show what a version takes; what somebody wrote elsewhere stays."""
        self._form = form
        if form.use_case:
            self._use_case.set_options(sorted({*self._use_cases, form.use_case}))
            self._use_case.set_value(form.use_case)
        run_name = self._fields["run_name",]
        if isinstance(run_name, ui.input) and not run_name.value:
            run_name.set_value(f"{form.model} {datetime.now(UTC):%Y-%m-%d %H:%M}")
        self._validate.set_visibility(form.validates)
        self._show_local(form)
        names = [algorithm.name for algorithm in form.algorithms]
        kept = self._algorithm.value
        self._algorithm.set_options(names)
        self._algorithm.set_value(kept if kept in names else next(iter(names), None))
        self._show_params()

    def _show_local(self, form: TaskForm) -> None:
        self._drop("local")
        self._local.clear()
        with self._local:
            for setting in form.settings:
                path, label = ("local", setting.name), setting.name.replace("_", " ").capitalize()
                hint = "empty: the package decides" if setting.default is None else ""
                if setting.kind == "text":
                    made = self._text(path, label, hint)
                    made.set_value("" if setting.default is None else str(setting.default))
                else:
                    step = 1 if setting.kind == "integer" else None
                    self._number(path, label, setting.default, hint=hint, step=step)
            if not form.settings:
                ui.label("This version cannot be trained: it has no entry point train")

    def _show_params(self) -> None:
        self._drop("algorithm_params")
        self._params.clear()
        with self._params:
            for number in self._chosen_params():
                path = ("algorithm_params", number.name)
                label = number.name.replace("_", " ")
                hint = f"{number.meaning}; {number.range}"
                self._number(path, label, number.default, hint=hint)

    def _chosen_params(self) -> Sequence[NumberField]:
        forms: Sequence[AlgorithmForm] = self._form.algorithms if self._form else ()
        return next((one.params for one in forms if one.name == self._algorithm.value), ())

    def values(self) -> dict[str, Any]:
        """Return what was asked for, as `Service.create_task` takes it.

        Raises:
            InputError: no model is chosen.
        """
        if self._form is None:
            raise InputError("choose a model and a version first")
        values: dict[str, Any] = {
            "model_name": self._form.model,
            "model_version": self._form.version,
        }
        for path, field in self._fields.items():
            value = _read(path, getattr(field, "value", None))
            if value is not None:
                place = values if len(path) == 1 else values.setdefault(path[0], {})
                place[path[-1]] = value
        if not self._validate.value:
            values["validate"] = False
        return values

    def clear_errors(self) -> None:
        """Take back what was said of an earlier try."""
        for field in self._fields.values():
            field.error = None

    def place(self, error: FedloomError) -> str:
        """Say errors beside their fields; return what belongs to none."""
        if isinstance(error, TaskFieldsError):
            found = [(tuple(map(str, fault.location)), fault.message) for fault in error.faults]
        else:
            name, mark, said = str(error).partition("=")
            found = [((name,), str(error)) if mark else ((), str(error) or said)]
        left = [message for path, message in found if not self._say(path, message)]
        return "; ".join(left)

    def _say(self, path: Path, message: str) -> bool:
        for known, field in self._fields.items():
            if path[: len(known)] == known or (len(path) == 1 and known[-1:] == path):
                field.error = message
                return True
        return False

    def _add(self, path: Path, field: ValidationElement[Any]) -> None:
        field.props("outlined dense bottom-slots")
        self._fields[path] = field

    def _text(self, path: Path, label: str, hint: str = "") -> ui.input:
        made = ui.input(label)
        made.props["hint"] = hint
        self._add(path, made)
        return made

    def _number(self, path: Path, label: str, value: Any, *, hint: str = "", **limits: Any) -> None:
        given = value if isinstance(value, int | float) else None
        made = ui.number(label, value=given, **limits)
        made.props["hint"] = hint
        self._add(path, made)

    def _drop(self, first: str) -> None:
        for path in [path for path in self._fields if path[0] == first]:
            del self._fields[path]


_SHARES = ("cohort", "quorum")


def _read(path: Path, value: Any) -> Any:
    """Return a field's value as a task has it; None where it is empty."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, float) and value == int(value):
        return int(value)
    if path[0] in _SHARES:
        return _read_share(value.strip())
    if path == ("deadline",):
        return f"{value}:00Z" if len(value) == 16 else f"{value}Z"
    return value.strip() if isinstance(value, str) else value


def _read_share(text: str) -> int | float | str:
    """Return a count or a share; what is neither is refused where it can be explained."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
