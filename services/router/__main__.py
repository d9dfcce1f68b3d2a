"""`python -m services.router`: run the router, or look after its database and policy."""

from services.router.commands import add_commands
from services.router.service import ROUTER
from shared.service import command_line

if __name__ == "__main__":
    cli = command_line(ROUTER)
    add_commands(cli)
    cli()
