"""The errors a caller can act on: one class per decision. Keep messages where they are raised.

`ValueError` stays the class for a wrong call; the classes here say what else must be mended.
"""


class OrionError(Exception):
    """Anything Orion raises on purpose besides `ValueError`; the CLI prints it without a traceback."""


class SettingsError(OrionError):
    """The deployment is wrong: an environment variable, a path, a missing extra."""


class SourceUnavailable(OrionError):
    """The source cannot answer now; the same call may succeed later.

    Attributes:
        retry_after_s: Seconds to wait before asking again.
    """

    def __init__(self, message: str, *, retry_after_s: float = 60.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceRejected(OrionError):
    """What the source holds cannot be read as declared; the file or its mapping must be mended.

    Attributes:
        file: The file as the user named it.
        row: 1-based row of the file, header excluded, or None where the whole file is meant.
        column: The offending column, or None.
    """

    def __init__(self, message: str, *, file: str, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.row = row
        self.column = column


class SchemaMismatch(OrionError):
    """A frame is not what its table declares; nothing was written.

    Attributes:
        table: Name of the table.
    """

    def __init__(self, message: str, *, table: str) -> None:
        super().__init__(message)
        self.table = table


class StoreUnavailable(OrionError):
    """The lake or the feature store is not there, or holds nothing of what was asked."""


class KnowledgeAhead(OrionError):
    """The lake already holds rows known after the instant a run was asked to build for."""


class KeyRefused(OrionError):
    """The vendor does not know the key, or no longer: nothing more may be sent with it."""


class NotEntitled(OrionError):
    """The plan behind the key does not include what was asked: the same call will not succeed.

    Attributes:
        is_by_date: The plan includes it, but not for these dates.
    """

    def __init__(self, message: str, *, is_by_date: bool = False) -> None:
        super().__init__(message)
        self.is_by_date = is_by_date


class NotYet(OrionError):
    """The vendor gives it later: after the end of the day, most often."""


class NotFound(OrionError):
    """The vendor says that there is none of it."""


class RequestRejected(OrionError):
    """The vendor calls the request wrong: a fault of Orion, or of what it was asked for; asking again is in vain."""


class AnswerDistrusted(OrionError):
    """The vendor answered, and what it says cannot be true: nothing of it may be landed.

    Attributes:
        is_worth_asking: Another answer to the same question may be right.
    """

    def __init__(self, message: str, *, is_worth_asking: bool = False) -> None:
        super().__init__(message)
        self.is_worth_asking = is_worth_asking
