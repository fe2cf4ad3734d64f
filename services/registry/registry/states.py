"""The words in which doubles, approvals and alarms say how they stand: of tables, requests and answers alike."""

from typing import Literal

ApprovalStatus = Literal["waiting", "approved", "refused", "expired"]
DuplicateStatus = Literal["open", "not_same", "merging", "merged"]
Strength = Literal["strong", "likely", "weak"]
FoundAt = Literal["late", "application", "entry", "import"]
AlarmKind = Literal["limit", "habit"]
