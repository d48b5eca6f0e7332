"""JAX starts once in a test process, with two host devices, as the tests of the fleets need it."""

from __future__ import annotations

from fedloom.learning import use_backend

use_backend("jax")
import jax  # noqa: E402 - the backend is chosen before anything imports Keras

if jax.config.jax_num_cpu_devices < 2:
    jax.config.update("jax_num_cpu_devices", 2)
