"""The indexes of an installation by their records: which model embeds, and which collection holds the vectors."""

from contextlib import AsyncExitStack
from pathlib import Path

from attrs import define, evolve, field

from adapters.embedding.cached import CachedEmbedder
from adapters.embedding.client import HttpEmbedder
from adapters.embedding.folder import DEFAULT_MODEL, find_model
from adapters.embedding.tokens import from_model
from adapters.qdrant.index import QdrantIndex, QdrantSettings
from adapters.qdrant.points import RULES as WORD_RULES
from application.ports.cache import Cache
from application.ports.generations import Index
from domain.chunking import RULES as CUTTING_RULES
from domain.generations import Generation, Recipe
from entrypoints.settings import Settings


@define
class OpenIndexes:
    """Keeps the promises of `application.ports.generations.Indexes`, on one embedding server and one Qdrant.

    The embedding server is told the model of the generation by its name, so it serves the old and the new one.
    """

    settings: Settings
    cache: Cache
    closing: AsyncExitStack[bool | None]
    _opened: dict[tuple[int, str], Index] = field(factory=dict, init=False)

    def open(self, generation: Generation) -> Index:
        """See the port."""
        key = (generation.number, generation.recipe.model)
        if key not in self._opened:
            self._opened[key] = self._index(generation)
        return evolve(self._opened[key], generation=generation)

    async def drop(self, generation: Generation) -> None:
        """See the port."""
        vectors = self._vectors(generation)
        try:
            await vectors.drop()
        finally:
            await vectors.close()

    def _index(self, generation: Generation) -> Index:
        recipe, settings = generation.recipe, self.settings
        client = HttpEmbedder(
            _required(settings.embedding_url, "embedding_url"),
            api_key=settings.embedding_api_key.get_secret_value() if settings.embedding_api_key else None,
            model=recipe.model,
            name=recipe.name,
            dimensions=recipe.dimensions,
        )
        self.closing.push_async_callback(client.aclose)
        vectors = self._vectors(generation)
        self.closing.push_async_callback(vectors.close)
        embedder = CachedEmbedder(client, self.cache)
        return Index(
            generation=generation,
            embedder=embedder,
            embeddings=embedder,
            vectors=vectors,
            tokens=from_model(recipe.model),
        )

    def _vectors(self, generation: Generation) -> QdrantIndex:
        settings = self.settings
        return QdrantIndex.connect(
            _required(settings.qdrant_url, "qdrant_url"),
            settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
            collection=generation.collection,
            dimensions=generation.recipe.dimensions,
            settings=QdrantSettings(
                shard_number=settings.qdrant_shards,
                replication_factor=settings.qdrant_replicas,
                on_disk=settings.qdrant_on_disk,
                quantization=settings.qdrant_quantization,
            ),
        )


async def wanted_recipe(settings: Settings) -> Recipe:
    """What the settings ask for; a foreign server is asked for what no setting says.

    Raises `EmbedderUnavailable` when the model is not there.
    """
    asked_for = settings.embedding_model or DEFAULT_MODEL
    name, dimensions = asked_for, settings.embedding_dimensions
    if _is_folder(asked_for):
        folder = find_model(asked_for)  # whose name carries a fingerprint of what lies in it
        name, dimensions = folder.name, folder.dimensions
    if dimensions is None:
        dimensions = await _discovered(settings, asked_for)
    return Recipe(model=asked_for, name=name, dimensions=dimensions, cutting=CUTTING_RULES, words=WORD_RULES)


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


async def _discovered(settings: Settings, model: str) -> int:
    key = settings.embedding_api_key
    client = HttpEmbedder(
        _required(settings.embedding_url, "embedding_url"),
        model=model,
        api_key=key.get_secret_value() if key else None,
    )
    try:
        return await client.discover()
    finally:
        await client.aclose()


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise LookupError(f"the setting {name} was not filled in before the container was made")
    return value
