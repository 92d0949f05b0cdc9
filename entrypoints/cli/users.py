"""`readingroom users`: people, from the administrator's side."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from application.use_cases import UseCases
from application.views import time_view
from domain.access import Role
from domain.ids import UserId
from domain.users import User
from entrypoints.cli.output import WRONG_USE, WholeSummaries, complain, out, print_json
from entrypoints.cli.running import Invocation, run

users = typer.Typer(cls=WholeSummaries, help="Manage people.", no_args_is_help=True, rich_markup_mode=None)

PAGE: Final = 500
Email = Annotated[str, typer.Argument(help="Their e-mail address.")]
Password = Annotated[str | None, typer.Option(help="Asked for when missing; a `-` reads it from standard input.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class RoleWord(StrEnum):
    """Roles as they are typed."""

    OWNER = "owner"
    ADMIN = "admin"
    EDITOR = "editor"
    VIEWER = "viewer"


def secret_of(password: str | None) -> str:
    """The password that was given, read or asked for; ends the program with 2 when there is none."""
    stdin = typer.get_text_stream("stdin")
    if password is None and not stdin.isatty():
        complain("A password is needed: give `--password -` and a line on standard input, or ask from a terminal.")
        raise typer.Exit(WRONG_USE)
    if password == "-":  # noqa: S105 the sign for standard input
        password = stdin.readline().rstrip("\n")
    secret: str = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not secret:
        complain("A password is needed.")
        raise typer.Exit(WRONG_USE)
    return secret


def on_use_cases(context: typer.Context, work: Callable[[UseCases], Awaitable[Any]]) -> Any:
    """Open the installation, do it there, and let go of the installation."""
    invocation: Invocation = context.obj
    settings = invocation.settings()

    async def opened() -> Any:
        from entrypoints.host import open_host

        async with open_host(settings, role="users") as host:
            return await work(host.use_cases)

    return run(opened, settings, log_level="error")


def user_view(user: User) -> dict[str, Any]:
    """A person as commands print them."""
    return {
        "id": str(user.id),
        "email": user.email,
        "name": user.name,
        "created_at": time_view(user.created_at),
        "disabled_at": time_view(user.disabled_at),
    }


@users.command("create")
def create_user(
    context: typer.Context,
    email: Email,
    name: Annotated[str | None, typer.Option(help="Their name; the address when missing.")] = None,
    password: Password = None,
    as_json: Json = False,
) -> None:
    """Make a user who owns a workspace of their own."""
    secret = secret_of(password)

    async def work(use_cases: UseCases) -> dict[str, Any]:
        made = await use_cases.create_user(email=email, password=secret, name=name or email)
        return {
            "user": {"id": str(made.user.id), "email": made.user.email, "name": made.user.name},
            "workspace": {"id": str(made.workspace.id), "name": made.workspace.name},
        }

    made = on_use_cases(context, work)
    if as_json:
        print_json(made)
    else:
        out.print(f"{made['user']['email']} owns the workspace {made['workspace']['name']}.", markup=False)


@users.command("list")
def list_users(context: typer.Context, as_json: Json = False) -> None:
    """Everybody with their workspaces and roles, oldest account first."""

    async def work(use_cases: UseCases) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        after: UserId | None = None
        while page := await use_cases.list_users(limit=PAGE, after=after):
            listed += [
                {
                    **user_view(one.user),
                    "workspaces": [
                        {"id": str(of.workspace.id), "name": of.workspace.name, "role": of.role.label}
                        for of in one.workspaces
                    ],
                }
                for one in page
            ]
            after = page[-1].user.id
        return listed

    listed = on_use_cases(context, work)
    if as_json:
        print_json({"users": listed})
        return
    width = max((len(one["email"]) for one in listed), default=0)
    for one in listed:
        places = ", ".join(f"{place['role']} of {place['name']}" for place in one["workspaces"]) or "no workspace"
        state = "  (disabled)" if one["disabled_at"] else ""
        out.print(f"{one['email']:<{width}}  {places}{state}", markup=False)


@users.command("set-role")
def set_role(
    context: typer.Context,
    email: Email,
    workspace: Annotated[str, typer.Argument(help="The workspace, by name or id.")],
    role: Annotated[RoleWord, typer.Argument(help="Their role in it from now on.")],
    as_json: Json = False,
) -> None:
    """Give somebody a role in a workspace, whether or not they belong to it yet."""

    async def work(use_cases: UseCases) -> dict[str, Any]:
        chosen = await use_cases.set_role(email=email, workspace=workspace, role=Role.parse(role.value))
        return {"email": email, "workspace": {"id": str(chosen.id), "name": chosen.name}, "role": role.value}

    done = on_use_cases(context, work)
    if as_json:
        print_json(done)
    else:
        out.print(f"{email} is {role.value} of {done['workspace']['name']}.", markup=False)


@users.command("set-password")
def set_password(context: typer.Context, email: Email, password: Password = None, as_json: Json = False) -> None:
    """Give somebody another password; they are logged out everywhere at once."""
    secret = secret_of(password)

    async def work(use_cases: UseCases) -> dict[str, Any]:
        return user_view(await use_cases.set_password(email=email, password=secret))

    done = on_use_cases(context, work)
    if as_json:
        print_json({"user": done})
    else:
        out.print(f"{done['email']} has another password and is logged out everywhere.", markup=False)


@users.command("disable")
def disable(
    context: typer.Context,
    email: Email,
    undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False,
    as_json: Json = False,
) -> None:
    """Lock somebody out: sessions, passwords and API keys stop working at once on every process."""

    async def work(use_cases: UseCases) -> dict[str, Any]:
        return user_view(await use_cases.disable_user(email=email, undo=undo))

    done = on_use_cases(context, work)
    if as_json:
        print_json({"user": done})
    else:
        out.print(f"{done['email']} is {'let in again' if undo else 'locked out'}.", markup=False)
