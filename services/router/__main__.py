"""`python -m services.router`: run the router, or look after its database."""

from services.router.service import ROUTER
from shared.service import command_line

command_line(ROUTER)()
