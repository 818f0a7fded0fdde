"""Text files as programs on many machines write them: byte order marks, UTF-16, line ends of all three kinds."""

from __future__ import annotations

import codecs
import re

from assets.errors import AssetError

_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED = (
    (re.compile(rb"[\t\r\n -~]\0[\t\r\n -~]\0"), "utf-16-le"),
    (re.compile(rb"\0[\t\r\n -~]\0[\t\r\n -~]"), "utf-16-be"),
)
# Behind these names there is text, which may end in a backslash of its own
_NAMES = (b"g", b"o", b"s", b"mg", b"usemtl", b"mtllib", b"usemap", b"maplib", b"shadow_obj", b"trace_obj", b"call")


def plain_text(data: bytes) -> bytes:
    """Return a text file as UTF-8 without a byte order mark, its lines ending in a newline.

    Raises AssetError for what claims to be UTF-16 or UTF-32 and is not.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    encoding = encoding or next((encoding for start, encoding in _UNMARKED if start.match(data)), None)
    if encoding:
        try:
            data = data.decode(encoding).encode("utf-8")
        except UnicodeError as error:
            raise AssetError(f"expected text in {encoding.upper()}, as its first bytes say, found: {error}") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def words_of(data: bytes) -> str:
    """Decode names in a text file: UTF-8, or else the Western code page of Windows."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def joined_lines(text: bytes) -> bytes:
    """Join the lines of an OBJ file that a backslash continues, blanks behind it or not.

    A backslash ends a name or a comment without continuing it, and nothing continues with a line that begins with a
    word of its own. The text keeps its length.
    """
    if b"\\" not in text:
        return text
    joined = bytearray(text)
    continued_to, key = -1, b""  # where the line that is continued goes on, and the word that it began with
    for match in re.finditer(rb"\\[ \t]*\n", text):
        begin = text.rfind(b"\n", 0, match.start()) + 1
        if begin != continued_to:
            first = text[begin : begin + 200].split(None, 1)
            key = first[0] if first else b""
        after = text[match.end() : match.end() + 200].lstrip(b" \t")[:1]
        if key in _NAMES or key.startswith(b"#") or b"#" in text[begin : match.start()]:
            continue
        if after.isalpha():
            joined[match.start()] = ord(" ")
            continue
        joined[match.start() : match.end()] = b" " * (match.end() - match.start())
        continued_to = match.end()
    return bytes(joined)
