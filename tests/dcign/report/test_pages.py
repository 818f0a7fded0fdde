import pytest
from page_reader import Page

from dcign.evaluation.evidence.types import Figure, Section, Table
from dcign.report.headline import Headline
from dcign.report.html import Chapter, Grid, Picture, Td, interval, number, page
from dcign.report.pages import report_page

PNG = b"\x89PNG\r\n\x1a\n"
COMMAND = "dcign evaluate 'a <run>' shards"


def document():
    return {
        "run": {"folder": "/x/a <run>", "object": "face", "size": 24, "step": 1000},
        "data_set": {
            "folder": "shards",
            "split": "test",
            "fingerprint": "ab",
            "images": 1200,
            "identities": 60,
            "seen_in_training": "no",
            "minibatches": {"azimuth": 3},
            "batch_size": 20,
            "ranges": {"azimuth": [-90.0, 90.0]},
            "missing_factors": [],
        },
        "groups": {},
        "calibration": {"azimuth": None},
        "invariance": {"azimuth": {"within": 0.1, "total": None, "ratio": 0.5, "latents": 9, "minibatches": 3}},
        "evidence": {"groups": {"warnings": []}},
        "made": {"time": "now", "config": {"steps": 1000}, "versions": {"python": "3"}},
        "warnings": ["beware of <this>"],
    }


def write(*sections, pictures=("sweeps", "scatter", "spearman"), **evidence):
    lines = [Headline("test MSE", 0.01, "at most 1", True, "small is good")]
    content = document()
    content["evidence"].update(evidence)
    text = report_page(content, lines, {name: PNG + name.encode() for name in pictures}, sections, COMMAND)
    return text, Page.of(text)


def test_sections_follow_what_every_report_shows_in_their_order():
    _, found = write(Section("One", "", []), Section("Two", "", []))
    assert found.links == [
        "What it reached",
        "Turning one knob at a time",
        "Inferred latents against true angles",
        "Who knows what",
        "Do the other latents hold still?",
        "One",
        "Two",
        "How this was made",
    ]
    assert len(found.targets) == len(found.ids)


def test_headings_alike_or_without_a_letter_have_anchors_of_their_own():
    text = page("", "", [], [Chapter(title, []) for title in ("A b", "a B!", "A b 2", "?", "µ")], "", Grid((), []))
    assert Page.of(text).targets == ["a-b", "a-b-2", "a-b-2-2", "part", "part-2", "how-this-was-made"]


def test_every_figure_has_its_caption_and_the_command_that_makes_it():
    text, found = write(Section("One", "", [Figure("x", PNG + b"x", "What <is> seen."), Figure("y", PNG + b"y", "")]))
    assert found.pictures == [PNG + name for name in (b"sweeps", b"scatter", b"spearman", b"x", b"y")]
    assert text.count('<code class="command">dcign evaluate &#39;a &lt;run&gt;&#39; shards</code>') == 5
    assert "<figcaption>What &lt;is&gt; seen.<code" in text


def test_tables_show_estimates_with_intervals_counts_and_what_is_not_defined():
    estimate = {"value": 0.953, "low": 0.941, "high": 0.962}
    bare = {"value": 0.5, "low": None, "high": None}
    missing = {"value": None, "low": None, "high": None}
    rows = [["MIG", estimate, None, 12345, "<b>"], ["SAP", bare, missing, 0.25, ""]]
    _, found = write(Section("One", "", [Table(["score", "here", "x", "n", "says"], rows, "Of <all>.")]))
    assert ["score", "here", "x", "n", "says"] in found.rows
    assert ["MIG", "0.953 [0.941, 0.962]", "not defined", "12,345", "<b>"] in found.rows
    assert ["SAP", "0.500", "not defined", "0.250", ""] in found.rows


def test_text_and_warnings_of_a_section_are_shown_as_they_are():
    text, _ = write(Section("A <b>", "First <p>.\n\nSecond.", [], ["too few & so on"]))
    assert "<p>First &lt;p&gt;.</p><p>Second.</p>" in text
    assert "<li>too few &amp; so on</li>" in text
    assert "<li>beware of &lt;this&gt;</li>" in text


def test_no_text_of_a_page_becomes_markup():
    bad = "\"'><script>x</script><b onload=x>{{ 7 * 7 }}"
    cells = [Td(bad, "", bad, "missed")]
    parts = [Picture(PNG, bad, bad), Grid([bad, bad], [(bad, cells), (bad, [])], bad)]
    text = page(bad, bad, [bad], [Chapter(bad, parts, bad, [bad])], bad, Grid([], [(bad, cells)]))
    assert Page.of(text).pictures == [PNG]
    assert text.count("&lt;script&gt;") == text.count("{{ 7 * 7 }}") == text.count("script&gt;x&lt;") == 22
    assert "<b" not in text.replace("<body", "")


def test_a_table_without_rows_keeps_its_head():
    _, found = write(Section("One", "", [Table(["score", "here"], [])]))
    assert ["score", "here"] in found.rows


def test_a_page_is_made_of_what_there_is():
    _, found = write(pictures=("sweeps",))
    assert "Who knows what" not in found.links
    assert len(found.pictures) == 1


def test_evidence_that_was_skipped_is_named_with_the_reason():
    _, found = write(Section("One", "", []), novel_views={"skipped": "no <renderer>"})
    assert found.links[-3:] == ["One", "Not measured", "How this was made"]
    assert ["novel views", "no <renderer>"] in found.rows
    assert "Not measured" not in write()[1].links


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not defined"),
        (0.0, "0.000"),
        (0.9534, "0.953"),
        (0.1, "0.100"),
        (0.0953, "0.0953"),
        (0.00433, "0.00433"),
        (-0.00433, "-0.00433"),
        (2.7722e-4, "0.000277"),
        (10.394, "10.39"),
        (104.21, "104.2"),
        (12345.6, "12,345.6"),
        (3e-9, "3e-09"),
        (1e12, "1e+12"),
    ],
)
def test_numbers_have_three_decimals_or_three_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (0.0953, 0.0912, 0.1011, "[0.0912, 0.1011]"),
        (10.394, 9.21, 12.4, "[9.21, 12.40]"),
        (0.5, -0.0001, 1.0, "[0.000, 1.000]"),
        (0.0, -0.2, 0.2, "[-0.200, 0.200]"),
        (0.5, None, None, ""),
    ],
)
def test_intervals_are_written_as_finely_as_their_value(value, low, high, text):
    assert interval({"value": value, "low": low, "high": high}) == text
