"""The folder of the embedded Qdrant engine: one Edge shard a collection, and aliases.

::

    DIR/lock                        held while the folder is open; a second server is refused
    DIR/aliases.json                alias → collection, replaced as a whole
    DIR/collections/NAME/shard/     Edge's own files
    DIR/collections/NAME/collection.json   the request that made it; written last, removed first

A folder without ``collection.json`` was being created or deleted when the process died, and is removed.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import qdrant_edge as edge
from attrs import define, field
from qdrant_client.http import models

from adapters.embedded.qdrant_collections import edge_config
from adapters.embedded.qdrant_translate import Unsupported

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


class FolderUnusable(Exception):
    """The folder cannot be opened; the message is one line for the operator."""


class EngineFailed(Exception):
    """Edge refused or failed an operation that was well formed."""


class NoCollection(Exception):
    """There is no collection or alias of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Not found: Collection `{name}` doesn't exist!")


@contextmanager
def engine_errors() -> Iterator[None]:
    """Edge's errors, and panics of its Rust code, as `EngineFailed`."""
    try:
        yield
    except (Unsupported, NoCollection, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic is a BaseException
        text = str(error).splitlines()
        raise EngineFailed(text[0] if text else type(error).__name__) from error


def _optimizers() -> edge.EdgeOptimizersConfig:
    """Reclaim the space of deleted points; build no graph: `optimize()` holds the interpreter while it runs.

    Segments without a graph are scanned exactly, which takes some 20 ms in 100,000 points.
    """
    return edge.EdgeOptimizersConfig(
        deleted_threshold=0.2, vacuum_min_vector_number=1000, default_segment_number=1, indexing_threshold=10**9
    )


@define
class Collection:
    """An open shard with the request that made it. Used by one thread."""

    name: str
    made_by: models.CreateCollection
    shard: edge.EdgeShard
    unflushed: bool = False  # updates stand in the log only; they survive the death of the process

    def update(self, operation: edge.UpdateOperation) -> None:
        """Apply and log it. On return it survives the process; `flush` lets it survive the machine."""
        with engine_errors():
            self.shard.update(operation)
        self.unflushed = True

    def flush(self) -> None:
        """Write segments to disk, so that the log can be cut; without changes: nothing."""
        if self.unflushed:
            with engine_errors():
                self.shard.flush()
            self.unflushed = False

    def compact(self) -> None:
        """Reclaim deleted points where they are many. Nothing else runs meanwhile: for start-up only.

        A graph for very large collections would be built here too: in a child process, on a copy of the folder.
        """
        with engine_errors():
            self.shard.optimize()

    def close(self) -> None:
        """Flush and let go of the files."""
        with engine_errors():
            self.flush()
            self.shard.close()


@define
class Shards:
    """All collections of a folder, and what else they are called. Used by one thread."""

    folder: Path
    _lock: IO[str]
    _collections: dict[str, Collection] = field(factory=dict)
    _aliases: dict[str, str] = field(factory=dict)

    @classmethod
    def open(cls, folder: Path) -> "Shards":
        """Take the folder, making it where it is missing, and open all that is in it.

        Raises FolderUnusable when another server has it, it cannot be written, or a collection is damaged.
        """
        try:
            (folder / "collections").mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("a")
        except OSError as error:
            raise FolderUnusable(f"{folder}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise FolderUnusable(f"{folder}: another server has this folder open") from error
        shards = cls(folder, lock)
        try:
            shards._load()
        except BaseException:
            shards.close()
            raise
        return shards

    def _load(self) -> None:
        for path in sorted((self.folder / "collections").iterdir()):
            if not (path / "collection.json").exists():
                shutil.rmtree(path)
                continue
            try:
                made_by = models.CreateCollection.model_validate_json((path / "collection.json").read_bytes())
                with engine_errors():
                    shard = edge.EdgeShard.load(str(path / "shard"))
                self._collections[path.name] = Collection(path.name, made_by, shard)
                self._collections[path.name].compact()
            except (EngineFailed, ValueError, OSError) as error:
                reason = " ".join(str(error).split())
                raise FolderUnusable(
                    f"{path}: the collection is damaged or unreadable ({reason}); "
                    "restore it from a backup, or remove it and index the documents again"
                ) from error
        try:
            self._aliases = json.loads((self.folder / "aliases.json").read_bytes())
        except FileNotFoundError:
            self._aliases = {}
        except ValueError as error:
            raise FolderUnusable(f"{self.folder / 'aliases.json'}: the file is damaged") from error

    def close(self) -> None:
        """Close every collection and let go of the folder."""
        try:
            for collection in self._collections.values():
                collection.close()
        finally:
            self._collections.clear()
            self._lock.close()

    def flush(self) -> None:
        """Flush what has changed."""
        for collection in self._collections.values():
            collection.flush()

    @property
    def names(self) -> list[str]:
        """Of all collections, sorted."""
        return sorted(self._collections)

    @property
    def aliases(self) -> dict[str, str]:
        """Alias → collection."""
        return dict(self._aliases)

    def exists(self, name: str) -> bool:
        """Whether a collection or alias has this name."""
        return name in self._collections or name in self._aliases

    def get(self, name: str) -> Collection:
        """By name or alias. Raises NoCollection."""
        try:
            return self._collections[self._aliases.get(name, name)]
        except KeyError:
            raise NoCollection(name) from None

    def create(self, name: str, body: models.CreateCollection) -> None:
        """Make a collection. Raises Unsupported for a bad or taken name and for what Edge cannot do."""
        if not _NAME.fullmatch(name):
            raise Unsupported(f"collection name {name!r} may hold letters, digits, `_`, `-` and `.` only")
        if self.exists(name):
            raise Unsupported(f"Wrong input: Collection `{name}` already exists!")
        config = edge_config(body, _optimizers())
        path = self.folder / "collections" / name
        (path / "shard").mkdir(parents=True)
        try:
            with engine_errors():
                shard = edge.EdgeShard.create(str(path / "shard"), config)
        except EngineFailed:
            shutil.rmtree(path)
            raise
        _write(path / "collection.json", body.model_dump_json(exclude_unset=True))
        self._collections[name] = Collection(name, body, shard)

    def delete(self, name: str) -> bool:
        """Remove a collection, by name or alias, with its aliases. Whether there was one."""
        name = self._aliases.get(name, name)
        collection = self._collections.pop(name, None)
        if collection is None:
            return False
        path = self.folder / "collections" / name
        (path / "collection.json").unlink()
        with engine_errors():
            collection.shard.close()
        shutil.rmtree(path)
        self._set_aliases({alias: target for alias, target in self._aliases.items() if target != name})
        return True

    def change_aliases(self, actions: list[Any]) -> None:
        """All of the actions or, when one is impossible, none."""
        aliases = dict(self._aliases)
        for action in actions:
            match action:
                case models.CreateAliasOperation(create_alias=made):
                    if made.collection_name not in self._collections:
                        raise NoCollection(made.collection_name)
                    if made.alias_name in self._collections:
                        raise Unsupported(f"Wrong input: Collection `{made.alias_name}` already exists!")
                    aliases[made.alias_name] = made.collection_name
                case models.DeleteAliasOperation(delete_alias=gone):
                    aliases.pop(gone.alias_name, None)
                case models.RenameAliasOperation(rename_alias=renamed):
                    if renamed.old_alias_name not in aliases:
                        raise NoCollection(renamed.old_alias_name)
                    if renamed.new_alias_name in self._collections:
                        raise Unsupported(f"Wrong input: Collection `{renamed.new_alias_name}` already exists!")
                    aliases[renamed.new_alias_name] = aliases.pop(renamed.old_alias_name)
        self._set_aliases(aliases)

    def _set_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self._aliases:
            _write(self.folder / "aliases.json", json.dumps(aliases, sort_keys=True))
            self._aliases = aliases


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
