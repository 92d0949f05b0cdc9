"""Which outside thing failed.

::

    ApplicationError                code, message; the domain's rules were not broken
    ├── Unavailable                 an engine did not answer in time; asking again may help (503)
    │   ├── DatabaseUnavailable
    │   ├── CacheUnavailable        callers go on without the cache
    │   ├── VectorsUnavailable
    │   ├── EmbedderUnavailable
    │   ├── HasherBusy              more passwords wait to be compared than anybody would wait for
    │   ├── RerankerUnavailable     searches go on without it
    │   ├── FilesUnavailable        also: the disk is full
    │   └── ModelUnavailable        the language model's provider; `llm_unavailable`
    ├── SchemaOutdated              the database is not at this version's schema: run `readingroom migrate`
    ├── AlreadyExists               a uniqueness that the repository guards, with the constraint's name
    ├── ConcurrentChange            another writer was first; load again and decide anew
    ├── ParsingFailed               a file could not be read, with the domain's Failure
    └── ModelFailed                 the provider answered with an error, or broke off
"""

from typing import ClassVar

from domain.documents import Failure


class ApplicationError(Exception):
    """Base. `message` is for people, `slug` for machines."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.slug = code or type(self).code
        self.retry_after = retry_after  # seconds, where known


class Unavailable(ApplicationError):
    """An engine did not answer; nothing is known to be wrong with the request."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """Postgres cannot be reached or refused the connection."""

    code = "database_unavailable"


class CacheUnavailable(Unavailable):
    """Redis cannot be reached."""

    code = "cache_unavailable"


class VectorsUnavailable(Unavailable):
    """Qdrant cannot be reached or refused the operation."""

    code = "vector_index_unavailable"


class EmbedderUnavailable(Unavailable):
    """The embedding server cannot be reached, or its model is not loaded yet."""

    code = "embedder_unavailable"


class HasherBusy(Unavailable):
    """More passwords wait to be hashed than can be in a few seconds."""

    code = "too_busy"


class RerankerUnavailable(Unavailable):
    """The reranker cannot be reached, is being loaded, or took too long."""

    code = "reranker_unavailable"


class FilesUnavailable(Unavailable):
    """The file store cannot be written or read; the disk may be full."""

    code = "file_store_unavailable"


class ModelUnavailable(Unavailable):
    """The language model's provider cannot be reached, is overloaded, or refuses the key.

    `retryable`: asking again may help, without anybody doing something about a key or an account.
    """

    code = "llm_unavailable"

    def __init__(
        self, message: str, *, code: str | None = None, retryable: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.retryable = retryable


class SchemaOutdated(ApplicationError):
    """The database was made by another version."""

    code = "schema_outdated"


class AlreadyExists(ApplicationError):
    """A row with the same unique value exists."""

    code = "already_exists"

    def __init__(self, message: str, *, constraint: str) -> None:
        super().__init__(message)
        self.constraint = constraint


class ConcurrentChange(ApplicationError):
    """The version that was loaded is not the stored one any more."""

    code = "concurrent_change"


class ParsingFailed(ApplicationError):
    """The file cannot be made into text; the reason is a domain Failure."""

    code = "parse_failed"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, code=failure.code.value)
        self.failure = failure


class ModelFailed(ApplicationError):
    """The provider answered with an error, or the stream broke. `retryable`: asking again may help."""

    code = "model_failed"

    def __init__(
        self, message: str, *, code: str | None = None, retryable: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message, code=code, retry_after=retry_after)
        self.retryable = retryable
