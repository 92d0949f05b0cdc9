"""Scores from a server with the rerank API that Jina, Infinity and vLLM speak, and our embedding process too."""

import math
from collections.abc import Sequence
from typing import Final

import httpx

from application.errors import RerankerUnavailable
from application.ports.reranking import Reranker

_TIMEOUT: Final = 5.0  # seconds that a search waits for a better order
_CONNECT: Final = 1.0


class HttpReranker(Reranker):
    """Calls ``POST {url}/rerank``; `url` ends in ``/v1`` (added when it has no path). Close with `aclose()`."""

    def __init__(self, url: str, *, model: str, api_key: str | None = None, timeout: float = _TIMEOUT) -> None:
        parsed = httpx.URL(url)
        self._http = httpx.AsyncClient(
            base_url=parsed.copy_with(path="/v1/") if parsed.path in {"", "/"} else parsed,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            timeout=httpx.Timeout(timeout, connect=min(_CONNECT, timeout)),
            trust_env=False,
        )
        self._model = model

    async def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """See the port."""
        if not passages:
            return []
        body = {"model": self._model, "query": question, "documents": list(passages), "return_documents": False}
        try:
            response = await self._http.post("rerank", json=body)
        except httpx.HTTPError as error:
            raise RerankerUnavailable(f"The reranker cannot be reached: {type(error).__name__}.") from error
        if not response.is_success:
            raise RerankerUnavailable(f"The reranker answered {response.status_code}.")
        return _scores(response, len(passages))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def _scores(response: httpx.Response, expected: int) -> list[float]:
    """In the order of the passages: servers give the best first."""
    try:
        found = {int(each["index"]): float(each["relevance_score"]) for each in response.json()["results"]}
        scores = [found[index] for index in range(expected)]
    except (ValueError, KeyError, TypeError) as error:
        raise RerankerUnavailable("The reranker's answer cannot be read.") from error
    if not all(map(math.isfinite, scores)):
        raise RerankerUnavailable("The reranker gave scores that are no numbers.")
    return scores
