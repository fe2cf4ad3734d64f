"""An operator's settings."""

import os
from uuid import uuid4

import pytest

from tests.unit.deploy.composing import KEY_FILES, SECRETS


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an operator puts into .env, with a value for each secret that occurs nowhere else."""
    folder = tmp_path_factory.mktemp("operator")
    keys = {name: folder / name for name in KEY_FILES}
    for key in keys.values():
        key.write_text("not a key")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "UNION_JWKS_URL": "https://issuer.example/jwks",
        **{name: str(key) for name, key in keys.items()},
        **{name: uuid4().hex for name in SECRETS},
    }
