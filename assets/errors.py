"""The exceptions of the project, one small tree.

    DcignError                  anything this project reports in one line
    |- BadInput                 what the user gave is wrong: exit code 2
    |  |- AssetError            a mesh, texture or face model (this file)
    |  |  |- OutOfTime          a model that takes too long to read
    |  |- ShardError            a shard, a manifest, a shard folder (render/errors.py)
    |  |- RunError              a run folder, a checkpoint, an image to re-render (dcign/errors.py)
    |- Failure                  the machine let us down (no GL, a dead worker, a full disk): exit code 1

A message names the file or argument, what was expected, what was found and, where it helps, what to do. Arguments
stand in it as Python has them, in backquotes: `learning_rate` or `size=64`; the command turns them into options
(`pipelines.console.with_options`).
"""

from __future__ import annotations


class DcignError(Exception):
    """Root of all errors that reach the user as one line."""

    exit_code = 1


class BadInput(DcignError):
    """The user's input is wrong; nothing was changed."""

    exit_code = 2


class Failure(DcignError):
    """Something outside the input failed; running the same command again resumes."""

    exit_code = 1


class AssetError(BadInput):
    """A mesh, texture, archive or face model cannot be used."""


class OutOfTime(AssetError):
    """A model is not read within the time it may take; not to be mistaken for a fault of the piece being read."""
