"""Words of the registry alone, that its tables and its bodies share."""

from typing import Literal

OperationKind = Literal["create", "rename", "change", "move", "merge", "split", "close", "reopen", "undo"]
OperationStatus = Literal["awaiting_approval", "scheduled", "done", "refused", "cancelled", "undone"]
