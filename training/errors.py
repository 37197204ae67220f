"""What the user can mend, apart from what is a bug."""


class MendableError(Exception):
    """Something that the user can mend; the message says what is wrong and what to do.

    The command line shows it as one line. Whatever else is raised is a bug and keeps its traceback, NumPy's and SciPy's
    own ``ValueError`` (a ``LinAlgError`` is one) among it.
    """


class SettingsError(MendableError):
    """A setting with a value that it cannot have, or settings that do not go together."""
