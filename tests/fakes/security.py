"""Passwords and tokens without cryptography."""

import base64
import hashlib
import json
from datetime import datetime
from itertools import count
from uuid import UUID

from application.ports.security import AccessClaims, OpaqueToken, PasswordHasher, Tokens
from application.ports.system import Clock
from domain.errors import Unauthenticated
from domain.ids import SessionId, UserId

_SCHEME = "$fake$v=1$"


class FakePasswords(PasswordHasher):
    """Salted SHA-256: fast, and worth nothing outside tests."""

    def __init__(self) -> None:
        self._salts = count(1)
        self.verified = 0  # how often work was done, for users that exist and for others

    async def hash(self, password: str) -> str:
        return self._hash(password, str(next(self._salts)))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        self.verified += 1
        salt = (password_hash or "").removeprefix(_SCHEME).partition("$")[0]
        return self._hash(password, salt) == password_hash

    def needs_rehash(self, password_hash: str) -> bool:
        return not password_hash.startswith(_SCHEME)

    def is_common(self, password: str) -> bool:
        walked = {"123456789012", "abcdefghijkl", "987654321098", "qwertyuiop[]", "qwertyuiopas", "123123123123"}
        return password.lower() in {"password", "password1234", "123456789123", "qwerty123456"} | walked

    def _hash(self, password: str, salt: str) -> str:
        digest = hashlib.sha256((salt + password).encode(errors="surrogatepass")).hexdigest()
        return f"{_SCHEME}{salt}${digest}"


class FakeTokens(Tokens):
    """Access tokens are readable JSON with a checksum; opaque ones count up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = count(1)

    def issue_access(self, claims: AccessClaims) -> str:
        parts = [str(claims.user_id), str(claims.session_id), claims.expires_at.replace(microsecond=0).isoformat()]
        body = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()
        return f"{body}.{hashlib.sha256(body.encode()).hexdigest()}"

    def read_access(self, token: str) -> AccessClaims:
        body, _, checksum = token.partition(".")
        if hashlib.sha256(body.encode(errors="surrogatepass")).hexdigest() != checksum:
            raise Unauthenticated("The access token is not valid.", code="invalid_token")
        user, session, expires = json.loads(base64.urlsafe_b64decode(body))
        claims = AccessClaims(
            user_id=UserId(UUID(user)),
            session_id=SessionId(UUID(session)),
            expires_at=datetime.fromisoformat(expires),
        )
        if claims.expires_at <= self._clock.now():
            raise Unauthenticated("The access token has expired.", code="token_expired")
        return claims

    def new_opaque(self, prefix: str = "") -> OpaqueToken:
        secret = prefix + hashlib.sha256(b"%d" % next(self._numbers)).hexdigest()
        return OpaqueToken(secret=secret, digest=self.digest(secret))

    def successor(self, secret: str, nonce: str, prefix: str = "") -> OpaqueToken:
        following = prefix + hashlib.sha256(f"{nonce}\0{secret}".encode(errors="surrogatepass")).hexdigest()
        return OpaqueToken(secret=following, digest=self.digest(following))

    def digest(self, secret: str) -> bytes:
        return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
