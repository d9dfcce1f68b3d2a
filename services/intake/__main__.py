"""`python -m services.intake`: run intake, or look after its database."""

from services.intake.service import INTAKE
from shared.service import command_line

command_line(INTAKE)()
