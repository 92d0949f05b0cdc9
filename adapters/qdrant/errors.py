"""Qdrant's failures in the application's words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from application.errors import VectorsUnavailable

_REFUSED_KEY = {401, 403}


@asynccontextmanager
async def vectors_errors(doing: str, *, within: float) -> AsyncIterator[None]:
    """Give up after `within` seconds; every failure is a VectorsUnavailable that says what was being done."""
    try:
        async with asyncio.timeout(within):
            yield
    except TimeoutError as error:
        raise VectorsUnavailable(f"{doing}: Qdrant did not answer within {within:g} s") from error
    except UnexpectedResponse as error:
        if error.status_code in _REFUSED_KEY:
            raise VectorsUnavailable(f"{doing}: Qdrant refuses the API key") from error
        raise VectorsUnavailable(f"{doing}: Qdrant answered {error.status_code}: {_reason(error)}") from error
    except ResponseHandlingException as error:
        raise VectorsUnavailable(f"{doing}: Qdrant cannot be reached ({type(error.source).__name__})") from error
    except (ApiException, QdrantException, httpx.HTTPError, OSError) as error:
        raise VectorsUnavailable(f"{doing}: Qdrant cannot be used ({type(error).__name__})") from error


def _reason(error: UnexpectedResponse) -> str:
    try:
        return str(error.structured()["status"]["error"])[:300]
    except (ValueError, KeyError, TypeError):
        return error.reason_phrase
