"""Tokens: who may come in, for how long, and what they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from fedloom.errors import FedloomError
from fedloom.platform.identity import Permission, Role, Token
from fedloom.platform.identity.identity import require
from fedloom.platform.ui.confirm import confirm
from fedloom.platform.ui.frame import card, frame, heading
from fedloom.platform.ui.tables import Cell, Field, make_table, show_rows
from fedloom.platform.ui.visit import Visit
from fedloom.platform.ui.wording import ago, say_time

__all__ = ["tokens_page"]

_FIELDS = (
    Field("id", "No."),
    Field("name", "Name"),
    Field("user_id", "Stands for"),
    Field("role", "Role"),
    Field("state", "State"),
    Field("used", "Last used", wide=True),
    Field("by", "Made by", wide=True),
    Field("revoke", "", Cell.BUTTON),
)
_DAYS = {7: "a week", 30: "30 days", 365: "a year", 0: "for ever"}


async def tokens_page() -> None:
    """Build the list of tokens that somebody may see, and a form for another."""
    with frame("Tokens", "/tokens") as visit:
        require(visit.who, Permission.GRANT_OWN_TOKEN)
        heading("Tokens")
        with card():
            table = make_table(_FIELDS, [], key="id", page_size=25)

        async def refresh() -> None:
            tokens = await visit.ask(visit.service.tokens, visit.who)
            newest_first = sorted(tokens, key=lambda token: token.id, reverse=True)
            if show_rows(table, [_row(token) for token in newest_first]):
                table.props(**{"remove" if len(tokens) > 25 else "add": "hide-pagination"})

        async def revoke(number: int) -> None:
            if await confirm(f"Revoke token {number}? Whoever uses it is out.", "Revoke it"):
                await visit.act(visit.service.revoke_token, visit.who, number)
                await refresh()

        table.on("press", lambda event: revoke(int(event.args["id"])))
        with card("A new token"):
            _TokenForm(visit, refresh)
        await refresh()


class _TokenForm:
    """Asks for a token's name, role and end; shows the secret once."""

    def __init__(self, visit: Visit, refresh: Any) -> None:
        self._visit, self._refresh = visit, refresh
        who = visit.who
        with ui.element("div").classes("flm-form"):
            self._name = ui.input("Name, such as “laptop”")
            self._user = ui.input("Stands for", value=who.user_id)
            self._user.set_enabled(visit.may(Permission.MANAGE_TOKENS))
            roles = [str(role) for role in Role if who.role.covers(role)]
            self._role = ui.select(roles, value=roles[0], label="Role")
            self._days = ui.select(_DAYS, value=30, label="Holds")
            for field in (self._name, self._user, self._role, self._days):
                field.props("outlined dense")
        with ui.element("div").classes("flm-row"):
            ui.button("Make it", on_click=self._grant)
        self._said = ui.label().classes("flm-reason").props("role=alert")
        self._said.set_visibility(False)
        self._secret = ui.label().classes("flm-mono flm-secret").props("role=status tabindex=0")
        self._secret.set_visibility(False)
        self._note = ui.label("Copy it now: it is not shown again.").classes("flm-muted flm-small")
        self._note.bind_visibility_from(self._secret, "visible")

    async def _grant(self) -> None:
        visit, days = self._visit, int(self._days.value)
        ends = datetime.now(UTC) + timedelta(days=days) if days else None
        try:
            _, secret = await visit.ask(
                visit.service.grant_token,
                visit.who,
                self._name.value.strip(),
                self._user.value.strip(),
                Role(self._role.value),
                ends,
            )
        except FedloomError as error:
            self._said.set_text(str(error))
            self._said.set_visibility(True)
            return
        self._said.set_visibility(False)
        self._secret.set_text(secret)
        self._secret.set_visibility(True)
        await self._refresh()


def _row(token: Token) -> dict[str, Any]:
    now = datetime.now(UTC)
    state = "holds" if token.holds(now) else "revoked" if token.revoked_at else "expired"
    if state == "holds" and token.expires_at:
        state = f"until {say_time(token.expires_at)[:10]}"
    return {
        "id": token.id,
        "name": token.name,
        "user_id": token.user_id,
        "role": str(token.role),
        "state": state,
        "used": ago(token.last_used_at),
        "by": token.created_by or "this machine's owner",
        "revoke": "Revoke" if token.holds(now) else "",
    }
