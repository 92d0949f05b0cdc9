"""Readers that misbehave, as a hostile file would make a real one do. They run in children only."""

import ctypes
import os
import signal
import time
from pathlib import Path

from adapters.parsing.formats import Format, Reader
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import Block, BlockKind, ParsedDocument


def _crash(source: Source, limits: Limits) -> ParsedDocument:
    ctypes.string_at(0)
    raise AssertionError


def _exit(source: Source, limits: Limits) -> ParsedDocument:
    os._exit(7)


def _hang(source: Source, limits: Limits) -> ParsedDocument:
    while True:
        time.sleep(0.05)


def _spin(source: Source, limits: Limits) -> ParsedDocument:
    while True:
        pass


def _eat(source: Source, limits: Limits) -> ParsedDocument:
    hoard = []
    while True:
        hoard.append(bytearray(16 * 1024 * 1024))


def _recurse(source: Source, limits: Limits) -> ParsedDocument:
    return _recurse(source, limits)


def _chatter(source: Source, limits: Limits) -> ParsedDocument:
    print("noise on the standard output", flush=True)  # noqa: T201
    return ParsedDocument(text="said", blocks=())


def _flood(source: Source, limits: Limits) -> ParsedDocument:
    return ParsedDocument(text="x" * (limits.max_output_bytes + 1), blocks=())


def _lie(source: Source, limits: Limits) -> ParsedDocument:
    return ParsedDocument(text="short", blocks=(Block(kind=BlockKind.PARAGRAPH, char_from=0, char_to=99),))


def _environment(source: Source, limits: Limits) -> ParsedDocument:
    return ParsedDocument(text=repr(sorted(os.environ)), blocks=())


def _pid(source: Source, limits: Limits) -> ParsedDocument:
    return ParsedDocument(text=str(os.getpid()), blocks=())


def _write(source: Source, limits: Limits) -> ParsedDocument:
    (source.path or Path("file")).with_name("written").write_bytes(b"x" * 10)
    return ParsedDocument(text="wrote", blocks=())


def _is_killed(source: Source, limits: Limits) -> ParsedDocument:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def _is_killed_once(source: Source, limits: Limits) -> ParsedDocument:
    try:
        (source.path or Path("file")).with_name("killed").mkdir()
    except FileExistsError:
        return ParsedDocument(text="read", blocks=())
    return _is_killed(source, limits)


def _give_up(source: Source, limits: Limits) -> ParsedDocument:
    os.abort()


def is_killed() -> Reader:
    return _is_killed


def is_killed_once() -> Reader:
    return _is_killed_once


def give_up() -> Reader:
    return _give_up


def crash() -> Reader:
    return _crash


def leave() -> Reader:
    return _exit


def hang() -> Reader:
    return _hang


def spin() -> Reader:
    return _spin


def eat() -> Reader:
    return _eat


def recurse() -> Reader:
    return _recurse


def chatter() -> Reader:
    return _chatter


def flood() -> Reader:
    return _flood


def lie() -> Reader:
    return _lie


def environment() -> Reader:
    return _environment


def pid() -> Reader:
    return _pid


def write() -> Reader:
    return _write


MISBEHAVING = {
    f"test/{load.__name__}": Format(f"test/{load.__name__}", (), load)
    for load in (
        *(crash, is_killed, is_killed_once, give_up, leave, hang, spin, eat, recurse, chatter, flood, lie),
        *(environment, pid, write),
    )
}
