"""`Idempotency-Key`: a POST that makes something, sent again, makes nothing more and is answered as before."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from attrs import define
from fastapi import Depends, Header, Request
from starlette.responses import Response

from application.attempts import Attempt
from application.idempotency import Earlier, Idempotency, Scope, check_key
from domain.ids import UserId, WorkspaceId
from entrypoints.http.dependencies import IdentityDep, UseCasesDep
from entrypoints.http.uploads import Upload

REPLAYED: Final = {"Idempotent-Replayed": "true"}
KEPT_HEADERS: Final = ("content-type", "etag", "location")

R = TypeVar("R")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="1 to 255 printable characters of your choice. The same key and body within 24 hours give the "
        "first answer again, with `Idempotent-Replayed: true`, and nothing is made twice.",
    ),
]


@define(eq=False)
class Once:
    """Does the work of a request once, where the client sent a key for it.

    Failures are not kept: nothing was made, and the same key may be tried again.
    """

    request: Request
    idempotency: Idempotency
    user_id: UserId | None
    actor: UUID | None
    key: str | None
    replayed: bool = False

    async def __call__(self, work: Callable[[], Awaitable[R]], respond: Callable[[R], Response]) -> Response:
        """The answer to the work's result; or the first answer, if this was sent before."""
        if self.key is None:
            return respond(await work())
        attempt = await self._reserve(self.key, self._fingerprint(await self.request.body()))
        if isinstance(attempt, Earlier):
            return _unpacked(attempt.answer)
        return respond(await self._worked(attempt, work, lambda result: _packed(respond(result))))

    async def reference(self, work: Callable[[], Awaitable[R]], reference: Callable[[R], str]) -> str:
        """What the work's result is known by, where an answer is made from that each time."""
        if self.key is None:
            return reference(await work())
        attempt = await self._reserve(self.key, self._fingerprint(await self.request.body()))
        if isinstance(attempt, Earlier):
            self.replayed = True
            return attempt.answer.decode()
        return reference(await self._worked(attempt, work, lambda result: reference(result).encode()))

    async def upload(
        self,
        upload: Upload,
        work: Callable[[AsyncIterator[bytes]], Awaitable[R]],
        respond: Callable[[R], Response],
    ) -> Response:
        """As calling it, for a form with a file: what was asked for is known when all of it was read."""
        if self.key is None:
            return respond(await work(upload.content()))
        attempt = await self._reserve(self.key, b"")
        if isinstance(attempt, Earlier):
            async for _ in self._hashed(upload, attempt.must_be):
                pass
            return _unpacked(attempt.answer)
        content = self._hashed(upload, attempt.asked_for)
        return respond(await self._worked(attempt, lambda: work(content), lambda result: _packed(respond(result))))

    async def _reserve(self, key: str, fingerprint: bytes) -> Attempt | Earlier:
        workspace = self.request.path_params.get("workspace_id")
        workspace_id = None if workspace is None else WorkspaceId(UUID(str(workspace)))
        scope = Scope(user_id=self.user_id, actor=self.actor, workspace_id=workspace_id, key=check_key(key))
        return await self.idempotency.reserve(scope, fingerprint=fingerprint)

    async def _worked(self, attempt: Attempt, work: Callable[[], Awaitable[R]], keep: Callable[[R], bytes]) -> R:
        attempt.keep = keep
        async with self.idempotency.under(attempt):
            result = await work()
            if not attempt.is_answered:
                await self.idempotency.finish(attempt, keep(result))
        return result

    async def _hashed(self, upload: Upload, told: Callable[[bytes], None]) -> AsyncIterator[bytes]:
        """The file's bytes; when they end, `told` hears the fingerprint of the whole form."""
        file = hashlib.sha256()
        async for piece in upload.content():
            file.update(piece)
            yield piece
        form = [upload.filename, sorted(upload.fields.items()), file.hexdigest()]
        told(self._fingerprint(json.dumps(form).encode()))

    def _fingerprint(self, body: bytes) -> bytes:
        url = self.request.url
        head = f"{self.request.method} {url.path}?{url.query}\n".encode()
        return hashlib.sha256(head + body).digest()


async def get_once(request: Request, use_cases: UseCasesDep, identity: IdentityDep, key: IdempotencyKey = None) -> Once:
    """Of this request."""
    return Once(
        request=request,
        idempotency=use_cases.idempotency,
        user_id=identity.user_id,
        actor=identity.api_key_id or identity.user_id,
        key=key,
    )


async def get_once_for_anybody(request: Request, use_cases: UseCasesDep, key: IdempotencyKey = None) -> Once:
    """Of a request that nobody known sends."""
    return Once(request=request, idempotency=use_cases.idempotency, user_id=None, actor=None, key=key)


OnceForAnybodyDep = Annotated[Once, Depends(get_once_for_anybody)]
OnceDep = Annotated[Once, Depends(get_once)]


def _packed(response: Response) -> bytes:
    headers = {name: value for name, value in response.headers.items() if name in KEPT_HEADERS}
    body = base64.b64encode(bytes(response.body)).decode()
    return json.dumps({"status": response.status_code, "headers": headers, "body": body}).encode()


def _unpacked(answer: bytes) -> Response:
    kept: dict[str, Any] = json.loads(answer)
    return Response(base64.b64decode(kept["body"]), status_code=kept["status"], headers=kept["headers"] | REPLAYED)
