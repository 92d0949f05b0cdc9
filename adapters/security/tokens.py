"""Access tokens as JWTs (RFC 7519, RFC 8725), and opaque random secrets.

One algorithm is accepted, HMAC with SHA-256. The signing key is derived from the application's secret, so
that the same secret may serve other purposes without two of them sharing a key.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from application.ports.security import AccessClaims, OpaqueToken, Tokens
from domain.errors import Unauthenticated
from domain.ids import SessionId, UserId

ALGORITHM: Final = "HS256"
MIN_SECRET_BYTES: Final = 32
MAX_TOKEN_LENGTH: Final = 4096  # ours have about 400 characters; more is not worth decoding
_REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub", "sid"]


def derive_key(secret: str, purpose: str, *, length: int = 32) -> bytes:
    """`length` bytes for one purpose (HKDF-SHA256, RFC 5869); other purposes give unrelated keys."""
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=f"readingroom {purpose}".encode()).derive(
        secret.encode()
    )


class JwtTokens(Tokens):
    """Signs with the first of `secrets` and accepts all of them, so that keys can be changed without logging
    everybody out: put the new one first, and drop the old one after the longest lifetime of an access token.

    Raises `ValueError` for no secret, or one of fewer than 32 bytes.
    """

    def __init__(
        self,
        keys: Sequence[str],
        *,
        issuer: str = "readingroom",
        audience: str = "readingroom-api",
        leeway: timedelta = timedelta(seconds=5),
    ) -> None:
        if not keys:
            raise ValueError("at least one secret is needed")
        if any(len(key.encode()) < MIN_SECRET_BYTES for key in keys):
            raise ValueError(f"a secret needs at least {MIN_SECRET_BYTES} bytes")
        derived = [derive_key(key, "access token") for key in keys]
        self._keys = {_key_id(key): key for key in derived}
        self._signing_id = _key_id(derived[0])
        self._succession_key = derive_key(keys[0], "refresh token succession")
        self._issuer = issuer
        self._audience = audience
        self._leeway = leeway

    def issue_access(self, claims: AccessClaims) -> str:
        """A signed token; times in it are whole seconds, rounded down."""
        payload = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(claims.user_id),
            "sid": str(claims.session_id),
            "iat": datetime.now(UTC),
            "exp": claims.expires_at,
        }
        return jwt.encode(payload, self._keys[self._signing_id], algorithm=ALGORITHM, headers={"kid": self._signing_id})

    def read_access(self, token: str) -> AccessClaims:
        """The claims of a genuine, unexpired token."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise _invalid()
        try:
            payload = jwt.decode(
                token,
                self._key_of(token),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway,
                options={"require": _REQUIRED},
            )
            return AccessClaims(
                user_id=UserId(UUID(payload["sub"])),
                session_id=SessionId(UUID(payload["sid"])),
                expires_at=datetime.fromtimestamp(payload["exp"], UTC),
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The access token has expired.", code="token_expired") from error
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise _invalid() from error

    def new_opaque(self, prefix: str = "") -> OpaqueToken:
        """256 random bits in URL-safe text behind `prefix`."""
        secret = prefix + secrets.token_urlsafe(32)
        return OpaqueToken(secret=secret, digest=self.digest(secret))

    def successor(self, secret: str, nonce: str, prefix: str = "") -> OpaqueToken:
        """HMAC-SHA-256 of both under a key of its own; made from 256 random bits, it is as good as new ones."""
        digest = hashlib.sha256(nonce.encode(errors="surrogatepass")).digest() + self.digest(secret)
        code = hmac.digest(self._succession_key, digest, "sha256")
        following = prefix + base64.urlsafe_b64encode(code).rstrip(b"=").decode()
        return OpaqueToken(secret=following, digest=self.digest(following))

    def digest(self, secret: str) -> bytes:
        """SHA-256; a slow hash would add nothing to 256 random bits. Takes any string that a client may send."""
        return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()

    def _key_of(self, token: str) -> bytes:
        header: dict[str, Any] = jwt.get_unverified_header(token)
        key_id = header.get("kid")
        key = self._keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise _invalid()
        return key


def _key_id(key: bytes) -> str:
    """Names a key without telling anything about it."""
    return hashlib.sha256(b"key id" + key).hexdigest()[:16]


def _invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid.", code="invalid_token")
