"""People and their login sessions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve, field, frozen, validators

from domain.errors import InvalidInput, TokenReused, Unauthenticated, WeakPassword
from domain.ids import SessionId, UserId
from domain.times import aware

MIN_PASSWORD_LENGTH: Final = 12
MAX_PASSWORD_LENGTH: Final = 1024
MAX_EMAIL_LENGTH: Final = 254
RETRY_GRACE: Final = timedelta(seconds=10)
MAX_SPENT_TOKENS: Final = 3000  # of one session; a month of exchanges every quarter of an hour


def normalise_email(email: str) -> str:
    """Trim and lower-case; raises `InvalidInput` when it cannot be an address (RFC 5321 lengths)."""
    cleaned = email.strip().lower()
    local, at, host = cleaned.rpartition("@")
    if (
        not at
        or not local
        or "." not in host.strip(".")
        or len(cleaned) > MAX_EMAIL_LENGTH
        or any(c.isspace() or ord(c) < 32 for c in cleaned)  # noqa: PLR2004 control characters
    ):
        raise InvalidInput("This is not an e-mail address.", pointer="/email")
    return cleaned


def check_password(password: str, *, is_common: bool, pointer: str = "/password") -> None:
    """Raise `WeakPassword` unless long enough and not on the list of common ones."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise WeakPassword(f"Use at least {MIN_PASSWORD_LENGTH} characters.", pointer=pointer)
    if len(password) > MAX_PASSWORD_LENGTH:
        raise InvalidInput(f"Use at most {MAX_PASSWORD_LENGTH} characters.", pointer=pointer)
    if is_common:
        raise WeakPassword("This password is among the most used ones; choose another.", pointer=pointer)


@frozen(kw_only=True)
class User:
    """A person. `disabled_at` set means that nothing they hold works any more."""

    id: UserId
    email: str
    name: str
    password_hash: str = field(repr=False)
    created_at: datetime = field(validator=aware)
    disabled_at: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether they may log in and use what they hold."""
        return self.disabled_at is None

    def with_password(self, password_hash: str) -> "User":
        """The same person with another password."""
        return evolve(self, password_hash=password_hash)

    def disabled(self, now: datetime) -> "User":
        """Locked out as of now."""
        return evolve(self, disabled_at=now)


@frozen(kw_only=True)
class LoginSession:
    """One login on one device, kept alive by rotating refresh tokens.

    Only hashes of tokens are kept. `spent` are those already exchanged, with the time: one of them seen again means
    that somebody holds a copy, and the whole session is revoked (RFC 9700, section 4.14.2). There may be thousands; a
    session that was found by a token carries this one alone.
    """

    id: SessionId
    user_id: UserId
    token_hash: bytes = field(repr=False)
    spent: Mapping[bytes, datetime] = field(factory=dict, repr=False)
    device: str = field(default="", validator=validators.max_len(400))
    created_at: datetime = field(validator=aware)
    last_used_at: datetime = field(validator=aware)
    expires_at: datetime = field(validator=aware)
    rotated_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether its access tokens still count."""
        return self.revoked_at is None and now < self.expires_at

    def rotate(self, *, presented: bytes, replacement: bytes, now: datetime, ttl: timedelta) -> "LoginSession":
        """Exchange the present token for a new one.

        Raises `TokenReused` when `presented` was spent before (the caller then revokes and saves),
        `Unauthenticated` when the session is over or the token was never its own.
        """
        if presented in self.spent:
            raise TokenReused("This refresh token was used before; the login session is revoked. Log in again.")
        if presented != self.token_hash or not self.is_live(now):
            raise Unauthenticated("The refresh token is not valid any more. Log in again.", code="invalid_token")
        return evolve(
            self,
            token_hash=replacement,
            spent={**self.spent, presented: now},
            last_used_at=now,
            rotated_at=now,
            expires_at=now + ttl,
        )

    def is_retry(self, *, presented: bytes, replacement: bytes, now: datetime) -> bool:
        """Whether this repeats the last exchange, at most ten seconds later, and wants what it gave.

        The proof is `replacement`: only who knows what made it (see `Tokens.successor`) can name it again, so that
        another holder of the spent token is not taken for the client that spent it.
        """
        return (
            presented in self.spent
            and replacement == self.token_hash
            and self.is_live(now)
            and self.rotated_at is not None
            and now - self.rotated_at <= RETRY_GRACE
        )

    def revoked(self, now: datetime) -> "LoginSession":
        """Over as of now; revoking twice keeps the first time."""
        return self if self.revoked_at else evolve(self, revoked_at=now)
