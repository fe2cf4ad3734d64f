import pytest

from common.app import Service
from tests.kernel import toy


@pytest.fixture
def service() -> Service:
    return toy.service
