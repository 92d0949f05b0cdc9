"""What every maker of tokens promises, and what an attacker may try on the real one."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.security.tokens import JwtTokens, derive_key
from adapters.system import SystemClock
from application.ports.security import AccessClaims, Tokens
from domain.errors import Unauthenticated
from domain.ids import SessionId, UserId
from tests.fakes.security import FakeTokens

SECRET = "a secret of the tests that is long enough"
OLDER = "an older secret of the tests, long enough"


def claims(lifetime: timedelta = timedelta(minutes=15)) -> AccessClaims:
    expires = (datetime.now(UTC) + lifetime).replace(microsecond=0)
    return AccessClaims(user_id=UserId(uuid4()), session_id=SessionId(uuid4()), expires_at=expires)


@pytest.fixture
def jwt_tokens() -> JwtTokens:
    return JwtTokens([SECRET])


@pytest.fixture
def fake_tokens() -> FakeTokens:
    return FakeTokens(SystemClock())


@pytest.fixture(params=["fake_tokens", "jwt_tokens"])
def tokens(request: pytest.FixtureRequest) -> Tokens:
    made: Tokens = request.getfixturevalue(request.param)
    return made


def refusal(tokens: Tokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        tokens.read_access(token)
    return raised.value.slug


def forged(payload: dict[str, Any], key: bytes, *, algorithm: str = "HS256", kid: Any = None) -> str:
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid} if kid is not None else None)


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, payload


def signed(header: dict[str, Any], payload: dict[str, Any], key: bytes) -> str:
    """By hand: the library refuses to make some of what an attacker would."""
    encoded = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload))
    signature = base64.urlsafe_b64encode(hmac.digest(key, encoded, "sha256")).rstrip(b"=")
    return (encoded + b"." + signature).decode()


def test_claims_come_back(tokens: Tokens) -> None:
    """What was signed is what is read."""
    issued = claims()

    assert tokens.read_access(tokens.issue_access(issued)) == issued


def test_expired_token_is_told_apart(tokens: Tokens) -> None:
    """A client learns that it should refresh."""
    assert refusal(tokens, tokens.issue_access(claims(-timedelta(minutes=1)))) == "token_expired"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "garbage", "a.b.c", "ä.ö.ü", "\ud800", "x" * 1_000_000, "e30.e30.e30"]
)
def test_garbage_is_refused(tokens: Tokens, token: str) -> None:
    """Nothing that was not issued is taken, and nothing crashes."""
    assert refusal(tokens, token) == "invalid_token"


def test_changed_token_is_refused(tokens: Tokens) -> None:
    """One character of the content changed breaks it."""
    token = tokens.issue_access(claims())
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]

    assert refusal(tokens, changed) == "invalid_token"


def test_opaque_tokens_differ_and_are_found_by_digest(tokens: Tokens) -> None:
    """Each is new, starts as asked, carries 256 bits, and is recognised by what is stored of it."""
    made = [tokens.new_opaque("rr_") for _ in range(100)]

    assert len({one.secret for one in made}) == 100
    assert all(one.secret.startswith("rr_") and len(one.secret) >= 46 for one in made)
    assert all(one.digest == tokens.digest(one.secret) == hashlib.sha256(one.secret.encode()).digest() for one in made)
    assert made[0].secret not in repr(made[0])
    assert tokens.digest("\ud800")


def test_algorithm_none_is_refused(jwt_tokens: JwtTokens) -> None:
    """An unsigned token is nobody's word, with our key id or without (RFC 8725, section 3.2)."""
    header, payload = parts(jwt_tokens.issue_access(claims()))

    assert (
        refusal(jwt_tokens, jwt.encode(payload, None, algorithm="none", headers={"kid": header["kid"]}))
        == "invalid_token"
    )


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_other_algorithm_with_the_right_key_is_refused(jwt_tokens: JwtTokens, algorithm: str) -> None:
    """The algorithm is ours to choose, not the token's."""
    header, payload = parts(jwt_tokens.issue_access(claims()))
    key = derive_key(SECRET, "access token")

    assert jwt_tokens.read_access(forged(payload, key, kid=header["kid"]))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = forged(payload, key, algorithm=algorithm, kid=header["kid"])
    assert refusal(jwt_tokens, token) == "invalid_token"


@pytest.mark.parametrize("kid", [None, "", "0000000000000000", "../../dev/null", "' OR 1=1"])
def test_unknown_key_id_is_refused(jwt_tokens: JwtTokens, kid: str | None) -> None:
    """A key is looked up among ours, never elsewhere."""
    _, payload = parts(jwt_tokens.issue_access(claims()))

    assert refusal(jwt_tokens, forged(payload, derive_key(SECRET, "access token"), kid=kid)) == "invalid_token"


