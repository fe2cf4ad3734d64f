"""One stack for all of these tests, started by the operator's own command on a folder and ports of its own."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.shell import EVERYTHING, OMSK, Operator, Site
from tests.memory import memory


@contextlib.contextmanager
def new_operator() -> Iterator[Operator]:
    # Not below tmp_path, which pytest closes to other users: under root PostgreSQL is one.
    with tempfile.TemporaryDirectory(prefix="union-cli-", dir=memory(), ignore_cleanup_errors=True) as parent:
        operator = Operator(Path(parent) / "data")
        try:
            yield operator
        finally:
            operator.stack().stop()


@pytest.fixture
def newcomer() -> Iterator[Operator]:
    """An operator who has started nothing yet."""
    with new_operator() as operator:
        yield operator


@pytest.fixture(scope="session")
def _site() -> Iterator[Site]:
    with new_operator() as operator:
        site = Site(operator.folder, operator.ports)
        site.first = site.command("up")
        assert site.first.code == 0, site.first.told
        yield site


@pytest.fixture
def site(_site: Site) -> Site:
    """The stack runs, whatever the test before did to it."""
    if len(_site.relatives()) < EVERYTHING or not (_site.folder / "stack.json").exists():
        started = _site.command("up")
        assert started.code == 0, started.told
    return _site


@pytest.fixture(scope="session")
def registers() -> Iterator[Path]:
    """The register of organisations and two small ones of members, in a folder."""
    with tempfile.TemporaryDirectory(prefix="union-registers-") as folder:
        (Path(folder) / "members").mkdir()
        shutil.copy(OMSK / "organisations.xlsx", folder)
        for name in ("T02.csv", "T04.xls"):
            shutil.copy(OMSK / "members" / name, Path(folder) / "members")
        yield Path(folder)


@pytest.fixture
def peopled(site: Site, registers: Path) -> Site:
    """The registers are imported and told to everybody; nothing happens when they were before."""
    for arguments in (
        ("organisations", str(registers / "organisations.xlsx")),
        ("members", str(registers / "members"), "--as-of", "2021-01-01"),
    ):
        ended = site.union("import", *arguments)
        assert ended.code == 0, ended.told
    site.quiet()
    return site
