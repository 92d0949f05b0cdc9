"""Time as the domain sees it: always aware, always given from outside."""

from datetime import datetime
from typing import Any


def aware(_instance: Any, attribute: Any, value: Any) -> None:
    """Attrs validator: refuse naive datetimes, which mean a different moment on every machine."""
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{attribute.name} must carry a time zone")
