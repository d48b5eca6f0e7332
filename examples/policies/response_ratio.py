"""A scheduling policy of one's own: the highest response ratio next, switches counted.

fedloom workload generate --config tenants.yaml --num-requests 2000 --duration 60 --format jsonl
fedloom schedule --config tenants.yaml --requests generated_requests.jsonl --gpus 4 \
    --policy affinity --policy greedy --policy response_ratio.py:ResponseRatio
"""

from collections.abc import Iterator

from fedloom.scheduling.policies.options import read_numbers
from fedloom.scheduling.policy import Devices, Placement, Policy, Queue, Setting


class ResponseRatio(Policy):
    """Whoever has waited longest for what it costs comes first.

    The cost of a task is what is left of its request, and the time to bring its model to the GPUs
    that suit it best. So short requests, and those whose model is loaded, hardly wait; others come
    to the front in time (after Brinch Hansen, "An analysis of response ratio scheduling", 1971).

    Options:
        lookahead: how many tasks are looked at, those that became ready first; 128.
    """

    name = "ratio"

    def prepare(self, setting: Setting) -> None:
        """Read how far to look."""
        options = read_numbers(self.name, setting.options, {"lookahead": 128})
        self._lookahead = max(1, int(options["lookahead"]))

    def choose(self, queue: Queue, devices: Devices) -> Iterator[Placement]:
        """Start the task with the highest ratio, again and again, while there is room for one."""
        while devices.idle:
            waiting = list(queue.in_order(self._lookahead))
            calls = {task.model: task for task in waiting}  # alike tasks suit the same devices
            places = {m: gpus for m, task in calls.items() if (gpus := devices.find(task))}
            switch_us = {m: devices.switch_us(calls[m], gpus) for m, gpus in places.items()}
            ready = [task for task in waiting if task.model in places]
            if not ready:
                return
            costs = [switch_us[task.model] + task.remaining_us for task in ready]
            waited = [devices.now_us - task.ready_us for task in ready]
            best = max(range(len(ready)), key=lambda i: waited[i] / max(1, costs[i]))
            yield Placement(ready[best], places[ready[best].model])
