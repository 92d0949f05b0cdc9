"""The models that one embedding server serves: the one it was told to, and others that it is asked for by name.

While an index is built anew for another model, questions to the present one still need the model of its vectors.
"""

import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from attrs import define, field

from adapters.embedding.folder import ModelFolder
from adapters.embedding.queue import ModelQueue

log = structlog.get_logger(__name__)

IDLE: Final = 600.0  # seconds after which one that nobody asks for any more is let go


@define(eq=False)
class ServedModel:
    """A model and the queue before it. It may be asked for by its name, or as it was `called` when it was found."""

    name: str
    called: str | None
    dimensions: int
    queue: ModelQueue
    asked_at: float = field(factory=time.monotonic)

    def answers_to(self, asked: object) -> bool:
        """Whether it is meant; nobody names the one that is told from the start."""
        return isinstance(asked, str) and asked in {self.name, self.called}


@define
class ModelShelf:
    """`first` stays; others are found and loaded when they are asked for, and let go when nobody asks any more.

    `find` raises `EmbedderUnavailable` for what is no model on this disk; `load` gives the queue, not started.
    """

    first: ServedModel
    find: Callable[[str], ModelFolder] | None = None
    load: Callable[[str], ModelQueue] | None = None
    others: list[ServedModel] = field(factory=list)

    def __iter__(self) -> Iterator[ServedModel]:
        return iter([self.first, *self.others])

    def get(self, asked: object) -> ServedModel | None:
        """The model of that name, taken down from the disk if need be; None: the first."""
        served = self.first if asked is None else next((each for each in self if each.answers_to(asked)), None)
        if served is None and isinstance(asked, str) and self.find is not None and self.load is not None:
            folder = self.find(asked)
            queue = self.load(asked)
            served = ServedModel(name=folder.name, called=asked, dimensions=folder.dimensions, queue=queue)
            queue.start()
            self.others.append(served)
            log.info("another_model_asked_for", model=served.name)
        if served is not None:
            served.asked_at = time.monotonic()
        return served

    def tidy(self, idle: float = IDLE) -> None:
        """Let go of what nobody asked for in `idle` seconds while others were asked for."""
        newest = max(each.asked_at for each in self)
        for each in [each for each in self.others if newest - each.asked_at > idle]:
            each.queue.stop()
            self.others.remove(each)
            log.info("model_let_go", model=each.name)

    def stop(self) -> None:
        """End them all."""
        for each in self:
            each.queue.stop()
