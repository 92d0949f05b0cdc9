"""What can be broken in the rules.

::

    DomainError                     code, message, details
    ├── InvalidInput                a value that can never be right (422)
    │   ├── WeakPassword
    │   └── EmptyDocument
    ├── NotFound                    missing, or not for the asker's eyes: never told apart (404)
    ├── Forbidden                   seen, but not allowed (403)
    ├── Unauthenticated             who asks is not known (401)
    │   ├── InvalidCredentials
    │   └── TokenReused
    ├── Conflict                    the state does not allow it now (409)
    │   └── EmailTaken
    ├── StaleVersion                somebody else changed it first (412)
    ├── TooLarge                    over a limit of size (413)
    ├── UnsupportedMediaType        a format that no reader knows (415)
    └── TooManyRequests             over a limit of rate, with the seconds to wait (429)

Only `entrypoints/http/errors.py` and `entrypoints/websocket/frames.py` know the numbers.
"""

from typing import ClassVar


class DomainError(Exception):
    """Something broke a rule. `code` is stable and for machines, `message` says what to do."""

    code: ClassVar[str] = "domain_error"

    def __init__(self, message: str, *, code: str | None = None, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.slug = code or type(self).code
        self.details = details


class InvalidInput(DomainError):
    """A value that can never be right; `pointer` in details names where (RFC 6901)."""

    code = "invalid_input"


class WeakPassword(InvalidInput):
    """Shorter than twelve characters, or one of the passwords that everybody tries first."""

    code = "weak_password"


class EmptyDocument(InvalidInput):
    """An upload of zero bytes."""

    code = "empty_document"


class NotFound(DomainError):
    """Missing or invisible; which of the two is not told."""

    code = "not_found"


class Forbidden(DomainError):
    """The actor may see the resource but not do this to it."""

    code = "permission_denied"


class Unauthenticated(DomainError):
    """No valid proof of who asks."""

    code = "unauthorized"


class InvalidCredentials(Unauthenticated):
    """Unknown e-mail or wrong password, not told apart."""

    code = "invalid_credentials"


class TokenReused(Unauthenticated):
    """A refresh token that was spent before came again; its whole login session is revoked."""

    code = "token_reused"


class Conflict(DomainError):
    """The present state does not allow it."""

    code = "conflict"


class EmailTaken(Conflict):
    """A user with this e-mail exists."""

    code = "email_taken"


class StaleVersion(DomainError):
    """The version named by the caller is not the present one."""

    code = "stale_version"


class TooLarge(DomainError):
    """Over a limit of size."""

    code = "document_too_large"


class UnsupportedMediaType(DomainError):
    """No reader takes this content."""

    code = "unsupported_media_type"


class TooManyRequests(DomainError):
    """Over a limit of rate; `retry_after` (seconds) is in details."""

    code = "too_many_requests"
