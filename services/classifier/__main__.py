"""`python -m services.classifier`: run the classifier, or look after its database."""

from services.classifier.service import CLASSIFIER
from shared.service import command_line

command_line(CLASSIFIER)()
