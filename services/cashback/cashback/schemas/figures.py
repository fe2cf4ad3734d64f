"""Bodies of figures."""

from pydantic import BaseModel, Field

from common.types import Int32


class TrialBalanceLine(BaseModel):
    kind: str
    accounts: int
    balance: int


class TrialBalance(BaseModel):
    """All accounts by kind. Positive: owed by the union; negative: owed to it. The total is zero."""

    lines: list[TrialBalanceLine]
    total: int


class Headline(BaseModel):
    participants: Int32
    purchases: int = Field(description="Reported and not declined")
    returned: int = Field(description="Kopecks of confirmed cashback, less what refunds took back")
    paid_out: int = Field(description="Kopecks of settled payouts")
