"""A package that is done in an instant, and one fault at a time in it."""

from __future__ import annotations

import textwrap
from pathlib import Path

SCRIPTS = {
    "model.py": """
        import numpy as np
        from scaleoututil.helpers.helpers import get_helper
        get_helper("numpyhelper").save([np.zeros((3, 2), np.float32)], "../seed.npz")
        print("built")
    """,
    "data.py": "print('fetched')",
    "train.py": """
        import sys
        from scaleoututil.helpers.helpers import get_helper, save_metadata
        helper = get_helper("numpyhelper")
        helper.save([array + 1 for array in helper.load(sys.argv[1])], sys.argv[2])
        save_metadata({"num_examples": 7}, sys.argv[2])
        print("trained")
    """,
    "validate.py": """
        import sys
        from scaleoututil.helpers.helpers import save_metrics
        save_metrics({"loss": 0.5, "name": "x"}, sys.argv[2])
    """,
}

ENTRY_POINTS = {"build": "model", "startup": "data", "train": "train", "validate": "validate"}


def make_package(folder: Path, **scripts: str) -> Path:
    """Write the package; `train="raise ValueError"` replaces one of its scripts."""
    folder.mkdir(parents=True)
    lines = [f"  {name}:\n    command: python {file}.py" for name, file in ENTRY_POINTS.items()]
    (folder / "scaleout.yaml").write_text("\n".join(["entry_points:", *lines]))
    for name, text in SCRIPTS.items():
        given = scripts.get(name.removesuffix(".py"), text)
        (folder / name).write_text(textwrap.dedent(given))
    return folder
