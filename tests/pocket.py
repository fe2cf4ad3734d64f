"""A pocket registry: the reference client of docs/pocket-sync.md, which a phone's service worker can be modelled on.

Everything in `store`, `cursor`, `queue` and `results` is what a phone keeps durably. Each method changes them at one
point, after the whole answer is there: what a crash or a lost answer leaves is the state before.
"""

import copy
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

Row = dict[str, Any]
KINDS = {
    "organisation": "organisations",
    "member": "members",
    "application": "applications",
    "transfer": "transfers",
    "office": "offices",
}
KEYS = {kind: f"{kind}_id" for kind in KINDS} | {"office": "term_id"}
_BATCH = 100


@dataclass
class Store:
    """The rows of the phone, by kind and id."""

    organisations: dict[str, Row] = field(default_factory=dict)
    members: dict[str, Row] = field(default_factory=dict)
    applications: dict[str, Row] = field(default_factory=dict)
    transfers: dict[str, Row] = field(default_factory=dict)
    offices: dict[str, Row] = field(default_factory=dict)

    def table(self, kind: str) -> dict[str, Row]:
        rows: dict[str, Row] = getattr(self, KINDS[kind])
        return rows

    def take(self, page: Row) -> None:
        """One page: tombstones first, then rows, each in place of what was held of it."""
        if page["reset"]:
            for kind in KINDS:
                self.table(kind).clear()
        for stone in page["tombstones"]:
            self.table(stone["kind"]).pop(stone["id"], None)
            if stone["kind"] == "organisation":
                self._drop_rows_of(stone["id"])
        for kind, name in KINDS.items():
            for row in page[name]:
                self.table(kind)[row[KEYS[kind]]] = row

    def _drop_rows_of(self, organisation: str) -> None:
        for table in (self.members, self.applications, self.offices):
            for key in [key for key, row in table.items() if row["organisation_id"] == organisation]:
                del table[key]
        ends = ("from_organisation_id", "to_organisation_id")
        for key, row in list(self.transfers.items()):
            if not any(row[end] in self.organisations for end in ends):
                del self.transfers[key]


class Pocket:
    """One phone of one person. `http` may raise httpx.TransportError at any moment: then the call is made again."""

    def __init__(self, http: httpx.AsyncClient, bearer: dict[str, str], page: int = 500) -> None:
        self.http, self.bearer, self.page = http, bearer, page
        self.device_id = str(uuid.uuid4())
        self.store = Store()
        self.cursor: str | None = None
        self.queue: list[Row] = []
        """Operations without an answer, in the order in which they were made."""
        self.results: dict[str, Row] = {}
        """The answer to each operation, by its id."""
        self.broken: list[Row] = []
        """Operations that the registry cannot read: to be shown to the user, and corrected."""

    async def synchronise(self) -> None:
        """Send what was done, then get what has changed."""
        await self.push()
        await self.pull()

    async def pull(self) -> bool:
        """Take pages until there are no more. True when the organisations of the phone have changed."""
        changed = False
        while True:
            params: dict[str, Any] = {"device_id": self.device_id, "limit": self.page}
            if self.cursor:
                params["cursor"] = self.cursor
            # Why personal data are read: kept with the record of the reading.
            headers = {**self.bearer, "X-Purpose": "sync"}
            answer = await self.http.get("/v1/sync", params=params, headers=headers)
            answer.raise_for_status()
            page = answer.json()
            # Rows and cursor are one transaction in a phone's store.
            self.store.take(page)
            self.cursor = page["cursor"]
            changed = changed or page["scope_changed"]
            if not page["more"]:
                return changed

    async def push(self) -> None:
        """Send the queue in batches; an operation leaves it with its answer only."""
        while self.queue:
            batch = self.queue[:_BATCH]
            answer = await self.http.post(
                "/v1/sync",
                json={"device_id": self.device_id, "operations": batch},
                # A new key each time: the operations' own ids make the repetition safe.
                headers={**self.bearer, "Idempotency-Key": str(uuid.uuid4())},
            )
            if answer.status_code == 422 and (unread := self._unreadable(answer.json(), batch)):
                self.broken += unread
                self.queue = [one for one in self.queue if one not in unread]
                continue
            answer.raise_for_status()
            results = answer.json()["results"]
            self.results |= {result["operation_id"]: result for result in results}
            self.queue = [one for one in self.queue if one["operation_id"] not in self.results]

    @staticmethod
    def _unreadable(problem: Row, batch: list[Row]) -> list[Row]:
        """The operations that the refusal names: body/operations/NUMBER/…"""
        parts = [error["at"].split("/") for error in problem.get("errors", [])]
        return [batch[int(part[2])] for part in parts if part[:2] == ["body", "operations"] and len(part) > 2]

    async def outcomes(self) -> dict[str, Row]:
        """What became of everything that was sent, as far as it may be told."""
        params: dict[str, Any] = {"device_id": self.device_id, "limit": 500}
        found: dict[str, Row] = {}
        while True:
            answer = await self.http.get("/v1/sync/operations", params=params, headers=self.bearer)
            answer.raise_for_status()
            page = answer.json()
            found |= {row["operation_id"]: row for row in page["items"]}
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    def do(self, kind: str, **fields: Any) -> str:
        """Queue an operation; its id."""
        operation = {"operation_id": str(uuid.uuid4()), "kind": kind, **fields}
        self.queue.append(copy.deepcopy(operation))
        return str(operation["operation_id"])

    def change(self, member_id: str, reason: str | None = None, **changes: Any) -> str:
        """Change fields of a member, on what the phone has of it; a correction of the name needs its reason."""
        row = self.store.members[member_id]
        base = {name: row[name] for name in changes}
        about = {"member_id": member_id, "base_version": row["version"], "reason": reason}
        return self.do("change_member", **about, base=base, changes=changes)

    def about(self, kind: str, member_id: str, **fields: Any) -> str:
        """An act about a member: leave, give_consent, withdraw_consent, release_member."""
        version = self.store.members[member_id]["version"]
        return self.do(kind, member_id=member_id, base_version=version, **fields)

    def decide(self, application_id: str, decision: str, **grounds: Any) -> str:
        version = self.store.applications[application_id]["version"]
        return self.do(
            "decide_application", application_id=application_id, base_version=version, decision=decision, **grounds
        )

    def answer_transfer(self, kind: str, transfer_id: str, **fields: Any) -> str:
        version = self.store.transfers[transfer_id]["version"]
        return self.do(kind, transfer_id=transfer_id, base_version=version, **fields)
