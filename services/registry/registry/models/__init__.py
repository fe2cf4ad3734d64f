"""The registry's tables. `person` is the only one, in the whole platform, that holds personal data."""

from common.tables import add_kernel_tables
from registry.models.approvals import Approval
from registry.models.base import Table
from registry.models.duplicates import Duplicate, MemberMerge
from registry.models.history import MemberPeriod
from registry.models.imports import ImportBatch, ImportBatchFile, ImportFile, ImportMapping, ImportRow
from registry.models.joining import Application, Consent, FollowCode, Transfer
from registry.models.members import Member, Membership, Person
from registry.models.offices import MemberDecision, OfficeTerm
from registry.models.operations import HeadCount, OperationMember, OrganisationOperation
from registry.models.organisations import Organisation, OrganisationPeriod
from registry.models.privacy import Erasure, ReadingAlarm
from registry.models.records import AccessLog
from registry.models.sync import SyncChange, SyncCursor, SyncOperation

add_kernel_tables(Table.metadata)

__all__ = [
    "AccessLog",
    "Application",
    "Approval",
    "Consent",
    "Duplicate",
    "Erasure",
    "FollowCode",
    "HeadCount",
    "ImportBatch",
    "ImportBatchFile",
    "ImportFile",
    "ImportMapping",
    "ImportRow",
    "Member",
    "MemberDecision",
    "MemberMerge",
    "MemberPeriod",
    "Membership",
    "OfficeTerm",
    "OperationMember",
    "Organisation",
    "OrganisationOperation",
    "OrganisationPeriod",
    "Person",
    "ReadingAlarm",
    "SyncChange",
    "SyncCursor",
    "SyncOperation",
    "Table",
    "Transfer",
]
