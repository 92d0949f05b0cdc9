"""Passwords and tokens."""

from datetime import datetime
from typing import Protocol

from attrs import field, frozen

from domain.ids import SessionId, UserId


class PasswordHasher(Protocol):
    """Slow, salted password hashing, never on the event loop and never unbounded in number.

    `hash` and `verify` raise `HasherBusy` at once where too many wait already.
    """

    async def hash(self, password: str) -> str:
        """A PHC string; a new salt at each call."""
        ...

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether they belong together. With None (no such user) it takes as long and answers False."""
        ...

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether it was made with other parameters than today's."""
        ...

    def is_common(self, password: str) -> bool:
        """Whether it is on the list of passwords that everybody tries first."""
        ...


@frozen(kw_only=True)
class AccessClaims:
    """What a valid access token says."""

    user_id: UserId
    session_id: SessionId
    expires_at: datetime


@frozen(kw_only=True)
class OpaqueToken:
    """A random secret and what is stored of it."""

    secret: str = field(repr=False)  # URL-safe, at least 256 bits
    digest: bytes = field(repr=False)  # SHA-256 of the secret


class Tokens(Protocol):
    """Signed access tokens and opaque random ones."""

    def issue_access(self, claims: AccessClaims) -> str:
        """A signed token that `read_access` takes back until it expires."""
        ...

    def read_access(self, token: str) -> AccessClaims:
        """The claims of a genuine, unexpired token.

        Raises `domain.errors.Unauthenticated` with code `token_expired` for an expired one and
        `invalid_token` for anything else: garbage, another algorithm, key, issuer or audience.
        """
        ...

    def new_opaque(self, prefix: str = "") -> OpaqueToken:
        """A new secret that starts with `prefix`."""
        ...

    def successor(self, secret: str, nonce: str, prefix: str = "") -> OpaqueToken:
        """What comes after `secret` for the client that names `nonce`: the same again for the same two.

        As hard to guess as a random one for whoever knows only one of the two, or both but not the server's key.
        """
        ...

    def digest(self, secret: str) -> bytes:
        """What `new_opaque` stored for this secret."""
        ...


class Seal(Protocol):
    """Keeps what must be given again, and may hold a secret, unreadable in the database."""

    def close(self, plain: bytes, *, context: bytes) -> bytes:
        """Encrypted and authenticated, so that only the same context opens it."""
        ...

    def open(self, sealed: bytes, *, context: bytes) -> bytes | None:
        """What was closed; None for another context, another key, or a damaged one."""
        ...
