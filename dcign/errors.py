"""Errors of the training stage (the tree is drawn in `assets.errors`)."""

from __future__ import annotations

from render.errors import BadInput, DcignError, Failure, ShardError

__all__ = ["ArgumentError", "BadInput", "DcignError", "Failure", "RunError", "ShardError"]


class RunError(BadInput):
    """A run folder, a checkpoint or an image to re-render cannot be used."""


class ArgumentError(RunError):
    """An argument of a call is wrong. `str` names it as Python does, `option_message` as the command line does.

    argument  learning_rate
    message   what was expected and what was found
    value     what was given, where it tells which of several is meant
    """

    def __init__(self, argument: str, message: str, value: str = "") -> None:
        super().__init__(argument, message, value)
        self.argument, self.message, self.value = argument, message, value

    def __str__(self) -> str:
        return f"{' '.join(filter(None, (self.argument, self.value)))}: {self.message}"

    @property
    def option_message(self) -> str:
        """The message with --learning-rate for learning_rate."""
        return f"--{self.argument.replace('_', '-')}{str(self)[len(self.argument) :]}"
