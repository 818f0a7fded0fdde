import pytest
from labelled_shards import LABELS

from dcign.report.rows import is_rendered, labels_in, measures_of
from render.factors import EXTRINSIC
from render.shards.labels import labels_to_json

SPOTS = {"data_set": labels_to_json(LABELS)}


def labels_of_rows(report):
    return [row.label for rows in measures_of(report).values() for row in rows]


@pytest.mark.parametrize("report", [{}, {"data_set": {"ranges": {"azimuth": [0, 360]}}}])
def test_a_report_without_labels_is_of_the_renderer_and_has_rows_of_all_its_factors(report):
    assert is_rendered(report)
    assert set(labels_in(report)) == set(EXTRINSIC)
    rows = labels_of_rows(report)
    assert "error of light read back, degrees" in rows
    assert "coverage of elevation" in rows
    assert "SSIM of eyes, reconstructed" in rows


def test_rows_of_a_factor_are_those_that_its_values_have():
    assert not is_rendered(SPOTS)
    rows = labels_of_rows(SPOTS)
    assert len(set(rows)) == len(rows)
    assert {"circular R² of z_azimuth", "R² of a sinusoid, z_azimuth"} <= set(rows)
    assert "error of azimuth read back, degrees" in rows
    assert {"|Spearman| of z_tilt", "error of tilt read back", "R² of a line, z_tilt"} <= set(rows)
    assert {"colour read back right", "colour read right by a linear reader", "R² of categories, z_colour"} <= set(rows)
    assert not {"|Spearman| of z_colour", "circular R² of z_tilt", "R² of a line, z_azimuth"} & set(rows)


def test_what_only_the_renderer_tells_has_no_row_for_others():
    assert "Inference with the renderer, the code as statistic" not in measures_of(SPOTS)
    assert "Eyes, brows, nose and mouth" not in measures_of(SPOTS)
    assert not any("angle" in row.says or "pose" in row.says for row in measures_of(SPOTS)["Novel views of one image"])


def test_every_row_of_a_factor_leads_to_it():
    for rows in measures_of(SPOTS).values():
        for row in rows:
            assert "FACTOR" not in (*row.keys, row.label, row.says)
