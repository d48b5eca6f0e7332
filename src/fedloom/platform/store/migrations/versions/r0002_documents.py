"""Documents of clients, and the checkpoints of tasks that run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

__all__ = ["down_revision", "downgrade", "revision", "upgrade"]

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "task_document",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("task_id", "round")),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("client_id", "kind")),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "round", "client_id", "kind"),
        _of_task(),
    )
    op.create_table(
        "task_checkpoint",
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("task_id", "part", "round")),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "part"),
        _of_task(),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("task_checkpoint")
    op.drop_table("task_document")


def _of_task() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["task_id"], ["task.id"], ondelete="CASCADE")
