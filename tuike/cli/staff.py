"""`tuike staff`."""

from typing import Any

import click

from tuike.cli.session import opens_database

PERMISSIONS = ("finance", "support", "risk", "content", "admin")  # identity.PERMISSIONS, without its import


@click.group()
def staff() -> None:
    """Staff: people who log in to the console."""


@staff.command()
@click.option("--username", required=True, metavar="NAME", help="What is typed at login; upper and lower case are one.")
@click.option("--name", required=True, metavar="NAME", help="Shown beside what this member of staff does.")
@click.option(
    "--permission", "permissions", required=True, multiple=True, type=click.Choice(PERMISSIONS),
    help="What the member may do; repeat it for several.",
)  # fmt: skip
@opens_database
def create(db: Any, username: str, name: str, permissions: tuple[str, ...]) -> None:
    """Print the first password of a new member of staff, once; it must be changed before the first login."""
    from tuike import identity
    from tuike.shared.clock import read_clock

    with db.transaction() as tx:
        now = read_clock()
        member, password = identity.create_staff(tx, username=username, name=name, permissions=permissions, now=now)
        identity.record_command(tx, action="create_staff", subject=member.id, detail={"username": member.username},
                                now=now)  # fmt: skip
    click.echo(password)


@staff.command()
@click.option("--username", required=True, metavar="NAME", help="Whose account; upper and lower case are one.")
@opens_database
def reset(db: Any, username: str) -> None:
    """Print a new first password, once; it unlocks the name, takes the second factor away and ends every session."""
    from tuike import identity
    from tuike.shared.clock import read_clock

    with db.transaction() as tx:
        now = read_clock()
        staff_id = identity.find_staff_id(tx, username=username)
        if staff_id is None:
            raise identity.StaffNotFound
        member, password = identity.reset_staff(tx, staff_id=staff_id, now=now)
        identity.record_command(tx, action="reset_staff", subject=member.id, detail={"username": member.username},
                                now=now)  # fmt: skip
    click.echo(password)
