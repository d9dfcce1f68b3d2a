"""`python -m services.classifier`: run the classifier, or look after its database and models."""

from services.classifier.commands import add_commands
from services.classifier.service import CLASSIFIER
from shared.service import command_line

if __name__ == "__main__":
    cli = command_line(CLASSIFIER)
    add_commands(cli)
    cli()
