"""Python's collector of cycles in processes that serve."""

import gc
from typing import Final

_YOUNG: Final = 20_000  # objects; requests under way together have a few thousand each, which go by themselves


def settle() -> None:
    """What was loaded stays: to go through it again and again would halt every answer. What is new is rarely looked at.

    Call it after loading.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
