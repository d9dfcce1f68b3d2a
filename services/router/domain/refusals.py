"""How the rules refuse: each refusal is a sentence for the person who gave the command."""


class Refused(Exception):
    """A command that is not carried out; nothing has changed.

    `slug` is the stable name of the reason, `sentence` says it in Chinese.
    """

    def __init__(self, slug: str, sentence: str) -> None:
        super().__init__(sentence)
        self.slug = slug
        self.sentence = sentence


class NotAllowed(Refused):
    """The role or the unit may not do this."""


class StaleVersion(Refused):
    """The person looked at an older version of the record."""


class WrongState(Refused):
    """The record's state does not know the command."""


class MissingField(Refused):
    """A field the command needs is empty."""


class InvalidField(Refused):
    """A field names something the command cannot take."""


class LimitExceeded(Refused):
    """The rules allow this only so often, so late or so urgent."""
