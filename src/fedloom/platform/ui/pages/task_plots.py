"""All numbers of a task by round, each in a plot; clients that somebody chooses as lines."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from nicegui import ui

from fedloom.platform.ui.feed import FEW_CLIENTS, MAX_CHOSEN, Line, TaskFeed, TaskView
from fedloom.platform.ui.frame import card, empty, heading
from fedloom.platform.ui.plots import metrics_of, plot_metric, summarize_metric
from fedloom.platform.ui.series import Metric
from fedloom.platform.ui.visit import Visit

__all__ = ["PlotPanel"]


@dataclass
class _Plot:
    chart: ui.echart
    value: ui.label


class PlotPanel:
    """Plots that grow with the task; what it costs is folded away until somebody wants it."""

    def __init__(self, visit: Visit, task_id: int) -> None:
        self._visit, self._id = visit, task_id
        self._view: TaskView | None = None
        self._plots: dict[str, _Plot] = {}
        self._seen: tuple[object, ...] = ()
        self._chooser = self._make_chooser()
        self._nothing = empty("Plots appear with the first round")
        self._learnt = ui.element("div").classes("flm-grid")
        self._fold = ui.expansion("Time, traffic and counts", on_value_change=self._unfold)
        with self._fold:
            self._costs = ui.element("div").classes("flm-grid")

    def _make_chooser(self) -> ui.select:
        chooser = ui.select(
            [], label="Show single clients", multiple=True, with_input=True, value=[]
        )
        chooser.props(f"outlined dense use-chips max-values={MAX_CHOSEN} options-dense")
        chooser.on_value_change(self._choose)
        chooser.set_visibility(False)
        return chooser

    async def show(self, view: TaskView) -> None:
        """Show a task as it was read; nothing is sent where nothing is new."""
        self._view = view
        many = len(view.last_clients) > FEW_CLIENTS
        self._chooser.set_visibility(many)
        if many and self._chooser.options != view.client_ids:
            self._chooser.set_options(sorted({*view.client_ids, *self._chooser.value}))
        last = view.rounds[-1] if view.rounds else {}
        seen = (len(view.rounds), last.get("round"), len(view.last_clients), *view.bands)
        if seen != self._seen:
            self._seen = seen
            await self._draw()

    async def _choose(self) -> None:
        await self._draw()

    async def _unfold(self) -> None:
        if self._fold.value:
            await self._draw()

    async def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        chosen = await self._read_chosen()
        metrics = metrics_of(view)
        self._nothing.set_visibility(not metrics)
        self._fold.set_visibility(any(metric.costs for metric in metrics))
        for metric in metrics:
            if not metric.costs or self._fold.value:
                self._draw_one(view, metric, chosen)

    async def _read_chosen(self) -> Mapping[str, Line]:
        """Read the lines of the chosen clients; all pages share them until the next event."""
        feed, names = self._visit.desk.feeds.get(self._id), list(self._chooser.value or [])
        lines = await asyncio.gather(*(self._read_line(feed, name) for name in names))
        return dict(zip(names, lines, strict=True))

    async def _read_line(self, feed: TaskFeed, name: str) -> Line:
        key = ("line", self._id, name)
        return await self._visit.shared(key, lambda _service, _who: feed.client_line(name))

    def _draw_one(self, view: TaskView, metric: Metric, chosen: Mapping[str, Line]) -> None:
        options = plot_metric(view, metric, chosen)
        summary = summarize_metric(view, metric)
        if plot := self._plots.get(metric.name):
            plot.chart.options.clear()
            plot.chart.options.update(options)
            plot.chart.update()
            plot.value.set_text(summary)
            return
        with self._costs if metric.costs else self._learnt, card():
            with ui.element("div").classes("flm-row"):
                heading(metric.title, 2).classes("flm-grow")
                value = ui.label(summary).classes("flm-muted")
            chart = ui.echart(options).classes("flm-plot")
            chart.props(f'role=img aria-label="{_plain(metric.title)} by round"')
            if metric.meaning:
                unit = f" ({metric.unit})" if metric.unit else ""
                ui.label(metric.meaning + unit).classes("flm-muted flm-small")
        self._plots[metric.name] = _Plot(chart, value)


def _plain(text: str) -> str:
    """Return a text without what would end an attribute."""
    return "".join(letter for letter in text if letter.isalnum() or letter in " .-_/%")
