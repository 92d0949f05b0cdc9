"""What a person may not read never shows, whatever changes and whatever they ask. `benchmarks.leaks` asks longer."""

import random

from tests.fakes.assembly import Assembly
from tests.http.conftest import Member, join
from tests.http.restricted import Person, Town
from tests.http.test_members import bring_in, id_of

STEPS = 25


async def test_nothing_restricted_shows(ada: Member, assembly: Assembly) -> None:
    """Lists, searches, documents, counts, answers with their citations, rooms, usage and the log."""
    people = [Person("ada", await id_of(ada), is_admin=True, call=ada.call)]
    for name, role in (("eve", "editor"), ("joe", "viewer")):
        member = await bring_in(ada, await join(ada.http, f"{name}@example.org"), role)
        people.append(Person(name, await id_of(member), is_admin=False, call=member.call))
    town = Town(people, random.Random(1), assembly.worker().drain)  # noqa: S311 a repeatable one
    await town.begin()
    for _ in range(STEPS):
        await town.step()

    assert town.leaks == []
    assert town.probes > STEPS * 5
