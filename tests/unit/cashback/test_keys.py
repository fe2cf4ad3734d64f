"""The pairwise key: made once, for its owner alone; pseudonyms that partners cannot join."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from cashback import keys

KEY = b"k" * 32


def test_the_key_file_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    first = keys.ensure(folder)
    path = Path(first["UNION_PAIRWISE_KEY_FILE"])
    before = path.read_bytes()
    assert keys.ensure(folder) == first
    assert (path.read_bytes(), len(before)) == (before, 32)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in folder.iterdir()} == {path.name, Path(first["UNION_LEDGER_KEY_FILE"]).name}


def test_two_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda _: Path(keys.ensure(tmp_path)["UNION_PAIRWISE_KEY_FILE"]).read_bytes(), range(8))
        )
    assert len(set(found)) == 1


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.key"
    path.write_bytes(b"k" * 31)
    with pytest.raises(ValueError, match="32 bytes"):
        keys.prepare(FastAPI(), SimpleNamespace(pairwise_key_file=path))


@given(st.uuids(), st.uuids())
def test_a_pseudonym_is_stable_at_one_partner_and_another_at_each(one: UUID, two: UUID) -> None:
    assert keys.pseudonym(KEY, "books", one) == keys.pseudonym(KEY, "books", one)
    assert keys.pseudonym(KEY, "books", one) != keys.pseudonym(KEY, "films", one)
    assert (keys.pseudonym(KEY, "books", one) == keys.pseudonym(KEY, "books", two)) == (one == two)


def test_the_partners_pseudonyms_of_many_members_do_not_meet() -> None:
    members = [uuid4() for _ in range(1000)]
    books = {keys.pseudonym(KEY, "books", member) for member in members}
    films = {keys.pseudonym(KEY, "films", member) for member in members}
    assert (len(books), len(films), books & films) == (1000, 1000, set())
    assert keys.pseudonym(b"o" * 32, "books", members[0]) not in books
