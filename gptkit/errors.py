"""Errors a user can act on. Everything else is a bug and keeps its traceback."""


class GptkitError(Exception):
    """One line that says what went wrong, where, and what to do. The command line exits with 1."""

    exit_code = 1


class InputError(GptkitError):
    """The input can make no result, however often it is tried: a stage leaves nothing behind."""


class UsageError(GptkitError):
    """The command, recipe or settings are wrong: nothing was started. Exits with 2."""

    exit_code = 2
