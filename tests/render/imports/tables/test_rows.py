"""Rows of tables in all their forms, and what is refused in them with its line."""

import json

import pytest

from render.errors import BadInput
from render.imports.tables import rows as rows_module
from render.imports.tables.rows import open_rows

HEADER, FIRST, SECOND = ["path", "identity", "azimuth"], ["a.png", "a cup", "30"], ["b.png", 'the "jug"', "-1.5"]


def every_row(path, pattern=None):
    opened = open_rows(path, pattern)
    blocks = list(opened.blocks())
    return opened, [line for block in blocks for line in block.lines], [row for block in blocks for row in block.rows]


def text_of(delimiter, end="\n"):
    quoted = [[cell if cell.isalnum() else '"' + cell.replace('"', '""') + '"' for cell in r] for r in (FIRST, SECOND)]
    return end.join(delimiter.join(row) for row in [HEADER, *quoted]) + end


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_csv_of_every_kind_holds_the_same(tmp_path, delimiter, start, end):
    path = tmp_path / "photos.csv"
    path.write_bytes(start + text_of(delimiter, end).encode())
    opened, lines, rows = every_row(path)
    assert (opened.columns, rows) == (HEADER, [FIRST, SECOND])
    assert lines == ([2, 3] if end != "\n\n" else [3, 5])
    assert opened.place(3) == f"{path}, line 3"


def test_blanks_around_cells_are_no_part_of_them_and_a_quoted_cell_may_go_over_lines(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text('path , identity\n  a.png ,"a\ncup"\nb.png,  b \n')
    opened, lines, rows = every_row(path)
    assert (opened.columns, rows, lines) == (["path", "identity"], [["a.png", "a\ncup"], ["b.png", "b"]], [2, 4])


def test_json_lines_are_rows_in_any_order_of_keys(tmp_path):
    path = tmp_path / "photos.jsonl"
    objects = [
        {"path": "a.png", "identity": "a cup", "azimuth": 30},
        {"azimuth": -1.5, "path": "b.png", "identity": "x"},
    ]
    path.write_text("\n".join(json.dumps(each) for each in objects) + "\n\n")
    opened, lines, rows = every_row(path)
    assert (opened.columns, lines) == (HEADER, [1, 2])
    assert rows == [FIRST, ["b.png", "x", "-1.5"]]


def test_file_names_are_rows(tmp_path):
    for name in ("cup/1.png", "cup/2.png", "jug/1.png", "jug/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    opened, lines, rows = every_row(tmp_path, "{identity}/{azimuth}.png")
    assert (opened.columns, lines) == (HEADER, [1, 2, 3])
    assert rows == [["cup/1.png", "cup", "1"], ["cup/2.png", "cup", "2"], ["jug/1.png", "jug", "1"]]
    assert opened.place(3) == f"{tmp_path}, jug/1.png"
    assert opened.remarks() == ["files of other names, passed over: 1, such as jug/notes.txt"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "expected a line of the names of its columns, found nothing"),
        ("path,identity\n", "expected a row for each image, found none"),
        ("path,a,a\nx,1,2\n", "line 1: expected each column once, found 'a' twice"),
        ("path,,a\nx,1,2\n", "line 1: expected a name for each column, found none for column 2"),
        ("path,a\nx,1\n\ny\n", "line 4: expected 2 cells as in the first line, found 1"),
        ("path,a\nx,1,2\n", "line 2: expected 2 cells as in the first line, found 3"),
        ('path,a\nx,1\ny,"2\nz,3\n', "line 3: expected cells between ',', found: unexpected end of data"),
        ("path,a\nx,\0\n", "line 2: expected text, found a NUL byte"),
        (b"path,a\nx,\xff\n", "line 2: expected text in UTF-8, found the byte 0xff"),
        ("path,a\nx,1\n".encode("utf-16"), "line 1: expected text in UTF-8, found the byte 0xff"),
        ("path," + "a" * 70_000 + "\n", "line 1: expected lines of at most 65,536 bytes, found more"),
        (",".join(f"c{i}" for i in range(300)) + "\n", "line 1: expected at most 256 columns, found 300"),
        ('{"path": "x", "a": 1}\n{"path": "y"}\n', "line 2: expected the keys of the first line, found no 'a'"),
        ('{"path": "x"}\n{"path": "y", "b": 2}\n', "line 2: expected the keys of the first line, found also 'b'"),
        ('{"path": "x", "a": NaN}\n', "line 1: expected finite numbers, found NaN"),
        ('{"path": "x", "a": null}\n', "line 1, column a: expected a text or a number, found null"),
        ('{"path": "x", "a": "\\u0000"}\n', "line 1, column a: expected text, found a NUL character"),
        ('{"path": "x"}\n[1]\n', "line 2: expected an object in braces, found other JSON"),
        ('{"path": "x"\n', "line 1: expected JSON, found"),
        ('{"path": "x", "path": "y"}\n', "line 1: expected each key of an object once, found 'path' twice"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_with_its_line(tmp_path, content, named):
    path = tmp_path / "photos.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput) as refused:
        every_row(path)
    assert str(refused.value).startswith(str(path))
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("limit", "value", "named"), [("MOST_BYTES", 20, "20 bytes"), ("MOST_ROWS", 3, "3 rows")])
def test_a_table_that_goes_on_and_on_is_not_read_to_its_end(tmp_path, monkeypatch, limit, value, named):
    path = tmp_path / "photos.csv"
    path.write_text("path,a\n" + "x,1\n" * 9)
    opened = open_rows(path, None)
    monkeypatch.setattr(rows_module, limit, value)
    with pytest.raises(BadInput, match=named):
        list(opened.blocks())


def test_a_table_of_ten_gigabytes_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "photos.csv"
    with open(path, "wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(BadInput, match=r"expected a table of at most 2 GiB, found 10\.0 GiB"):
        open_rows(path, None)


@pytest.mark.parametrize(
    ("name", "pattern", "named"),
    [
        ("nowhere.csv", None, "nowhere.csv: expected a table or a folder, found nothing"),
        ("", None, "expected a table, found a folder; name its CSV file, or give a `pattern`"),
        ("", "{identity}.jpg", "expected files named {identity}.jpg, found 1 of other names, such as photos.csv"),
        ("photos.csv", "{identity}.jpg", "`pattern`: expected a folder"),
        ("pipe", None, "pipe: expected a table or a folder, found no file"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, pattern, named):
    (tmp_path / "photos.csv").write_text("path,a\nx,1\n")
    if name == "pipe":
        import os

        os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput) as refused:
        every_row(tmp_path / name, pattern)
    assert named in str(refused.value)
