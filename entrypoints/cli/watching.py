"""`readingroom ingest --watch`: new and changed files are taken in as they come."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

EVERY: Final = 2.0  # seconds between two looks; also how long a file must have been left alone

Stamp = tuple[int, int]  # time of the last change in ns, size in bytes


def stamps(paths: Iterable[Path]) -> dict[Path, Stamp]:
    """What tells that a file changed; those that went meanwhile are left out."""
    found: dict[Path, Stamp] = {}
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            continue
        found[path] = (state.st_mtime_ns, state.st_size)
    return found


async def watch(
    look: Callable[[], Mapping[Path, Stamp]],
    take: Callable[[Sequence[Path]], Awaitable[None]],
    *,
    known: Mapping[Path, Stamp],
    every: float = EVERY,
) -> None:
    """Take files whose stamp is not the `known` one, until cancelled.

    A file is taken once two looks agree about it, so that one still being written waits. Files that go away are
    forgotten here and stay where they were put.
    """
    taken, before = dict(known), dict(known)
    while True:
        await asyncio.sleep(every)
        now = await asyncio.to_thread(look)
        changed = sorted(path for path, stamp in now.items() if stamp != taken.get(path) and stamp == before.get(path))
        if changed:
            await take(changed)
        taken = {
            path: now[path] if path in changed else taken[path] for path in now if path in taken or path in changed
        }
        before = dict(now)
