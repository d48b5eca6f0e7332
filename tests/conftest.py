"""What all tests may share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings


@pytest.fixture(scope="session")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what JAX compiles for the session, also for processes that tests start.

    A run of a few small clients takes a tenth of the time when its programs are known.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    folder = str(tmp_path_factory.mktemp("compilations"))
    settings = {
        "jax_compilation_cache_dir": folder,
        "jax_persistent_cache_min_compile_time_secs": 0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    with pytest.MonkeyPatch.context() as patch:
        before = {name: getattr(jax.config, name) for name in settings}
        for name, value in settings.items():
            patch.setenv(name.upper(), str(value))
            jax.config.update(name, value)
        compilation_cache.reset_cache()  # it may have settled on having no folder
        yield
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()


_TESTS = Path(__file__).parent
_OF_MANY_PROCESSES = {"bench", "examples", "fleet", "platform"}
"""Folders whose tests start servers and nodes, kill them, and wait for what follows."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try tests of many processes a second time before they count as failed.

    A machine that stands still for seconds can break any wait in them. Whatever passed only the
    second time is listed by name at the end of a run. ``FEDLOOM_TEST_RERUNS=0`` tries them once.
    """
    again = int(os.environ.get("FEDLOOM_TEST_RERUNS", "1"))
    for item in items:
        if item.path.relative_to(_TESTS).parts[0] in _OF_MANY_PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=again))


# A runner in the background may ignore these, and every process of a test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples in every run, so that a change that breaks nothing fails nothing; others are
# looked for with `make test ARGS=--hypothesis-profile=explore`.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile("steady")
