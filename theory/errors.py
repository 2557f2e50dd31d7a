"""The one error a user causes."""


class InputError(ValueError):
    """Bad input: one line that names the input and the remedy. Command lines exit with code 2."""
