"""The registry's tables. `person` is the only one, in the whole platform, that holds personal data."""

from common.tables import add_kernel_tables
from registry.models.base import Table
from registry.models.history import MemberPeriod
from registry.models.joining import Application, Consent, Transfer
from registry.models.members import Member, Membership, Person
from registry.models.organisations import Organisation, OrganisationPeriod
from registry.models.records import AccessLog, ImportFile
from registry.models.sync import SyncChange, SyncCursor, SyncOperation

add_kernel_tables(Table.metadata)

__all__ = [
    "AccessLog",
    "Application",
    "Consent",
    "ImportFile",
    "Member",
    "MemberPeriod",
    "Membership",
    "Organisation",
    "OrganisationPeriod",
    "Person",
    "SyncChange",
    "SyncCursor",
    "SyncOperation",
    "Table",
    "Transfer",
]
