"""How much the generated tests try: enough for a change by default, many times more by `make test-long`."""

import os

LONG = os.environ.get("UNION_TEST_PROFILE") == "long"


def tries(usual: int, long: int) -> int:
    """Examples, steps or requests of a generated test: `usual` in `make test`, `long` in `make test-long`."""
    return long if LONG else usual
