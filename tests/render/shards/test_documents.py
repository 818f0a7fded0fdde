"""Documents in JSON: what is read, what is refused, and with which words."""

import json

import pytest

from render.errors import BadInput, ShardError
from render.shards.documents import (
    MOST_LEVELS,
    Flag,
    Line,
    ListOf,
    Maybe,
    Number,
    Record,
    Row,
    Table,
    Text,
    Unexpected,
    Whole,
    parse_json,
    read_json,
)

PERSON = Record({"name": Line(), "age": Whole(0, 200)}, {"weight": Maybe(Number(0)), "kind": Text(("face", "chair"))})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_document_is_read_in_the_encodings_of_json(encoding):
    value = {"name": "Zoë", "age": 3, "weight": None, "more": [1.5, -2e3, True]}
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(encoding)) == value
    PERSON.check(value)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "expected JSON, found something else"),
        (b'{"a": 1} x', "expected JSON, found something else"),
        (b'"\xe9"', "expected JSON, found something else"),
        (b"9" * 5000, "expected JSON, found something else"),
        (b"[NaN]", "expected finite numbers, found NaN"),
        (b"-Infinity", "expected finite numbers, found -Infinity"),
        (b"1e400", "expected finite numbers, found 1e400"),
        (b'[{"a": 1, "b": 2, "a": 1}]', "expected each key of an object once, found 'a' twice"),
        (b"[" * 100_000, "levels of brackets, found deeper ones"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, f"at most {MOST_LEVELS} levels"),
    ],
)
def test_what_is_no_json_or_has_no_single_meaning_is_refused(content, found):
    with pytest.raises(Unexpected) as caught:
        parse_json(content)
    assert found in str(caught.value)
    assert "\n" not in str(caught.value)


def test_as_many_levels_as_are_allowed_are_read():
    assert parse_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)


@pytest.mark.parametrize(
    ("shape", "value", "said"),
    [
        (PERSON, [], "expected an object, found an empty list"),
        (PERSON, {"name": "a"}, "expected a key 'age', found none"),
        (PERSON, {"name": "a\nb", "age": 1}, r"name: expected a line of text, found 'a\nb'"),
        (PERSON, {"name": "\ud800", "age": 1}, r"name: expected a line of text, found '\ud800'"),
        (PERSON, {"name": "a", "age": True}, "age: expected a whole number from 0 to 200, found true"),
        (PERSON, {"name": "a", "age": 1.0}, "age: expected a whole number from 0 to 200, found 1.0"),
        (PERSON, {"name": "a", "age": 1, "kind": "car"}, "kind: expected one of face, chair, found 'car'"),
        (PERSON, {"name": "a", "age": 1, "weight": -1}, "weight: expected a number from 0, found -1"),
        (Number(), 10**400, "expected a number, found 1000000000"),
        (Number(), float("nan"), "expected a number, found nan"),
        (Whole(), 2**63, "expected a whole number, found 9223372036854775808"),
        (Flag(), 1, "expected true or false, found 1"),
        (Text(), None, "expected a text, found null"),
        (ListOf(Whole()), [1, [2]], "[1]: expected a whole number, found a list of 1"),
        (Row((Number(), Number())), [1], "expected a list of 2, found a list of 1"),
        (Table(ListOf(Text())), {"a b": ["x", {}]}, "'a b'[1]: expected a text, found an empty object"),
        (Table(Whole(), ("a", "b")), {"c\n": 1}, r"expected keys of a, b, found 'c\n'"),
        (Record({}, {"a": Whole()}, closed=True), {"a": 1, "b": 2}, "expected keys of a, found 'b'"),
        (Table(Table(PERSON)), {"x": {"y.z": {"name": 3, "age": 1}}}, "x.y.z.name: expected a line of text, found 3"),
    ],
)
def test_a_fault_is_told_with_its_place(shape, value, said):
    with pytest.raises(Unexpected) as caught:
        shape.check(value)
    assert str(caught.value).startswith(said)


def test_a_file_that_is_refused_is_named_as_the_reader_wants_it(tmp_path):
    path = tmp_path / "people.json"
    with pytest.raises(ShardError, match=r"people\.json: cannot be read: No such file.*; write it"):
        read_json(path, PERSON, ShardError, advice="; write it")
    path.write_text('{"name": "a", "age": -1}')
    with pytest.raises(ShardError, match=r"people\.json: age: expected .*, found -1; again"):
        read_json(path, PERSON, ShardError, advice="; again")
    with pytest.raises(BadInput, match="expected at most 10 bytes, found more"):
        read_json(path, PERSON, largest=10)
