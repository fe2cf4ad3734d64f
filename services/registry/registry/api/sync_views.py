"""How the synchronisation is shown."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from registry.models import Member, SyncOperation
from registry.queries.sync_items import Item
from registry.queries.sync_rows import Delivery
from registry.schemas import sync as bodies
from registry.schemas.offices import TermView
from registry.schemas.organisations import OrganisationView
from registry.schemas.people import ApplicationView, MemberView, PersonFields
from registry.schemas.transfers import TransferView

_WITHHELD = ("code", "detail", "version", "reason", "member_id", "application_id", "transfer_id", "item_id")


def page_view(page: Delivery) -> bodies.SyncPage:
    return bodies.SyncPage(
        organisation_id=page.root_id,
        reset=page.reset,
        scope_changed=page.scope_changed,
        tombstones=[bodies.TombstoneView.model_validate(stone) for stone in page.tombstones],
        organisations=[OrganisationView.model_validate(row) for row in page.organisations],
        members=[MemberView.of(member, person, consents) for member, person, consents in page.members],
        applications=[ApplicationView.of(*row) for row in page.applications],
        transfers=[TransferView.of(transfer, person) for transfer, person in page.transfers],
        offices=[TermView.of(term, person) for term, person in page.offices],
        cursor=page.cursor,
        more=page.more,
    )


def status_view(operation: SyncOperation, scope: Collection[UUID] | None) -> bodies.OperationStatus:
    """What the sender may know: of what another office has now, only that it has it. `scope` None: the decider."""
    status = bodies.OperationStatus.model_validate(operation)
    theirs = scope is None or operation.organisation_id is None or operation.organisation_id in scope
    if operation.state == "done" or theirs:
        return status
    withheld: dict[str, Any] = dict.fromkeys(_WITHHELD)
    return status.model_copy(update={**withheld, "fields": [], "applied_fields": [], "state": "passed_on"})


def result_view(operation: SyncOperation, scope: Collection[UUID], repeated: bool) -> bodies.OperationResult:
    return bodies.OperationResult(**status_view(operation, scope).model_dump(), repeated=repeated)


def item_view(item: Item) -> bodies.SyncItem:
    operation = item.operation
    shown = {
        name: getattr(operation, name)
        for name in bodies.SyncItem.model_fields
        if name not in ("sent_by", "effective_on", "sides", "about", "current_version")
    }
    about = item.person
    return bodies.SyncItem(
        **shown,
        sent_by=operation.subject,
        effective_on=operation.arguments.get("effective_on"),
        sides=_sides(item) if operation.state == "open" else [],
        about=PersonFields.model_validate(about.model_dump(include=set(PersonFields.model_fields)))
        if about
        else None,
        current_version=item.row.version if item.row else None,
    )


def _sides(item: Item) -> list[bodies.Side]:
    operation, row = item.operation, item.row
    match operation.kind:
        case "admit_member" | "change_member":
            return [_side(item, name) for name in operation.fields]
        case "give_consent" | "withdraw_consent":
            purpose = operation.arguments["purpose"]
            given = "given" if purpose in item.consents else "not given"
            wished = "given" if operation.kind == "give_consent" else "not given"
            return [bodies.Side(field=f"consent {purpose}", current=given if row else None, proposed=wished)]
        case "leave":
            wished = "left"
        case "decide_application":
            wished = "admitted" if operation.arguments["decision"] == "admit" else "declined"
        case "accept_transfer":
            wished = "accepted"
        case "refuse_transfer":
            wished = "refused"
        case _:
            wished = "released"
    return [bodies.Side(field="status", current=row.status if row else None, proposed=wished)]


def _side(item: Item, name: str) -> bodies.Side:
    if name == "category":
        current = item.row.category if isinstance(item.row, Member) else None
        proposed = item.operation.arguments["changes"].get(name)
    else:
        current, proposed = getattr(item.person, name, None), getattr(item.proposal, name, None)
    return bodies.Side(field=name, current=_text(current), proposed=_text(proposed))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
