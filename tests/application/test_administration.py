"""What an administrator's commands do, and that it holds on every process."""

from pathlib import Path

import pytest

from application.use_cases import UseCases
from domain.access import Role
from domain.errors import (
    Conflict,
    DomainError,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    Unauthenticated,
    WeakPassword,
)
from tests.application.conftest import PASSWORD
from tests.fakes.access import FakeAccessChanges
from tests.fakes.assembly import Assembly

EMAIL = "ann@example.org"


@pytest.fixture
def elsewhere(assembly: Assembly, tmp_path: Path) -> UseCases:
    """Another process on the same database."""
    changes = FakeAccessChanges(assembly.changes.bus)
    return Assembly(root=tmp_path / "other", begin=assembly.begin, changes=changes).use_cases


@pytest.fixture
async def workspace(assembly: Assembly) -> str:
    made = await assembly.use_cases.create_user(email=EMAIL, password=PASSWORD, name="Ann", workspace_name="Lab")
    return made.workspace.name


async def test_disabling_holds_at_once_everywhere(assembly: Assembly, elsewhere: UseCases, workspace: str) -> None:
    """Tokens, refresh tokens, passwords; undone, a login is needed."""
    pair = await elsewhere.log_in(email=EMAIL, password=PASSWORD)
    await elsewhere.authenticate(pair.access_token)

    await assembly.use_cases.disable_user(email="ANN@example.org")

    with pytest.raises(Unauthenticated):
        await elsewhere.authenticate(pair.access_token)
    with pytest.raises(Unauthenticated):
        await elsewhere.refresh_session(refresh_token=pair.refresh_token)
    with pytest.raises(InvalidCredentials):
        await elsewhere.log_in(email=EMAIL, password=PASSWORD)

    await assembly.use_cases.disable_user(email=EMAIL, undo=True)
    with pytest.raises(Unauthenticated):
        await elsewhere.authenticate(pair.access_token)
    await elsewhere.authenticate((await elsewhere.log_in(email=EMAIL, password=PASSWORD)).access_token)


async def test_another_password_logs_out_everywhere(assembly: Assembly, elsewhere: UseCases, workspace: str) -> None:
    """And the old one opens nothing."""
    pair = await elsewhere.log_in(email=EMAIL, password=PASSWORD)
    await elsewhere.authenticate(pair.access_token)

    await assembly.use_cases.set_password(email=EMAIL, password="a wholly different phrase")

    with pytest.raises(Unauthenticated):
        await elsewhere.authenticate(pair.access_token)
    with pytest.raises(InvalidCredentials):
        await elsewhere.log_in(email=EMAIL, password=PASSWORD)
    await elsewhere.log_in(email=EMAIL, password="a wholly different phrase")
    with pytest.raises(WeakPassword):
        await assembly.use_cases.set_password(email=EMAIL, password="short")


async def test_a_role_is_given_to_members_and_others(assembly: Assembly, elsewhere: UseCases, workspace: str) -> None:
    """By the workspace's name or id; the last owner stays one."""
    use_cases = assembly.use_cases
    bob = await use_cases.create_user(email="bob@example.org", password=PASSWORD, name="Bob")
    identity = await elsewhere.authenticate(
        (await elsewhere.log_in(email="bob@example.org", password=PASSWORD)).access_token
    )
    chosen = await use_cases.set_role(email="bob@example.org", workspace=workspace, role=Role.VIEWER)
    assert (await elsewhere.enter_workspace(identity, chosen.id)).role is Role.VIEWER

    await use_cases.set_role(email="bob@example.org", workspace=str(chosen.id), role=Role.ADMIN)
    assert (await elsewhere.enter_workspace(identity, chosen.id)).role is Role.ADMIN

    with pytest.raises(Conflict) as caught:
        await use_cases.set_role(email=EMAIL, workspace=workspace, role=Role.ADMIN)
    assert caught.value.slug == "last_owner"
    await use_cases.rename_workspace(await use_cases.enter_workspace(identity, bob.workspace.id), name="Lab")
    for email, name, error in (
        (EMAIL, "Lab", InvalidInput),
        (EMAIL, "Nothing", NotFound),
        ("x@example.org", "Lab", NotFound),
    ):
        with pytest.raises(DomainError) as refused:
            await use_cases.set_role(email=email, workspace=name, role=Role.ADMIN)
        assert isinstance(refused.value, error)


async def test_users_are_listed_with_their_places(assembly: Assembly, workspace: str) -> None:
    """Oldest account first, in pages."""
    await assembly.use_cases.create_user(email="bob@example.org", password=PASSWORD, name="Bob")

    first = await assembly.use_cases.list_users(limit=1)
    rest = await assembly.use_cases.list_users(limit=5, after=first[-1].user.id)

    assert [one.user.email for one in (*first, *rest)] == [EMAIL, "bob@example.org"]
    assert [(of.workspace.name, of.role) for of in first[0].workspaces] == [("Lab", Role.OWNER)]
