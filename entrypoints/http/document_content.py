"""The bytes of documents: in as multipart, out with ranges."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Header, Request
from starlette.responses import Response, StreamingResponse

from application import document_contents, uploads
from application.uploads import Particulars, Receipt
from domain.documents import Document
from domain.errors import Conflict, InvalidInput
from domain.ids import CollectionId, DocumentId
from entrypoints.http.dependencies import ActorDep, ContainerDep, IfMatch, UseCasesDep, expected_version
from entrypoints.http.document_resources import DocumentOut, document_view
from entrypoints.http.errors import RangeNotSatisfiable
from entrypoints.http.idempotency import OnceDep
from entrypoints.http.json_response import JSONResponse
from entrypoints.http.limits import allow_body
from entrypoints.http.routing import WORKSPACE, about, problems, versioned
from entrypoints.http.uploads import Upload

router = APIRouter(tags=["documents"])
CONTENT = f"{WORKSPACE}/documents/{{document_id}}/content"
RANGE: Final = re.compile(r"bytes=(\d{0,30})-(\d{0,30})", re.ASCII | re.IGNORECASE)

_BYTES: Final[dict[str, Any]] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}  # of the document's type
FILE_PART: Final[dict[str, Any]] = {"type": "string", "format": "binary", "description": "One file."}
FIELDS: Final[dict[str, Any]] = {
    "collection_id": {"type": "string", "format": "uuid", "description": "General when left out."},
    "title": {"type": "string", "description": "The file's name when left out."},
    "tags": {"type": "array", "items": {"type": "string"}, "description": "Repeat the part for several."},
    "metadata": {
        "type": "string",
        "contentMediaType": "application/json",
        "description": "A JSON object of strings, numbers and booleans.",
        "examples": ['{"year": 2025}'],
    },
}


EXAMPLES: Final = {"file": "(the bytes of contract.pdf)", "title": "Contract", "tags": ["finance"]}


def _form(properties: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "required": ["file"], "properties": properties}
    example = {name: value for name, value in EXAMPLES.items() if name in properties}
    content = {"multipart/form-data": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


async def _begin(request: Request, container: ContainerDep) -> Upload:
    allow_body(request, container.settings().max_upload_bytes)
    upload = Upload(request)
    await upload.begin()
    return upload


def _particulars(upload: Upload) -> Particulars:
    named = upload.one("collection_id")
    try:
        collection_id = None if named is None else CollectionId(UUID(named.strip()))
    except ValueError as error:
        raise InvalidInput("This is not an id.", pointer="/collection_id") from error
    return Particulars(
        collection_id=collection_id,
        title=upload.one("title"),
        tags=tuple(upload.fields.get("tags", ())),
        metadata=upload.json_object("metadata") or {},
    )


@router.post(
    f"{WORKSPACE}/documents",
    status_code=202,
    response_model=DocumentOut,
    operation_id="uploadDocument",
    summary="Upload a document",
    description=about(uploads.UploadDocument),
    responses={
        200: {"model": DocumentOut, "description": "The same bytes are already in the collection: that document"},
        **problems(409, 413, 415, 422),
    },
    openapi_extra=_form({"file": FILE_PART, **FIELDS}),
)
async def upload_document(
    request: Request, container: ContainerDep, use_cases: UseCasesDep, actor: ActorDep, once: OnceDep
) -> Response:
    """Upload a document."""
    upload = await _begin(request, container)
    early = _particulars(upload)

    async def take(content: AsyncIterator[bytes]) -> Receipt:
        return await use_cases.upload_document(
            actor,
            content=content,
            filename=upload.filename,
            collection_id=early.collection_id,
            title=early.title,
            tags=early.tags,
            metadata=early.metadata,
            late=lambda: _particulars(upload),
        )

    return await once.upload(
        upload,
        take,
        lambda receipt: versioned(
            document_view(receipt.document),
            status=202 if receipt.created else 200,
            location=f"/v1/workspaces/{actor.workspace_id}/documents/{receipt.document.id}",
        ),
    )


@router.put(
    CONTENT,
    status_code=202,
    response_model=DocumentOut,
    operation_id="reviseDocument",
    summary="Replace a document's bytes",
    description=about(uploads.ReviseDocument),
    responses=problems(409, 412, 413, 415, 422),
    openapi_extra=_form({"file": FILE_PART}),
)
async def revise_document(
    *,
    request: Request,
    container: ContainerDep,
    use_cases: UseCasesDep,
    actor: ActorDep,
    document_id: UUID,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Replace a document's bytes."""
    upload = await _begin(request, container)
    revised = await use_cases.revise_document(
        actor,
        document_id=DocumentId(document_id),
        content=upload.content(),
        filename=upload.filename,
        version=expected_version(if_match),
    )
    return versioned(document_view(revised), status=202)


@router.head(CONTENT, include_in_schema=False)
@router.get(
    CONTENT,
    response_class=Response,
    operation_id="downloadDocument",
    summary="The original bytes",
    description=about(document_contents.DownloadOriginal),
    responses={
        200: {"description": "All of it", "content": _BYTES},
        206: {"description": "The range asked for", "content": _BYTES},
        304: {"description": "Not changed since"},
        **problems(409, 416),
    },
)
async def download_document(
    *,
    request: Request,
    use_cases: UseCasesDep,
    actor: ActorDep,
    document_id: UUID,
    byte_range: Annotated[str | None, Header(alias="Range")] = None,
    if_range: Annotated[str | None, Header(alias="If-Range")] = None,
    if_none_match: Annotated[str | None, Header(alias="If-None-Match")] = None,
) -> Response:
    """The original bytes."""
    document = await use_cases.show_document(actor, document_id=DocumentId(document_id))
    headers = _content_headers(document)
    known = {tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")}
    if not known.isdisjoint({headers["ETag"], "*"}):
        return Response(status_code=304, headers={"ETag": headers["ETag"]})
    asked = byte_range if if_range is None or if_range.strip() == headers["ETag"] else None
    part = parse_range(asked, document.size)
    start, end = part or (0, document.size)
    headers["Content-Length"] = str(end - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{document.size}"
    if request.method == "HEAD":
        return Response(status_code=200 if part is None else 206, headers=headers)
    original = await use_cases.download_original(actor, document_id=document.id, start=start, end=end)
    if original.document.sha256 != document.sha256:
        raise Conflict("The document was replaced at this moment. Ask again.")
    content = await _opened(original.content)
    return StreamingResponse(content, status_code=200 if part is None else 206, headers=headers)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The half-open range that a `Range` header asks for (RFC 9110, section 14).

    None, the whole, without a header and for one that is malformed or names several ranges;
    `RangeNotSatisfiable` for one that begins after the end.
    """
    found = RANGE.fullmatch((header or "").replace(" ", ""))
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, end


def _content_headers(document: Document) -> dict[str, str]:
    return {
        "Content-Type": document.media_type,
        "Content-Disposition": content_disposition(document.filename),
        "Accept-Ranges": "bytes",
        "ETag": f'"{document.sha256}"',
        "Cache-Control": "private, no-cache",
    }


def content_disposition(filename: str) -> str:
    """`attachment` under that name: an ASCII one for the old, the true one for the others (RFC 6266, RFC 8187)."""
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def _opened(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same, with the first piece already read: a file that is missing is told before the answer begins."""
    first = await anext(content, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in content:
            yield piece

    return whole()
