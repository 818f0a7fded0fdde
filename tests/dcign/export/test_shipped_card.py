from report_fixtures import report
from untrained_run import write_untrained

from dcign.engine.calibration import Calibration
from dcign.engine.curves import Curve
from dcign.export.shipping import every_measure, shipped_card
from dcign.runs.run import load_run

LINE = Curve("azimuth", (-90.0, 0.0, 90.0), (-6.0, 0.0, 5.0), False, 3.0, 0.9, 100, 100)


def test_the_table_has_what_was_measured_with_intervals_and_nothing_else():
    lines = every_measure(report("run", 0.01)).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "| test MSE | 0.0100 | 0.0090 to 0.0110 | Mean squared error, grey values in [0, 1]. |" in lines
    assert any(line.startswith("| \\|Spearman\\| of z_azimuth | 0.900 | 0.890 to 0.910 |") for line in lines)
    assert any(line.startswith("| largest leak | 0.200 |  |") for line in lines)
    assert [line for line in lines if line.startswith("| **")] == [
        "| **Reconstruction** | | | |",
        "| **Knobs** | | | |",
    ]
    assert len(lines) == 2 + 2 + 3
    assert every_measure({}).count("\n") == 1


def test_the_card_says_how_to_use_the_name_and_where_the_weights_are_from(tmp_path):
    run = load_run(write_untrained(tmp_path / "run"))
    document = {**report("run"), "headline": [{"name": "reconstruction MSE", "value": 0.01, "aim": "", "meaning": ""}]}
    rendering = {"assets": {"name": "built-in", "models": {}}}
    origin = {"name": "mine", "recipe": "small", "shards": "small/shards", "commit": "0123abc"}
    card = shipped_card(run, Calibration({"azimuth": LINE}, 7, {}), document, rendering, **origin)
    for part in ("dcign rerender mine ", "dcign evaluate mine small/shards", "`dcign run small`", 'dcign.load("mine")'):
        assert part in card
    assert "| recipe | small, beside this card as recipe.toml |" in card
    assert "| commit | 0123abc |" in card
    assert card.rstrip().endswith(every_measure(document))
