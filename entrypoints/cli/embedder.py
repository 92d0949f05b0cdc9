"""`readingroom embedder`: the embedding model as a server of its own, for API processes and workers elsewhere."""

import os

from adapters.embedding import server
from entrypoints.cli.output import WRONG_USE, complain
from entrypoints.settings import Settings


def serve_embeddings(settings: Settings, *, host: str, port: int) -> int:
    """Serve the OpenAI embeddings API until stopped; 0 after a clean stop, 2 when it cannot start."""
    if settings.embedding_api_key is None:
        complain("READINGROOM_EMBEDDING_API_KEY: required here; it is the key that clients must send")
        return WRONG_USE
    os.environ[server.KEY_VARIABLE] = settings.embedding_api_key.get_secret_value()
    arguments = ["--host", host, "--port", str(port), "--dtype", settings.embedding_dtype, "--any"]
    if settings.embedding_model is not None:
        arguments += ["--model", settings.embedding_model]
    if settings.reranker_model is not None:
        arguments += ["--reranker", settings.reranker_model]
    return server.main(arguments)
