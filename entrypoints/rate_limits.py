"""The limits of rate by name, as they are and as an installation writes its own."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator
from pydantic_settings import NoDecode

from application.ports.limits import Rate

RateTable = Mapping[str, Rate]

MINUTE: Final = timedelta(minutes=1)
DEFAULTS: Final[RateTable] = {
    # by address
    "open": Rate(120, MINUTE),  # registration and refresh
    "login": Rate(120, MINUTE),
    "login-failures": Rate(10, timedelta(minutes=15)),  # by account and address
    "refused": Rate(300, MINUTE),  # requests whose token is not valid
    # by person or key
    "read": Rate(3000, MINUTE),
    "write": Rate(1200, MINUTE),
    "upload": Rate(1200, MINUTE),
    "search": Rate(600, MINUTE),
    "chat": Rate(60, MINUTE),
    # by workspace
    "chat-workspace": Rate(300, MINUTE),
}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ENTRY: Final = re.compile(r"\s*([a-z-]+)\s*=\s*([1-9]\d{0,8})\s*/\s*([1-9]\d{0,5})\s*([smhd])\s*")


def parse_rates(value: Any) -> Any:
    """`on` is the table above, `off` an empty one; `chat=20/1m, read=600/1m` the one above with these changed."""
    if isinstance(value, Mapping):
        if all(isinstance(rate, Rate) for rate in value.values()):
            return value
        value = ",".join(f"{name}={rate}" for name, rate in value.items())
    if value in {"on", "", None}:
        return DEFAULTS
    if value == "off":
        return {}
    changed: dict[str, Rate] = {}
    for entry in str(value).split(","):
        found = _ENTRY.fullmatch(entry)
        if found is None or found[1] not in DEFAULTS:
            raise ValueError(f"accepted: on, off, or pairs such as chat=20/1m, of {', '.join(DEFAULTS)}")
        changed[found[1]] = Rate(int(found[2]), timedelta(seconds=int(found[3]) * _SECONDS[found[4]]))
    return {**DEFAULTS, **changed}


def show_rates(table: RateTable) -> str:
    """As it is written in the environment."""
    if not table:
        return "off"
    changed = {name: rate for name, rate in table.items() if rate != DEFAULTS[name]}
    return ", ".join(f"{n}={r.quota}/{int(r.window.total_seconds())}s" for n, r in changed.items()) or "on"


RateLimits = Annotated[RateTable, NoDecode, PlainValidator(parse_rates), PlainSerializer(show_rates, return_type=str)]
