"""What surrounds a call of a use case, for the few things that need it wherever they are: hosts say it, once.

It travels in the context of the task, as a logger's bound facts do, and not as an argument, since hardly any use case
has a use for it: the audit log notes the address, and a unit of work that belongs to a request which must be done once
records the answer as it commits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from attrs import evolve, frozen

from application.attempts import Attempt


@frozen(kw_only=True)
class Call:
    """Where a call came from; all unknown for a worker, a command or another host that says nothing."""

    address: str | None = None  # of the client, as far as trusted proxies tell
    request_id: str | None = None
    attempt: Attempt | None = None


_current: ContextVar[Call] = ContextVar("call", default=Call())  # noqa: B039 frozen


def current_call() -> Call:
    """The call that this task belongs to."""
    return _current.get()


@contextmanager
def calling(*, address: str | None, request_id: str | None) -> Iterator[None]:
    """Say where the calls inside come from."""
    with _as(Call(address=address, request_id=request_id)):
        yield


@contextmanager
def attempting(attempt: Attempt) -> Iterator[None]:
    """Let the first commit inside record the answer of this attempt."""
    with _as(evolve(_current.get(), attempt=attempt)):
        yield


@contextmanager
def _as(call: Call) -> Iterator[None]:
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)
