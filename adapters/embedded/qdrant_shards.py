"""The folder of the embedded Qdrant engine: one Edge shard a collection, and aliases.

::

    DIR/lock                held while the folder is open; a second server is refused
    DIR/aliases.json        alias → collection, replaced as a whole
    DIR/collections/NAME/   see `qdrant_collection`

A folder without ``collection.json`` was being created or deleted when the process died, and is removed.
"""

import asyncio
import fcntl
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from attrs import define, field
from qdrant_client.http import models

from adapters.embedded.qdrant_collection import Collection, EngineFailed, NoCollection, engine_errors, replace_file
from adapters.embedded.qdrant_translate import Unsupported

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


class FolderUnusable(Exception):
    """The folder cannot be opened; the message is one line for the operator."""


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
                self._collections[path.name] = Collection.load(path)
            except (EngineFailed, ValueError, TypeError, OSError) as error:
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
    def collections(self) -> Iterable[Collection]:
        """All, as they are at this moment."""
        return tuple(self._collections.values())

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
        self._collections[name] = Collection.create(self.folder / "collections" / name, body)

    async def delete(self, name: str) -> bool:
        """Remove a collection, by name or alias, with its aliases. Whether there was one."""
        name = self._aliases.get(name, name)
        collection = self._collections.pop(name, None)
        if collection is None:
            return False
        if collection.rebuilding is not None:
            collection.rebuilding.cancel()
            await asyncio.wait({collection.rebuilding})
        (collection.folder / "collection.json").unlink()
        with engine_errors():
            collection.shard.close()
        shutil.rmtree(collection.folder)
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
            replace_file(self.folder / "aliases.json", json.dumps(aliases, sort_keys=True))
            self._aliases = aliases
