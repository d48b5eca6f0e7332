"""Reading and writing models and their documents: the helpers that a package's scripts import.

The same code answers to this name, to ``scaleoututil.helpers.helpers`` and to
``fedn.utils.helpers.helpers`` in every environment that a package runs in, with or without
Fedloom (see `fedloom.package.shim`). It needs the standard library and NumPy only.

    helper = get_helper("numpyhelper")
    weights = helper.load(sys.argv[1])
    …
    helper.save(weights, sys.argv[2])
    save_metadata({"num_examples": 600}, sys.argv[2])
"""

from __future__ import annotations

from fedloom.package.shim.fedloom_helpers import (
    HelperBase,
    get_helper,
    load_metadata,
    save_metadata,
    save_metrics,
)

__all__ = ["HelperBase", "get_helper", "load_metadata", "save_metadata", "save_metrics"]
