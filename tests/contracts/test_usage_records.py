"""What every store of usage promises."""

from datetime import date

from domain.conversations import Usage
from tests.contracts.units import Units, found_team, make_user

MAY, JUNE = date(2026, 5, 31), date(2026, 6, 1)
USED = Usage(input_tokens=1, output_tokens=20, cache_read_input_tokens=300, cache_creation_input_tokens=4000)


async def test_answers_are_summed_by_day_person_and_model(units: Units) -> None:
    """Each adds to its entry; workspaces do not mix."""
    team, other = await found_team(units), await found_team(units)
    guest = make_user()
    for workspace, user, model, day in (
        (team.id, team.owner.id, "large", MAY),
        (team.id, team.owner.id, "large", MAY),
        (team.id, guest.id, "large", JUNE),
        (team.id, team.owner.id, "small", JUNE),
        (other.id, team.owner.id, "large", JUNE),
    ):
        async with units.begin(workspace) as work:
            await work.usage.add(workspace, user, model, day, USED)
            await work.commit()

    async with units.begin(team.id) as work:
        entries = await work.usage.between(team.id, MAY, JUNE)
        june = await work.usage.since(team.id, team.owner.id, JUNE)
        nothing = await work.usage.since(team.id, team.owner.id, date(2026, 7, 1))
        only_may = await work.usage.between(team.id, date(2026, 5, 1), MAY)

    assert [(one.day, one.model, one.user_id, one.answers) for one in entries] == [
        (MAY, "large", team.owner.id, 2),
        (JUNE, "large", guest.id, 1),
        (JUNE, "small", team.owner.id, 1),
    ]
    assert entries[0].usage == USED + USED
    assert (june.by_workspace, june.by_user) == (8642, 4321)
    assert (nothing.by_workspace, nothing.by_user) == (0, 0)
    assert only_may == entries[:1]
