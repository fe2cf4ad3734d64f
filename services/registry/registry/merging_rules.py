"""How two members become one: pure rules over stays and consents."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from registry import errors
from registry.models import Consent, Member, Membership, Transfer

FOREVER = date.max


def check_mergeable(survivor: Member, absorbed: Member, open_transfers: Sequence[Transfer]) -> None:
    """Two records of two persons, neither merged nor erased nor on the way; the one that lasted longer goes on."""
    if survivor.member_id == absorbed.member_id or survivor.person_id == absorbed.person_id:
        raise errors.MergeWithItself
    if {survivor.status, absorbed.status} & {"merged", "erased"}:
        raise errors.RecordNotMergeable
    if (absorbed.left_on or FOREVER) > (survivor.left_on or FOREVER):
        raise errors.SurvivorEnded
    if open_transfers:
        raise errors.FirstEndTransfer


@dataclass(frozen=True)
class Days:
    """From `from_on` up to, not including, `to_on`, in one organisation; then it ended for `end_reason`."""

    organisation_id: UUID
    from_on: date
    to_on: date
    end_reason: str


def stays_to_add(absorbed: Iterable[Membership], begin: date, joined_on: date) -> list[Days]:
    """What the absorbed record tells of the days before the survivor's own history begins: no day is told twice.

    Nothing from before `joined_on`. From `begin` on the survivor's own stays tell where they were.
    """
    added: list[Days] = []
    for stay in sorted(absorbed, key=lambda stay: stay.from_on):
        start, end = max(stay.from_on, joined_on), min(stay.to_on or begin, begin)
        if start < end:
            reason = stay.end_reason if end == stay.to_on and stay.end_reason else "transferred"
            added.append(Days(stay.organisation_id, start, end, reason))
    return added


def periods_of(days: Sequence[Days], begin: date) -> list[tuple[Days, str]]:
    """The history without a gap up to `begin`: what is between two stays is the end of the first one."""
    told: list[tuple[Days, str]] = []
    nexts = [*(each.from_on for each in days[1:]), begin][: len(days)]
    for each, following in zip(days, nexts, strict=True):
        told.append((each, "member"))
        if each.to_on < following:
            status = each.end_reason if each.end_reason in ("left", "expelled") else "left"
            told.append((Days(each.organisation_id, each.to_on, following, each.end_reason), status))
    return told


@dataclass(frozen=True)
class ConsentsMerged:
    """`moved` go to the survivor with their history; `withdrawn`: the survivor's consents that end, and when."""

    moved: list[Consent]
    withdrawn: dict[UUID, datetime]


def consents_to_merge(own: Sequence[Consent], absorbed: Sequence[Consent]) -> ConsentsMerged:
    """For each purpose the person's last word on either record holds.

    An ended consent of the absorbed record always moves: it is history. One in force moves unless the survivor's
    own is in force, or was withdrawn later than it was given.
    """
    moved: list[Consent] = []
    withdrawn: dict[UUID, datetime] = {}
    for purpose in sorted({consent.purpose for consent in (*own, *absorbed)}):
        mine = [consent for consent in own if consent.purpose == purpose]
        theirs = [consent for consent in absorbed if consent.purpose == purpose]
        in_force = next((consent for consent in mine if consent.withdrawn_at is None), None)
        last_no = max((c.withdrawn_at for c in mine if c.withdrawn_at is not None), default=None)
        for consent in theirs:
            if consent.withdrawn_at is not None:
                moved.append(consent)
                if in_force is not None and consent.withdrawn_at > in_force.given_at:
                    ended = withdrawn.get(in_force.consent_id, consent.withdrawn_at)
                    withdrawn[in_force.consent_id] = max(ended, consent.withdrawn_at)
        yes = next((consent for consent in theirs if consent.withdrawn_at is None), None)
        if yes is None:
            continue
        if in_force is not None:
            # given again on the other record after a withdrawal there: the last word is yes
            withdrawn.pop(in_force.consent_id, None)
        elif last_no is None or yes.given_at > last_no:
            moved.append(yes)
    return ConsentsMerged(moved, withdrawn)
