"""The rows of a table, an image each, read in blocks and within limits: from CSV, from JSON lines, from file names.

Nothing here knows what a column means. Every fault names the line that it is in.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from render.errors import BadInput
from render.imports.tables.file_names import Pattern
from render.shards.documents import Unexpected, parse_json

MOST_BYTES = 2 * 2**30  # of a table
MOST_ROWS = 5_000_000
MOST_COLUMNS = 256
LONGEST_LINE = 64 * 2**10  # bytes
BLOCK = 4096  # rows
DELIMITERS = ",;\t"
PATH = "path"  # the column of the pictures


class Block(NamedTuple):
    """Some rows: the line that each begins in, counted from 1, and its cells without blanks around them."""

    lines: list[int]
    rows: list[list[str]]


class Rows(Protocol):
    """A table that is open.

    path           of the table, or of the folder whose file names are one
    folder         that the paths in it start from
    columns        names as they stand in it
    decimal_comma  numbers may be written as 1,5
    """

    path: Path
    folder: Path
    columns: list[str]
    decimal_comma: bool

    def blocks(self) -> Iterator[Block]:
        """Yield all rows; BadInput names the first line that is none."""

    def place(self, line: int) -> str:
        """Say where a line is: `photos.csv, line 7`."""

    def picture(self, line: int, path: str) -> str:
        """Say which picture that of a line is."""

    def digest(self) -> bytes:
        """Return a hash of the rows that `blocks` has yielded."""

    def remarks(self) -> list[str]:
        """Say what was passed over, a line each."""


def open_rows(path: Path, pattern: str | None) -> Rows:
    """Open a table: a file of CSV or JSON lines, or a folder and the `pattern` that its file names follow.

    BadInput names the path, what was expected and what was found.
    """
    if path.is_dir():
        if pattern is None:
            raise BadInput(
                f"{path}: expected a table, found a folder; name its CSV file, or give a `pattern` for file names, "
                "such as '{identity}_{azimuth}.png'"
            )
        return FolderRows(path, Pattern(pattern))
    if not path.is_file():
        raise BadInput(f"{path}: expected a table or a folder, found {'no file' if path.exists() else 'nothing'}")
    if pattern is not None:
        raise BadInput(f"`pattern`: expected a folder whose file names follow it, found the file {path}")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise BadInput(f"{path}: expected a table of at most {MOST_BYTES // 2**30} GiB, found {size / 2**30:.1f} GiB")
    try:
        with open(path, "rb") as file:
            head = file.read(LONGEST_LINE)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None
    return JsonRows(path) if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" else CsvRows(path)


class TableFile:
    """A text file, a row in a line or some."""

    decimal_comma = False

    def __init__(self, path: Path) -> None:
        self.path, self.folder = path, path.parent
        self._digest = hashlib.sha256()
        self.columns: list[str] = []

    def place(self, line: int) -> str:
        return f"{self.path}, line {line}"

    def picture(self, line: int, path: str) -> str:
        return f"{self.place(line)}, column {PATH}: {path}"

    def digest(self) -> bytes:
        return self._digest.digest()

    def remarks(self) -> list[str]:
        return []

    def blocks(self) -> Iterator[Block]:
        self._digest = hashlib.sha256()
        count = 0
        try:
            with open(self.path, "rb") as file:
                rows = self._rows(file)
                while found := list(islice(rows, BLOCK)):
                    count += len(found)
                    if count > MOST_ROWS:
                        raise BadInput(f"{self.path}: expected at most {MOST_ROWS:,} rows, found more")
                    yield Block([line for line, _ in found], [cells for _, cells in found])
        except OSError as error:
            raise BadInput(f"{self.path}: cannot be read: {error.strerror or error}") from None
        if not count:
            raise BadInput(f"{self.path}: expected a row for each image, found none")

    def _rows(self, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
        raise NotImplementedError

    def _lines(self, file: BinaryIO) -> Iterator[str]:
        """Yield the lines of the file as text; BadInput for one that is too long, has NUL bytes or is not UTF-8."""
        number = total = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            total += len(line)
            if len(line) > LONGEST_LINE or total > MOST_BYTES:
                limit = f"lines of at most {LONGEST_LINE:,} bytes" if total <= MOST_BYTES else f"{MOST_BYTES:,} bytes"
                raise BadInput(f"{self.place(number)}: expected {limit}, found more")
            self._digest.update(line)
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                found = f"the byte {line[error.start]:#04x}"
                raise BadInput(f"{self.place(number)}: expected text in UTF-8, found {found}") from None
            if "\0" in text:
                raise BadInput(f"{self.place(number)}: expected text, found a NUL byte")
            yield text

    def _check_columns(self, columns: list[str], line: int) -> list[str]:
        """Return the names of the columns; BadInput unless there are some, each once."""
        if len(columns) > MOST_COLUMNS:
            raise BadInput(f"{self.place(line)}: expected at most {MOST_COLUMNS} columns, found {len(columns)}")
        if "" in columns:
            raise BadInput(f"{self.place(line)}: expected a name for each column, found none for column "
                           f"{columns.index('') + 1}")  # fmt: skip
        twice = [name for name, count in Counter(columns).items() if count > 1]
        if twice:
            raise BadInput(f"{self.place(line)}: expected each column once, found {twice[0][:60]!r} twice")
        return columns


class CsvRows(TableFile):
    """Rows of cells between commas, semicolons or tabs, below a line of their names."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open(path, "rb") as file:
            first = next((line for line in self._lines(file) if line.strip()), "")
        self._delimiter = max(DELIMITERS, key=first.count)
        self.decimal_comma = self._delimiter == ";"
        with open(path, "rb") as file:
            self.columns = self._check_columns(*next(self._cells(file), ([], 1)))
        if not self.columns:
            raise BadInput(f"{path}: expected a line of the names of its columns, found nothing")

    def _rows(self, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
        found = self._cells(file)
        next(found)
        for cells, line in found:
            if len(cells) != len(self.columns):
                wanted = f"{len(self.columns)} cells as in the first line"
                raise BadInput(f"{self.place(line)}: expected {wanted}, found {len(cells)}")
            yield line, cells

    def _cells(self, file: BinaryIO) -> Iterator[tuple[list[str], int]]:
        """Yield the cells of each line that has any, and its number."""
        reader = csv.reader(self._lines(file), delimiter=self._delimiter, strict=True)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise BadInput(
                    f"{self.place(line)}: expected cells between {self._delimiter!r}, found: {error}"
                ) from None
            if cells:
                yield [cell.strip() for cell in cells], line


class JsonRows(TableFile):
    """Rows of JSON, an object in each line, all with the same keys."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with open(path, "rb") as file:
            line, first = next(self._objects(file))
        self.columns = self._check_columns([name.strip() for name in first], line)

    def _rows(self, file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
        for line, value in self._objects(file):
            found = {name.strip(): cell for name, cell in value.items()}
            if set(found) != set(self.columns):
                other = min(set(found) ^ set(self.columns))
                what = f"{'no' if other in self.columns else 'also'} {other[:60]!r}"
                raise BadInput(f"{self.place(line)}: expected the keys of the first line, found {what}")
            yield line, [self._text(found[name], line, name) for name in self.columns]

    def _objects(self, file: BinaryIO) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, text in enumerate(self._lines(file), 1):
            if not text.strip():
                continue
            try:
                value = parse_json(text)
            except Unexpected as error:
                raise BadInput(f"{self.place(line)}: {error}") from None
            if not isinstance(value, dict):
                raise BadInput(f"{self.place(line)}: expected an object in braces, found other JSON")
            yield line, value

    def _text(self, value: Any, line: int, name: str) -> str:
        if isinstance(value, str):
            if "\0" in value:
                raise BadInput(f"{self.place(line)}, column {name}: expected text, found a NUL character")
            return value.strip()
        if isinstance(value, (bool, int, float)):
            return json.dumps(value)
        raise BadInput(
            f"{self.place(line)}, column {name}: expected a text or a number, found {json.dumps(value)[:60]}"
        )


class FolderRows:
    """Rows out of file names that follow a pattern; the line of one is its place among the names in their order."""

    decimal_comma = False

    def __init__(self, folder: Path, pattern: Pattern) -> None:
        self.path = self.folder = folder
        self.pattern = pattern
        self.columns = [PATH, *pattern.names]
        self._digest = hashlib.sha256()
        self._others, self._other = 0, ""

    def blocks(self) -> Iterator[Block]:
        self._digest = hashlib.sha256()
        self._others, count = 0, 0
        rows = self._rows()
        while found := list(islice(rows, BLOCK)):
            yield Block(list(range(count + 1, count + 1 + len(found))), found)
            count += len(found)
            if count > MOST_ROWS:
                raise BadInput(f"{self.path}: expected at most {MOST_ROWS:,} images, found more")
        if not count:
            found_instead = f"such as {self._other}" if self._others else "none at all"
            raise BadInput(
                f"{self.path}: expected files named {self.pattern.text}, found {self._others} of other names, "
                f"{found_instead}"
            )

    def place(self, line: int) -> str:
        names = (name for name in self.pattern.walk(self.path) if self.pattern.match(name) is not None)
        return f"{self.path}, {next(islice(names, line - 1, None))}"

    def picture(self, line: int, path: str) -> str:
        return str(self.folder / path)

    def digest(self) -> bytes:
        return self._digest.digest()

    def remarks(self) -> list[str]:
        return [f"files of other names, passed over: {self._others}, such as {self._other}"] if self._others else []

    def _rows(self) -> Iterator[list[str]]:
        for name in self.pattern.walk(self.path):
            values = self.pattern.match(name)
            if values is None:
                self._others += 1
                self._other = name
            else:
                self._digest.update(f"{name}\n".encode(errors="surrogateescape"))
                yield [name, *(value.strip() for value in values)]
