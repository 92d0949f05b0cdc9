"""`readingroom users`: people, from the administrator's side."""

from typing import Annotated, Any

import typer

from entrypoints.cli.output import WRONG_USE, complain, out, print_json
from entrypoints.cli.running import Invocation, run

users = typer.Typer(help="Manage people.", no_args_is_help=True, rich_markup_mode=None)


@users.command("create")
def create_user(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="Their e-mail address.")],
    name: Annotated[str | None, typer.Option(help="Their name; the address when missing.")] = None,
    password: Annotated[
        str | None, typer.Option(help="Asked for when missing; a `-` reads it from standard input.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a user who owns a workspace of their own."""
    invocation: Invocation = context.obj
    settings = invocation.settings()
    if password == "-":  # noqa: S105 the sign for standard input
        password = typer.get_text_stream("stdin").readline().rstrip("\n")
    secret = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not secret:
        complain("A password is needed.")
        raise typer.Exit(WRONG_USE)

    async def work() -> dict[str, Any]:
        from entrypoints.host import open_host

        async with open_host(settings, role="users") as host:
            made = await host.use_cases.create_user(email=email, password=secret, name=name or email)
            return {
                "user": {"id": str(made.user.id), "email": made.user.email, "name": made.user.name},
                "workspace": {"id": str(made.workspace.id), "name": made.workspace.name},
            }

    made = run(work, settings, log_level="error")
    if as_json:
        print_json(made)
    else:
        out.print(f"{made['user']['email']} owns the workspace {made['workspace']['name']}.", markup=False)
