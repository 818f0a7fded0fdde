import io

import numpy as np
import pytest
from PIL import Image
from untrained_run import write_untrained

from dcign.engine.codes import encode
from dcign.engine.curves import Curve
from dcign.evaluation.evidence import traversals
from dcign.evaluation.evidence.types import Coded
from dcign.model.code import AngleLatents, named_latents
from dcign.runs.run import load_run
from render.shards.labels import labels_of

LABELS = labels_of({"ranges": {"light": (-80.0, 80.0)}})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_untrained(tmp_path_factory.mktemp("run"), code="azimuth:2,light:1,rest:5"))


@pytest.fixture(scope="module")
def probes(run):
    images = np.random.default_rng(0).integers(0, 256, (30, 54, 54), dtype=np.uint8)
    return Coded(images, encode(run, images / 255.0), {}, np.arange(30))


def asked(run, probes, monkeypatch):
    """The codes that were decoded, one array for each row."""
    seen = []
    real = traversals.decode
    monkeypatch.setattr(traversals, "decode", lambda run, codes: seen.append(codes) or real(run, codes))
    traversals.section(run, probes, named_latents(run.layout), {}, probes, {})
    return seen


def test_each_latent_goes_from_minus_to_plus_fifteen_in_eleven_steps_and_no_other_moves(run, probes, monkeypatch):
    rows = asked(run, probes, monkeypatch)
    assert len(rows) == 3 * 3  # objects, latents
    for number, codes in enumerate(rows):
        latent = (0, 1, 2)[number % 3]
        assert codes[:, latent].tolist() == [-15, -12, -9, -6, -3, 0, 3, 6, 9, 12, 15]
        place = (0, 14, 29)[number // 3]
        others = np.delete(np.arange(8), latent)
        np.testing.assert_array_equal(codes[:, others], np.repeat(probes.codes[[place]][:, others], 11, axis=0))


def test_the_table_tells_what_the_latents_really_take(run, probes):
    curve = Curve("light", (-80.0, 80.0), (-2.0, 3.0), False, 1.0, 1.0, 100, 100)
    figure, table = traversals.section(run, probes, named_latents(run.layout), {"light": curve}, probes, LABELS).parts
    assert [row[0] for row in table.rows] == ["z_azimuth (latent 0)", "z_azimuth (latent 1)", "z_light"]
    np.testing.assert_allclose(table.rows[2][1:3], np.quantile(probes.codes[:, 2], [0.01, 0.99]))
    assert table.rows[2][3] == "−2 at −80° to 3 at 80°"
    assert table.rows[0][3] == "no calibration"
    assert Image.open(io.BytesIO(figure.png)).width > 12 * 54


def test_the_caption_warns_only_of_latents_that_stay_far_within_the_range(run, probes):
    def caption(scale):
        codes = probes.codes * (scale / np.abs(probes.codes).max(axis=0))
        wide = Coded(probes.images, codes.astype(np.float32), {}, probes.identity)
        return traversals.section(run, wide, named_latents(run.layout), {}, wide, {}).parts[0].caption

    assert "far outside" in caption(2.0)
    assert "z_light" in caption(2.0)
    assert "far outside" not in caption(20.0)


def test_a_code_without_knobs_has_no_sweep_and_says_so(run, probes):
    section = traversals.section(run, probes, AngleLatents({}, np.arange(8)), {}, probes, {})
    assert section.parts == []
    assert "nothing to sweep" in section.warnings[0]
