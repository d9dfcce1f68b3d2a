"""`python -m services.intake`: run intake, or look after its database and who is in it."""

from services.intake.commands import add_commands
from services.intake.service import INTAKE
from shared.service import command_line

if __name__ == "__main__":
    cli = command_line(INTAKE)
    add_commands(cli)
    cli()
