"""Tasks: ask for one, see them, cancel, delete."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Path, Query, Request, Response, status

from fedloom.platform.api.access import Desk, Who
from fedloom.platform.api.models.task import Deleted, TaskRequest
from fedloom.platform.api.problems import refusals
from fedloom.platform.store import TaskPage
from fedloom.platform.task import Task, TaskStatus

__all__ = [
    "TaskId",
    "cancel_task",
    "create_task",
    "delete_all_tasks",
    "delete_task",
    "get_task",
    "list_tasks",
    "list_tasks_of_user",
    "router",
]

router = APIRouter(tags=["tasks"], responses=refusals())

TaskId = Annotated[int, Path(ge=1, le=2**31 - 1, description="The task's number.")]
Text = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1, description="Leave out so many of the newest.")]

_PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "X-Total-Count": {
                "description": "How many there are altogether.",
                "schema": {"type": "integer"},
            },
            "Link": {
                "description": "The pages before and after (RFC 8288).",
                "schema": {"type": "string"},
            },
        }
    }
}


@router.post("/tasks/", status_code=status.HTTP_201_CREATED, responses=refusals(404))
def create_task(asked: TaskRequest, who: Who, desk: Desk) -> Task:
    """Ask for a task; everything is checked before it is queued.

    The original's seven fields, and more where you want it. With a `plan` (as `fedloom generate`
    writes it), what the plan says need not be said again.
    """
    return desk.create_task(who, asked.given())


@router.get("/tasks/", responses=_PAGED)
def list_tasks(
    request: Request,
    response: Response,
    who: Who,
    desk: Desk,
    user_id: Text = None,
    status: TaskStatus | None = None,
    use_case: Text = None,
    model_name: Text = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[Task]:
    """List tasks, newest first."""
    page = desk.list_tasks(
        who,
        user_id=user_id,
        status=status,
        use_case=use_case,
        model_name=model_name,
        limit=limit,
        offset=offset,
    )
    _write_links(request, response, page, limit, offset)
    return list(page.tasks)


@router.get("/tasks/user/{user_id}", responses=_PAGED)
def list_tasks_of_user(
    request: Request,
    response: Response,
    user_id: Annotated[str, Path(max_length=200)],
    who: Who,
    desk: Desk,
    limit: Limit = 50,
    offset: Offset = 0,
) -> list[Task]:
    """List a user's tasks, newest first."""
    page = desk.list_tasks(who, user_id=user_id, limit=limit, offset=offset)
    _write_links(request, response, page, limit, offset)
    return list(page.tasks)


@router.get("/tasks/{task_id}", responses=refusals(404))
def get_task(task_id: TaskId, who: Who, desk: Desk) -> Task:
    """Return a task: where it stands, why, when, and what it left."""
    return desk.get_task(who, task_id)


@router.put("/tasks/cancel/{task_id}", responses=refusals(404, 409))
def cancel_task(task_id: TaskId, who: Who, desk: Desk) -> Task:
    """Cancel a task; its nodes stop within seconds. Cancelling twice changes nothing."""
    return desk.cancel_task(who, task_id)


@router.delete(
    "/tasks/{task_id}", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404, 409)
)
def delete_task(task_id: TaskId, who: Who, desk: Desk) -> None:
    """Delete a task that has ended, with its rounds, rows and logs."""
    desk.delete_task(who, task_id)


@router.delete("/tasks/")
def delete_all_tasks(who: Who, desk: Desk) -> Deleted:
    """Delete every task, ended or not; for admins."""
    return Deleted(deleted=desk.delete_all_tasks(who))


def _write_links(
    request: Request, response: Response, page: TaskPage, limit: int, offset: int
) -> None:
    """Say how many there are, and where the pages beside this one are."""
    response.headers["X-Total-Count"] = str(page.total)
    places = {}
    if offset > 0:
        places["prev"] = max(0, offset - limit)
    if offset + len(page.tasks) < page.total and page.tasks:
        places["next"] = offset + len(page.tasks)
    path = quote(request.url.path, safe="/")  # a header takes no letters but the plainest
    given = {k: v for k, v in request.query_params.multi_items() if k not in ("limit", "offset")}
    links = [
        f'<{path}?{urlencode({**given, "limit": limit, "offset": place})}>; rel="{name}"'
        for name, place in places.items()
    ]
    if links:
        response.headers["Link"] = ", ".join(links)
