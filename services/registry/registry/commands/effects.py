"""What an operation on the tree did: enough to tell of it, and to undo it."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

_IDS = frozenset({"parent_id", "successor_ids"})


@dataclass(frozen=True)
class Change:
    """Fields of an organisation that hold from a day on, as they were before and as they are after."""

    organisation_id: UUID
    day: date
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass
class Effects:
    """In the order of the doing."""

    changes: list[Change] = field(default_factory=list)
    created: list[UUID] = field(default_factory=list)
    members: int = 0
    """How many were moved; who, is in operation_member."""
    applications: dict[UUID, UUID] = field(default_factory=dict)
    """Those that wait, and the organisation that now decides them."""
    transfers: list[UUID] = field(default_factory=list)
    """Those on the way that now start or end in another organisation."""
    ended_transfers: int = 0
    corrected_count: dict[str, Any] | None = None
    """The head count of the day that the operation's own replaced, if there was one."""

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [
                {
                    "organisation_id": str(change.organisation_id),
                    "day": change.day.isoformat(),
                    "before": _plain(change.before),
                    "after": _plain(change.after),
                }
                for change in self.changes
            ],
            "created": [str(key) for key in self.created],
            "members": self.members,
            "applications": {str(key): str(value) for key, value in self.applications.items()},
            "transfers": [str(key) for key in self.transfers],
            "ended_transfers": self.ended_transfers,
            "corrected_count": self.corrected_count,
        }

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Effects":
        return cls(
            changes=[
                Change(
                    UUID(change["organisation_id"]),
                    date.fromisoformat(change["day"]),
                    _fields(change["before"]),
                    _fields(change["after"]),
                )
                for change in stored["changes"]
            ],
            created=[UUID(key) for key in stored["created"]],
            members=stored["members"],
            applications={UUID(key): UUID(value) for key, value in stored["applications"].items()},
            transfers=[UUID(key) for key in stored["transfers"]],
            ended_transfers=stored["ended_transfers"],
            corrected_count=stored["corrected_count"],
        )


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _text(value) if name in _IDS else value for name, value in fields.items()}


def _fields(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: _ids(value) if name in _IDS else value for name, value in stored.items()}


def _text(value: Any) -> Any:
    return [str(key) for key in value] if isinstance(value, list) else value and str(value)


def _ids(value: Any) -> Any:
    return [UUID(key) for key in value] if isinstance(value, list) else value and UUID(value)