def test_raw_secret_and_other_purposes_do_not_sign(jwt_tokens: JwtTokens) -> None:
    """Only the key derived for access tokens counts."""
    header, payload = parts(jwt_tokens.issue_access(claims()))
    for key in (SECRET.encode(), derive_key(SECRET, "something else"), b"x" * 32):
        assert refusal(jwt_tokens, forged(payload, key, kid=header["kid"])) == "invalid_token"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"}, {"iss": "another"}, {"aud": None}, {"iss": None}, {"sub": None}, {"sid": None},
        {"exp": None}, {"sub": "nobody"}, {"sub": 7}, {"sid": ["x"]}, {"exp": "soon"}, {"exp": 10**30},
        {"iat": 4_000_000_000}, {"nbf": 4_000_000_000},
    ],
)  # fmt: skip
def test_wrong_claims_are_refused(jwt_tokens: JwtTokens, change: dict[str, Any]) -> None:
    """A genuine signature over a wrong or missing claim (None: left out) is not enough."""
    header, payload = parts(jwt_tokens.issue_access(claims()))
    altered = {name: value for name, value in (payload | change).items() if value is not None}
    token = signed(header, altered, derive_key(SECRET, "access token"))

    assert refusal(jwt_tokens, token) == "invalid_token"


def test_keys_rotate_without_logging_out(jwt_tokens: JwtTokens) -> None:
    """The first secret signs, all are taken; a dropped one is not."""
    old, both = JwtTokens([OLDER]), JwtTokens([SECRET, OLDER])
    issued = claims()

    assert both.read_access(old.issue_access(issued)) == issued
    assert jwt_tokens.read_access(both.issue_access(issued)) == issued
    assert refusal(jwt_tokens, old.issue_access(issued)) == "invalid_token"


def test_short_or_missing_secrets_are_refused() -> None:
    """A guessable key is found out at the start."""
    for keys in ([], ["short"], [SECRET, ""]):
        with pytest.raises(ValueError, match="secret"):
            JwtTokens(keys)


def test_clocks_may_differ_a_little(jwt_tokens: JwtTokens) -> None:
    """A token one second over its time is still taken; one far over is not."""
    token = jwt_tokens.issue_access(evolve(claims(), expires_at=datetime.now(UTC) - timedelta(seconds=1)))

    assert jwt_tokens.read_access(token)


def test_a_successor_is_the_same_for_the_same_two_only(tokens: Tokens) -> None:
    """So a client can be given again what it was given."""
    first = tokens.successor("secret", "nonce", "rr_")

    assert first == tokens.successor("secret", "nonce", "rr_")
    assert first.digest == tokens.digest(first.secret)
    assert first.secret.startswith("rr_")
    others = {tokens.successor(*two).digest for two in (("secret", "other"), ("other", "nonce"), ("secretn", "once"))}
    assert len(others | {first.digest}) == 4
    assert tokens.successor("\ud800", "\ud800")


def test_a_successor_needs_the_servers_key() -> None:
    """Who knows both words but not the key cannot name it."""
    assert JwtTokens([SECRET]).successor("secret", "nonce") != JwtTokens([OLDER]).successor("secret", "nonce")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_signature_of_another_kind_is_refused(jwt_tokens: JwtTokens, algorithm: str) -> None:
    """Neither is our key taken for a public one, nor a key believed that the token brings along (RFC 8725, 2.1)."""
    key: Any = {
        "RS256": lambda: rsa.generate_private_key(65537, 2048),
        "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }[algorithm]()
    header, payload = parts(jwt_tokens.issue_access(claims()))
    public = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    for extra in ({"kid": header["kid"]}, {"kid": header["kid"], "jwk": public}, {"jku": "https://example.org/keys"}):
        assert refusal(jwt_tokens, jwt.encode(payload, key, algorithm=algorithm, headers=extra)) == "invalid_token"


def test_a_public_key_used_as_a_shared_secret_signs_nothing(jwt_tokens: JwtTokens) -> None:
    """The confusion of HS with RS needs a verifier that takes any key for any algorithm."""
    header, payload = parts(jwt_tokens.issue_access(claims()))
    public = rsa.generate_private_key(65537, 2048).public_key()
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert refusal(jwt_tokens, signed(header, payload, encoded)) == "invalid_token"
    assert jwt_tokens.read_access(signed(header, payload, derive_key(SECRET, "access token")))


def test_clocks_may_not_differ_much(jwt_tokens: JwtTokens) -> None:
    """Five seconds are forgiven, thirty are not, in either direction."""
    over = evolve(claims(), expires_at=datetime.now(UTC) - timedelta(seconds=30))
    header, payload = parts(jwt_tokens.issue_access(claims()))
    key = derive_key(SECRET, "access token")
    now = int(datetime.now(UTC).timestamp())

    assert refusal(jwt_tokens, jwt_tokens.issue_access(over)) == "token_expired"
    assert jwt_tokens.read_access(forged(payload | {"iat": now + 3}, key, kid=header["kid"]))
    assert refusal(jwt_tokens, forged(payload | {"iat": now + 30}, key, kid=header["kid"])) == "invalid_token"
