"""All tables of the first release.

The first ten columns of ``task`` are those of the system that Fedloom replaces, with its names.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Make all tables."""
    _make_task()
    _make_progress()
    _make_events()
    op.create_table(
        "node",
        _text("name"),
        sa.Column("public_key", sa.Text(), nullable=False),
        *(sa.Column(f, sa.Text(), nullable=False) for f in ("use_cases", "versions", "attributes")),
        _time("first_seen"),
        _time("last_seen"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("name"),
        _text("user_id"),
        sa.Column("role", sa.String(16), nullable=False),
        _text("secret_hash"),
        _time("created_at"),
        _text("created_by"),
        *(_time(name, nullable=True) for name in ("expires_at", "revoked_at", "last_used_at")),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash"),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Drop all tables."""
    for name in ("token", "node", "outbox", "event", "task_log", "task_client", "task_round"):
        op.drop_table(name)
    op.drop_table("task")


def _make_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", sa.Integer(), nullable=False),
        _text("user_id"),
        _text("use_case"),
        _text("model_name"),
        _number("model_version"),
        _number("num_global_iterations"),
        _text("run_name"),
        _text("experiment_name"),
        sa.Column("status", sa.String(16), nullable=False),
        _time("created_at"),
        sa.Column("settings", sa.Text(), nullable=False),
        _count("priority"),
        _time("deadline", nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        _time("started_at", nullable=True),
        _time("finished_at", nullable=True),
        _count("attempt"),
        _count("rounds_done"),
        sa.Column("result_model", sa.String(), nullable=True),
        sa.Column("result_version", sa.Integer(), nullable=True),
        sa.Column("records", sa.Text(), nullable=True),
        sa.Column("metrics", sa.Text(), nullable=True),
        sa.Column("lease_owner", sa.String(), nullable=True),
        _time("lease_until", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_status", "task", ["status"])
    op.create_index("ix_task_user_id", "task", ["user_id"])


def _make_progress() -> None:
    op.create_table(
        "task_round",
        _number("task_id"),
        _number("round"),
        sa.Column("data", sa.Text(), nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("task_id", "round"),
        _of_task(),
    )
    op.create_table(
        "task_client",
        _number("task_id"),
        _number("round"),
        _text("client_id"),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "round", "client_id"),
        _of_task(),
    )
    op.create_table(
        "task_log",
        _long("id"),
        _number("task_id"),
        _text("source"),
        sa.Column("text", sa.Text(), nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("id"),
        _of_task(),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_task_log_task_id_id", "task_log", ["task_id", "id"])


def _make_events() -> None:
    op.create_table(
        "event",
        _long("id"),
        sa.Column("task_id", sa.Integer(), nullable=True),
        _text("kind"),
        sa.Column("data", sa.Text(), nullable=False),
        _time("at"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_task_id_id", "event", ["task_id", "id"])
    op.create_table(
        "outbox",
        _long("id"),
        _text("queue"),
        sa.Column("body", sa.Text(), nullable=False),
        _time("created_at"),
        _time("taken_until", nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("0"))


def _long(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _time(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(), nullable=nullable)


def _of_task() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE")
