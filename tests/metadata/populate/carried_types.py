"""Classes of a repository's own, as 1.10 pickles them into its database by name."""

import datetime


class Money:
    """Nothing but this module knows what it means."""

    def __init__(self, amount, currency):
        self.amount = amount
        self.currency = currency


class Labelled(dict):
    """A dict with something more."""

    label = "labelled"


class Shifting(datetime.tzinfo):
    """A time zone of the repository's own."""

    def utcoffset(self, moment):
        return datetime.timedelta(hours=5, minutes=45)

    def dst(self, moment):
        return datetime.timedelta(0)

    def tzname(self, moment):
        return "SHIFT"
