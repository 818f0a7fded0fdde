"""The `dcign` command in this process: what it imports is imported once for all tests."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

import pytest

from pipelines import cli


def dcign(*words: object) -> tuple[int, str, str]:
    """Run `dcign WORDS`; returns (exit code, standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    arguments = patch.object(sys, "argv", ["dcign", *map(str, words)])
    with arguments, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0, out.getvalue(), err.getvalue()
