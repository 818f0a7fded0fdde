"""Numbers written as text, parsed as a whole array at once."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError


def parse_numbers(body: bytes, dtype: type[np.generic], expected: str, count: int | None = None) -> NDArray[Any]:
    """Parse the numbers (`count` of them, if given) that `body` holds between white space.

    Raises AssetError with `expected` and the first word that is no such number.
    """
    if not body or body.isspace():
        values = np.empty(0, dtype=dtype)
    else:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", DeprecationWarning)  # what older numpy says of text that is no number
                values = np.fromstring(body, dtype=dtype, sep=" ")
        except (ValueError, DeprecationWarning):
            raise AssetError(f"expected {expected}, found {_odd_word(body, dtype)}") from None
    if count is not None and len(values) != count:
        raise AssetError(f"expected {expected}, found {len(values)} numbers instead of {count}")
    return values


def shown(word: bytes) -> str:
    """Quote a word of a file, for messages."""
    return repr(word[:40].decode("utf-8", "replace"))


def _odd_word(body: bytes, dtype: type[np.generic]) -> str:
    number = float if dtype is np.float64 else int
    for word in body.split():
        try:
            number(word)
        except ValueError:
            return shown(word)
    return "a number of another kind"
