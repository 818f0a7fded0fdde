"""Fingerprints tell collections apart by their sizes and ends, or by the names of their files."""

from render.imports import fingerprints
from render.imports.fingerprints import of_ends, of_names


def test_a_fingerprint_follows_from_sizes_ends_and_words(tmp_path, monkeypatch):
    monkeypatch.setattr(fingerprints, "FILE_ENDS", 4)
    path = tmp_path / "f"
    seen = set()
    for content in (b"abcd----wxyz", b"abcd-----wxyz", b"abcd----wxyZ", b"Abcd----wxyz"):
        path.write_bytes(content)
        seen |= {of_ends([path]), of_ends([path], "left"), of_ends([path], "right")}
    assert len(seen) == 12
    path.write_bytes(b"Abcd++++wxyz")
    assert of_ends([path]) in seen  # the middle of 12 GB is not read


def test_a_fingerprint_of_names_follows_from_names_and_sizes():
    seen = {of_names(files) for files in ([], [("a", 1)], [("a", 2)], [("b", 1)], [("a", 1), ("b", 1)])}
    assert len(seen) == 5
