"""Opening MLflow: slow the first time, so it is done in a thread of its own.

Everything about MLflow that is not its public client stands here.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from fedloom.platform.registry.address import RegistryAddress

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["open_mlflow"]

_LOGGER = logging.getLogger(__name__)

_VARIABLES = {
    # MLflow's own retries would take minutes before one hears that a server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def open_mlflow(address: RegistryAddress) -> MlflowClient:
    """Import MLflow, make or upgrade the tables of an embedded registry, and return a client.

    Takes two seconds to import, and some more where tables are made. The caller holds the lock of
    an embedded registry.
    """
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # Raised once, by MLflow's use of SQLAlchemy, where nobody can do anything about it. A filter
    # that stays, because one that goes away again is not safe in a thread.
    warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if address.file is not None:
        _make_tables(address, address.file)
    return MlflowClient(tracking_uri=address.url, registry_uri=address.url)


def _make_tables(address: RegistryAddress, file: Path) -> None:
    from mlflow.store.db.utils import _verify_schema, create_sqlalchemy_engine
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    file.parent.mkdir(parents=True, exist_ok=True)
    old = file.exists() and file.stat().st_size > 0
    # Readers and the writer do not wait for each other, and a write costs one turn of the disk.
    with closing(sqlite3.connect(file, timeout=20.0)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    if old:
        from mlflow.exceptions import MlflowException

        engine = create_sqlalchemy_engine(address.url)
        try:
            _verify_schema(engine)
        except MlflowException:
            _upgrade(file, engine)
        finally:
            engine.dispose()
    # Named here, the folder is also that of the experiment `Default`, which is made with the tables
    # and would keep its files in the current folder.
    SqlAlchemyStore(address.url, address.artifacts).engine.dispose()


def _upgrade(file: Path, engine: object) -> None:
    """Bring tables of an older MLflow up to date, after a copy was made beside them."""
    from mlflow.store.db.utils import _upgrade_db

    with closing(sqlite3.connect(file, timeout=20.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = file.with_name(f"{file.name}.before-upgrade")
    shutil.copyfile(file, copy)
    _LOGGER.warning("upgrading the registry %s; a copy of what it was is %s", file, copy.name)
    _upgrade_db(engine)
