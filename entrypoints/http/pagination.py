"""Lists in pages: `{"items": [...], "next_cursor": ...}` with opaque cursors."""

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, TypeVar

from attrs import frozen
from fastapi import Query
from starlette.responses import Response

from application.use_cases import UseCases
from domain.access import Action, Actor
from domain.errors import InvalidInput

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
CHECK_BYTES: Final = 10
PERSON: Final = b"readingroom.page"  # hashlib: at most 16 bytes

T = TypeVar("T")
K = TypeVar("K")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many items at most.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next_cursor` of the page before; the first page without it.")
]


@frozen(kw_only=True)
class CursorOf:
    """Cursors of one list: they name the last item seen, and fit only the list and the filters they came from.

    The check finds damage and mix-ups. It guards nothing: what a caller may see is decided by the use case at each
    call, whatever the cursor says.
    """

    context: tuple[object, ...]

    def encode(self, key: object) -> str:
        """The cursor after the item with this key."""
        body = json.dumps(str(key)).encode()
        return base64.urlsafe_b64encode(self._check(body) + body).decode().rstrip("=")

    def decode(self, cursor: str | None, parse: Callable[[str], K]) -> K | None:
        """The key of the last item seen; `InvalidInput` for a cursor that is not one of this list."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            check, body = raw[:CHECK_BYTES], raw[CHECK_BYTES:]
            if check == self._check(body):
                return parse(json.loads(body))
        except (binascii.Error, ValueError):
            pass
        raise InvalidInput(
            "This is not a cursor of this list. Begin again without one.", code="invalid_cursor", pointer="/cursor"
        )

    def _check(self, body: bytes) -> bytes:
        context = repr(self.context).encode()
        return hashlib.blake2b(context + b"\0" + body, digest_size=CHECK_BYTES, person=PERSON).digest()


def page_of(
    found: Sequence[T], limit: int, *, view: Callable[[T], Any], key: Callable[[T], object], cursors: CursorOf
) -> dict[str, Any]:
    """The envelope for up to `limit` of the items; one more than that was asked for to know whether more follow."""
    shown = found[:limit]
    more = len(found) > limit
    return {
        "items": [view(item) for item in shown],
        "next_cursor": cursors.encode(key(shown[-1])) if more else None,
    }


async def first_page(
    use_cases: UseCases,
    actor: Actor,
    action: Action,
    about: tuple[object, ...],
    after: object,
    listed: Callable[[], Awaitable[bytes]],
) -> Response:
    """A list's first page, as it is remembered or as `listed` makes it; the pages `after` something are always made."""
    body = await (listed() if after is not None else use_cases.lists.recall(actor, action, about, listed))
    return Response(body, media_type="application/json")
