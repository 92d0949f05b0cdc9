"""The process in which files are read: started as a module by `sandbox`, told what to do over its standard input.

It knows the readers and the limits, and nothing of the application. Frames are a length of eight bytes,
big-endian, and that many bytes. First comes the table of formats, pickled by the parent, which is trusted;
then one JSON request a file. Answers are JSON, since this process is the one that hostile files may take over.
"""

import contextlib
import ctypes
import gc
import os
import pickle
import resource
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from attrs import frozen

from adapters.parsing.failures import corrupt, failed, no_text
from adapters.parsing.formats import Format
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from application.errors import ParsingFailed
from domain.documents import FailureCode
from domain.passages import ParsedDocument

LENGTH: Final = 8  # bytes of a frame's length
_PR_SET_PDEATHSIG: Final = 1
_MAX_FILES: Final = 64  # open at once


@frozen(kw_only=True)
class Request:
    """Read this file."""

    path: str
    media_type: str
    limits: Limits


@frozen(kw_only=True)
class Answer:
    """One of `document` and `code` is given. `where` names the code that failed, never the file's content."""

    document: ParsedDocument | None = None
    code: FailureCode | None = None
    message: str = ""
    where: str = ""


def main() -> None:
    """Serve until the parent closes the pipe."""
    requests, answers = _pipes()
    _die_with_parent()
    memory = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MAX_FILES, _MAX_FILES))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent, which then closes the pipe
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    formats: Mapping[str, Format] = pickle.loads(_receive(requests) or b"")  # noqa: S301 from the parent only
    decoder = msgspec.json.Decoder(Request)
    gc.freeze()
    while (data := _receive(requests)) is not None:
        answer = handle(decoder.decode(data), formats)
        _send(answers, _encoded(answer))
        if answer.code is FailureCode.PARSE_MEMORY:
            return  # what is left of the heap is not worth keeping


def handle(request: Request, formats: Mapping[str, Format]) -> Answer:
    """Read one file within its limits; never raises."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + request.limits.cpu_seconds, hard))
    try:
        return Answer(document=_read(request, formats))
    except ParsingFailed as error:
        return Answer(code=error.failure.code, message=error.failure.message)
    except MemoryError as error:
        return Answer(
            code=FailureCode.PARSE_MEMORY,
            message="Reading the file needs more memory than is allowed.",
            where=_where(error),
        )
    except RecursionError as error:
        return Answer(
            code=FailureCode.PARSE_FAILED, message="The file is nested too deeply to be read.", where=_where(error)
        )
    except Exception as error:  # noqa: BLE001 whatever a reader does is this file's failure
        return Answer(
            code=FailureCode.PARSE_FAILED, message="The file could not be read; it may be damaged.", where=_where(error)
        )


def _read(request: Request, formats: Mapping[str, Format]) -> ParsedDocument:
    format_ = formats.get(request.media_type)
    if format_ is None:
        raise failed(FailureCode.UNSUPPORTED_MEDIA_TYPE, f"Files of the type {request.media_type} are not read.")
    path = Path(request.path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise corrupt("a file: its bytes are missing") from error
    if size == 0:
        raise no_text("The file is empty.")
    document = format_.load()(Source(path=path), request.limits)
    if not document.text or document.text.isspace():
        raise no_text()
    return document


def _encoded(answer: Answer) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except (MemoryError, ValueError) as error:
        return msgspec.json.encode(
            Answer(
                code=FailureCode.PARSE_FAILED, message="The file's text could not be passed on.", where=_where(error)
            )
        )


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}" if last else type(error).__name__


def _pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes of the protocol, moved away from where a library's `print` could reach them."""
    requests, answers = os.dup(0), os.dup(1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _die_with_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(sys.argv[2]):
            os._exit(1)  # it was gone before the line above


def _receive(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH)
    return stream.read(int.from_bytes(head)) if len(head) == LENGTH else None


def _send(stream: BinaryIO, data: bytes) -> None:
    stream.write(len(data).to_bytes(LENGTH))
    stream.write(data)
    stream.flush()


if __name__ == "__main__":
    main()
