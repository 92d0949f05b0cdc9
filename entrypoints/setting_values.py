"""Kinds of values in settings: how each is written, and what is said of one that is not accepted."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, PlainSerializer, SecretStr
from pydantic_settings import NoDecode

MIB: Final = 1024 * 1024

_DURATION_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE_UNITS: Final = {"": 1, "b": 1, "kib": 1024, "kb": 1000, "mib": MIB, "mb": 10**6, "gib": 1024 * MIB, "gb": 10**9}


def parse_duration(value: Any) -> Any:
    """`15m`, `30d`, `90s`, `12h`, or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"\s*(\d+)\s*([smhd]?)\s*", str(value))
    if not found or int(found[1]) == 0:
        raise ValueError("accepted: a whole number followed by s, m, h or d, for example 15m")
    return timedelta(seconds=int(found[1]) * _DURATION_UNITS[found[2] or "s"])


def show_duration(value: timedelta) -> str:
    """The shortest way to write it."""
    seconds = int(value.total_seconds())
    for unit in ("d", "h", "m"):
        if seconds % _DURATION_UNITS[unit] == 0:
            return f"{seconds // _DURATION_UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_size(value: Any) -> Any:
    """A number of bytes, or `100MiB`."""
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", str(value).lower())
    if not found or found[2] not in _SIZE_UNITS or int(found[1]) == 0:
        raise ValueError("accepted: a number of bytes, or one with a unit, for example 100MiB")
    return int(found[1]) * _SIZE_UNITS[found[2]]


def parse_list(value: Any) -> Any:
    """Comma-separated words."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def one_of_schemes(*schemes: str) -> BeforeValidator:
    """A URL with one of these schemes; an empty value counts as unset."""

    def check(value: Any) -> Any:
        if value in {None, ""}:
            return None
        if not isinstance(value, str) or not any(value.startswith(scheme) for scheme in schemes):
            raise ValueError("accepted: a URL that starts with " + " or ".join(schemes))
        return value

    return BeforeValidator(check)


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(show_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_list)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(lambda value: value or None)]
