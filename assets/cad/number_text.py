"""Numbers written as text, parsed as a whole array at once."""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.errors import AssetError

# What C libraries write for numbers that are none: 1.#INF, -1.#IND00, nan(ind), -nan, ...
_NO_NUMBER = re.compile(rb"[+-]?(?:\d+\.#[A-Za-z]+\d*|nan(?:\([^\s()]*\))?|inf(?:inity)?)(?=\s|$)", re.IGNORECASE)
_BLANKS = bytes(range(33, 256)).rjust(256, b" ")  # whatever comes before "!" parts words, as in OBJ files
_TWO_COMMAS = re.compile(rb",[^\s,]*,")
_DECIMAL_COMMA = re.compile(rb"(?<=\d),(?=\d)")


def parse_numbers(
    body: bytes, dtype: type[np.generic], expected: str, count: int | None = None, optional: bool = False
) -> NDArray[Any]:
    """Parse the numbers (`count` of them, if given) that `body` holds between white space.

    Floating point may have decimal commas, where no word has two of them; infinity and what C libraries write for it
    and for undefined results is NaN or infinity. Raises AssetError with `expected` and the first word that is no such
    number.

    optional  what is no number at all becomes NaN too
    """
    try:
        values = _parsed(body, dtype)
    except ValueError:
        if dtype is not np.float64:
            raise AssetError(f"expected {expected}, found {_odd_word(body, dtype)}") from None
        body = _NO_NUMBER.sub(b"nan", body.translate(_BLANKS))
        if b"," in body and not _TWO_COMMAS.search(body):
            body = _DECIMAL_COMMA.sub(b".", body)
        try:
            values = _parsed(body, dtype)
        except ValueError:
            if not optional:
                raise AssetError(f"expected {expected}, found {_odd_word(body, dtype)}") from None
            values = np.array([_number_or_nan(word) for word in split_words(body)])
    if count is not None and len(values) != count:
        raise AssetError(f"expected {expected}, found {len(values)} numbers instead of {count}")
    return values


def _parsed(body: bytes, dtype: type[np.generic]) -> NDArray[Any]:
    """Parse as numpy does; ValueError for what is no number."""
    if not body or body.isspace():
        return np.empty(0, dtype=dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # what older numpy says of text that is no number
            return np.fromstring(body, dtype=dtype, sep=" ")
    except DeprecationWarning as error:
        raise ValueError(str(error)) from None


def _number_or_nan(word: bytes) -> float:
    try:
        return float(word)
    except ValueError:
        return np.nan


def without_marks(text: bytes) -> bytes:
    """Write nan for 1.#INF and its like, in texts where # begins a comment."""
    return _NO_NUMBER.sub(b"nan", text) if b".#" in text else text


def split_words(body: bytes) -> list[bytes]:
    """Split at white space and control characters."""
    return body.translate(_BLANKS).split()


def shown(word: bytes) -> str:
    """Quote a word of a file, for messages."""
    return repr(word[:40].decode("utf-8", "replace"))


def _odd_word(body: bytes, dtype: type[np.generic]) -> str:
    number = float if dtype is np.float64 else int
    for word in split_words(body):
        try:
            number(word)
        except ValueError:
            return shown(word)
    return "a number of another kind"
