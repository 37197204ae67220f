"""Errors that the user can mend; every other exception is a bug."""


class UserError(Exception):
    """Something that the user can mend; the message says what is wrong and what to do.

    The command line shows it as one line. Every other exception is a bug and keeps its traceback, also a ``ValueError``
    of NumPy or SciPy (a ``LinAlgError`` is one).
    """


class SettingsError(UserError):
    """A setting with a value that it cannot have, or settings that do not go together."""
