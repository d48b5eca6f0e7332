"""What the clients of a task learn, from opening its fleet to publishing the last aggregate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from fedloom.errors import FedloomError, IncompatibleError, LinkError
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.platform.coordinator.checkpoints import Checkpoints
from fedloom.platform.coordinator.interruption import Cause, Interruption, StoppedError
from fedloom.platform.coordinator.metrics_feed import MetricsFeed
from fedloom.platform.coordinator.open_fleet import drop_links, open_fleet
from fedloom.platform.coordinator.open_recipe import open_recipe
from fedloom.platform.coordinator.recipe import Recipe
from fedloom.platform.coordinator.round_book import RoundBook
from fedloom.platform.coordinator.rounds import Learnt, Rounds
from fedloom.platform.coordinator.server_code import LiveServerCode, open_server_code
from fedloom.platform.coordinator.surroundings import Surroundings
from fedloom.platform.coordinator.task_log import TaskLog
from fedloom.platform.registry import Lineage, publish
from fedloom.platform.task import Task, TaskResult, TaskStatus

__all__ = ["Learning"]

_METRICS_S = 30.0


class Learning:
    """What the clients of a task learn; `run` is for one thread, `cancel` for any.

    Args:
        around: what all tasks share.
        task: as it was claimed.
        interruption: of the task.
        log: of the task.
        wait_s: seconds that its clients are waited for.
    """

    def __init__(
        self,
        around: Surroundings,
        task: Task,
        interruption: Interruption,
        log: TaskLog,
        wait_s: float,
    ) -> None:
        self._around, self._task, self._interruption = around, task, interruption
        self._log, self._wait_s = log, wait_s
        self._fleet: FlowerFleet | None = None

    def cancel(self) -> None:
        """Let the fleet return; what it begins after that has to be cancelled anew."""
        fleet = self._fleet
        if fleet is not None:
            fleet.cancel()

    def run(self) -> TaskResult:
        """Learn, publish, and return what is left.

        Raises:
            FedloomError: why the task cannot end well; see `Rounds.run` and `publish`.
        """
        recipe = open_recipe(self._task, self._around.registry)
        for line in recipe.news:
            self._log.say(line)
        with self._feeding() as feed:
            learnt = self._learn(recipe, feed)
            return self._publish(learnt, has_package=recipe.has_package)

    def _learn(self, recipe: Recipe, feed: MetricsFeed) -> Learnt:
        around, task = self._around, self._task
        # Only the loop holds the weights: a large model is not to be here once more than needed.
        weights, recipe = recipe.weights, replace(recipe, weights=[])
        checkpoints = Checkpoints(around.store, task, around.owner, around.folder)
        book = RoundBook(
            around.store, task.id, around.owner, recipe.columns, self._log, feed, self._interruption
        )
        with (
            open_server_code(recipe.archive, around.private) as server,
            self._opened(recipe, server) as fleet,
        ):
            if server.functions:
                self._log.say(f"server.py of the package: {', '.join(sorted(server.functions))}")
            rounds = Rounds(
                around, task, recipe, fleet, book, checkpoints, self._interruption, self._wait_s,
                server,
            )  # fmt: skip
            return rounds.run(weights)

    def _publish(self, learnt: Learnt, *, has_package: bool) -> TaskResult:
        """Publish the last aggregate, unless the task is no longer ours."""
        around, task = self._around, self._task
        lease_s = around.settings.lease_s
        self._interruption.insist(lambda: around.store.renew_lease(task.id, around.owner, lease_s))
        self._interruption.check()
        records = f"/tasks/{task.id}/records"
        version = publish(
            around.registry,
            task,
            learnt.weights,
            lineage=Lineage(
                task.model_name, task.model_version, task.id, learnt.clients, learnt.rounds
            ),
            metrics=learnt.metrics,
            records=records,
            has_package=has_package,
        )
        self._log.say(f"published {version}")
        return TaskResult(
            model=version.name, version=version.version, records=records, metrics=learnt.metrics
        )

    @contextmanager
    def _opened(self, recipe: Recipe, server: LiveServerCode) -> Iterator[FlowerFleet]:
        """Open the fleet; at the end its nodes forget the task, however it ended."""
        around = self._around
        failure = "it was stopped"
        try:
            fleet = open_fleet(
                around.links,
                self._task,
                recipe,
                names=around.names,
                configure=server.configure,
            )
            self._fleet = fleet
            try:
                yield fleet
                failure = ""
            except FedloomError as error:
                failure = str(error)
                raise
            finally:
                self._fleet = None
                fleet.close(failure)
        finally:
            drop_links(around.links, self._task)

    @contextmanager
    def _feeding(self) -> Iterator[MetricsFeed]:
        """Let metrics go to the registry; at the end its runs say how the task ended."""
        feed = MetricsFeed(self._around.registry, self._task)
        status: TaskStatus | None = TaskStatus.FAILED
        feed.start()
        try:
            yield feed
            status = TaskStatus.SUCCESS
        except StoppedError as stopped:
            status = self._status_of(stopped.cause)
            raise
        except IncompatibleError:
            raise
        except LinkError:
            status = None
            raise
        finally:
            if not feed.close(status, _METRICS_S):
                self._log.say("not all metrics are in the registry: it did not answer in time")

    def _status_of(self, cause: Cause) -> TaskStatus | None:
        """Return how the registry is to show a task that was stopped; None if it goes on."""
        if cause is Cause.OVERDUE:
            return TaskStatus.FAILED
        if cause is Cause.RELEASED:
            return None
        try:
            status = self._around.store.get_task(self._task.id).status
        except FedloomError:  # it was deleted, or the database is away
            return TaskStatus.CANCELLED
        return status if status.is_final else None
