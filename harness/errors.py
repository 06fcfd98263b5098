"""The one base of every error that this project raises for people to read."""


class HarnessError(Exception):
    """Something the user can act on.

    ``message`` says what went wrong, where and why; ``hint`` says what to do. The command line
    prints both and exits with ``exit_code``; a traceback shown to a user is a bug.
    """

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(HarnessError):
    """The call itself is wrong: a bad option, no such folder, a broken configuration."""

    exit_code = 2


class SeveralFolders(UsageError):
    """A repository with more than one folder of DAGs, of which none was named."""


class Interrupted(HarnessError):
    """The user stopped it half-way: what was done until then, and how to go on."""

    exit_code = 130
