"""A generation of the index: all documents read, cut and embedded by one recipe.

::

    building ──▶ live ──▶ retired ──▶ removed
        └─ another recipe is wanted ▲

Exactly one is live, and searches ask that one alone. Another recipe begins a generation beside it; when every
document stands in it too, the two change places in one transaction.
"""

from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, frozen

from domain.errors import Conflict
from domain.times import aware


@frozen(kw_only=True)
class Recipe:
    """What decides which passages and vectors a document has."""

    model: str  # what the embedding server is asked for: a name or a folder
    name: str  # what its vectors are told apart by
    dimensions: int
    cutting: int = 1  # version of the rules by which texts are read and cut
    words: int = 1  # version of the rules by which words are matched

    def gives_the_same(self, other: "Recipe") -> bool:
        """Whether vectors of both may stand in one index. Where a model lies does not matter."""
        return evolve(self, model="") == evolve(other, model="")

    def cuts_the_same(self, other: "Recipe") -> bool:
        """Whether passages of one are passages of the other too: they are measured in the model's own tokens."""
        return (self.name, self.cutting) == (other.name, other.cutting)

    def collection(self, number: int) -> str:
        """What the vectors' collection is called in generation `number`."""
        readable = "".join(c if c.isalnum() else "-" for c in self.name.lower())[:100]
        return f"readingroom-{readable}" if number == 1 else f"readingroom-{readable}-g{number}"


class GenerationState(StrEnum):
    """Where a generation stands."""

    BUILDING = "building"
    LIVE = "live"
    RETIRED = "retired"  # nobody asks it any more
    REMOVED = "removed"  # the record alone is left, so that its number is not given again


@frozen(kw_only=True)
class Generation:
    """One of the indexes that there are."""

    number: int  # from 1, never used again
    recipe: Recipe
    collection: str  # of its vectors
    state: GenerationState
    problem: str | None = None  # why building does not go on
    created_at: datetime = field(validator=aware)
    live_at: datetime | None = None
    retired_at: datetime | None = None

    @classmethod
    def first(cls, recipe: Recipe, now: datetime) -> "Generation":
        """The one that an installation begins with."""
        return evolve(cls.begun(1, recipe, now), state=GenerationState.LIVE, live_at=now)

    @classmethod
    def begun(cls, number: int, recipe: Recipe, now: datetime) -> "Generation":
        """One that is being built."""
        return cls(
            number=number,
            recipe=recipe,
            collection=recipe.collection(number),
            state=GenerationState.BUILDING,
            created_at=now,
        )

    def found_at(self, model: str) -> "Generation":
        """The same model under another name or in another folder."""
        return evolve(self, recipe=evolve(self.recipe, model=model))

    def hindered(self, problem: str | None) -> "Generation":
        """Why it does not go on; None when it does."""
        return evolve(self, problem=problem)

    def went_live(self, now: datetime) -> "Generation":
        """Searches ask it from now on."""
        if self.state is not GenerationState.BUILDING:
            raise Conflict("Only a generation that is being built goes live.", code="generation_not_building")
        return evolve(self, state=GenerationState.LIVE, live_at=now, problem=None)

    def retired(self, now: datetime) -> "Generation":
        """Nobody asks it any more."""
        return evolve(self, state=GenerationState.RETIRED, retired_at=now, problem=None)

    def removed(self) -> "Generation":
        """Neither vectors nor passages of it are left."""
        return evolve(self, state=GenerationState.REMOVED)
