import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import jwt
import pytest
from jwt.types import Options

from local_stack import AUDIENCE, ISSUER, Issuer

NOON = datetime(2030, 1, 5, 12, tzinfo=UTC)


def read(issuer: Issuer, token: str, *, check_time: bool = True) -> dict[str, object]:
    """What a service makes of a token: the key is looked up by its id in the published set."""
    keys = jwt.PyJWKSet.from_dict(json.loads(issuer.jwks_path.read_text()))
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options: Options = {"verify_exp": check_time, "verify_iat": check_time}
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options=options)


def test_a_token_is_verified_by_the_published_key(tmp_path: Path) -> None:
    issuer, organisation, member = Issuer(tmp_path), uuid4(), uuid4()
    token = issuer.mint("chair-1", ["chair", "staff"], organisation_id=organisation, member_id=member)
    claims = read(issuer, token)
    assert (claims["sub"], claims["roles"]) == ("chair-1", ["chair", "staff"])
    assert (claims["organisation_id"], claims["member_id"]) == (str(organisation), str(member))
    assert "partner" not in claims
    assert "powers_until" not in claims
    elected = issuer.mint("chair-1", ["primary_staff"], member_id=member, powers_until=date(2026, 3, 1))
    assert read(issuer, elected)["powers_until"] == "2026-03-01"


def test_a_token_lives_as_long_as_asked(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    token = issuer.mint("a", [], ttl=timedelta(minutes=5), now=NOON)
    claims = read(issuer, token, check_time=False)
    assert claims["iat"] == NOON.timestamp()
    assert claims["exp"] == NOON.timestamp() + 300
    with pytest.raises(jwt.ExpiredSignatureError):
        read(issuer, issuer.mint("a", [], ttl=timedelta(seconds=-1)))


def test_the_key_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    token = Issuer(tmp_path).mint("a", ["member"])
    assert read(Issuer(tmp_path), token)["sub"] == "a"
    assert (tmp_path / "issuer" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in sorted((tmp_path / "issuer").iterdir())] == ["jwks.json", "key.pem"]


def test_the_published_set_holds_no_private_part(tmp_path: Path) -> None:
    issuer = Issuer(tmp_path)
    (key,) = json.loads(issuer.jwks_path.read_text())["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert issuer.jwks_url == f"file://{issuer.jwks_path}"


def test_another_issuers_token_is_refused(tmp_path: Path) -> None:
    ours, theirs = Issuer(tmp_path / "a"), Issuer(tmp_path / "b")
    with pytest.raises(KeyError):
        read(ours, theirs.mint("a", ["staff"]))
