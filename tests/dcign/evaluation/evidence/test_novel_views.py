import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dcign.engine.curves import Curve, GroupCurve
from dcign.errors import RunError
from dcign.evaluation.evidence import novel_views
from dcign.evaluation.evidence.types import Coded, Figure, Sweep, Table
from dcign.model.code import AngleLatents

OBJECTS, SIZE = 9, 24
ANGLES = np.linspace(-60.0, 60.0, 7)
KNOBS = AngleLatents({"azimuth": np.array([1])}, np.array([0, 2]))
CURVE = Curve("azimuth", (-60.0, 60.0), (-6.0, 6.0), False, 1.0, 1.0, 100, 100)  # latent: tens of degrees


def picture(azimuth, width, brightness):
    """The toy renderer, (..., H, W): a soft bar that moves with azimuth (...), as wide and bright as the object."""
    across = torch.linspace(-1, 1, SIZE)
    place = torch.as_tensor(azimuth)[..., None] / 90.0
    bar = torch.exp(-(((across - place) / torch.as_tensor(width)[..., None]) ** 2))
    bar = bar * torch.as_tensor(brightness)[..., None]
    return bar[..., None, :].expand(*bar.shape[:-1], SIZE, SIZE)


class Perfect(torch.nn.Module):
    """Draws the code (width, azimuth / 10, brightness) as the toy renderer does."""

    size = SIZE

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(10.0), requires_grad=False)
        self.asked = []

    def decode(self, codes):
        self.asked.append(codes.numpy().copy())
        return self.draw(codes)[:, None]

    def draw(self, codes):
        return picture(self.scale * codes[:, 1], codes[:, 0], codes[:, 2])


def run_of(model):
    return SimpleNamespace(model=model, folder=Path("toy"), object="face", size=SIZE)


def grey(images):
    return np.round(images.numpy() * 255).astype(np.uint8)


@pytest.fixture
def scene():
    """Inputs at angles of their own and the sweep that the toy renderer draws of them."""
    rng = np.random.default_rng(0)
    width, brightness = rng.uniform(0.2, 0.5, OBJECTS), rng.uniform(0.3, 1.0, OBJECTS)
    given = rng.uniform(-60, 60, OBJECTS)
    codes = np.stack([width, given / 10, brightness], axis=1).astype(np.float32)
    images = grey(picture(given, width, brightness))
    inputs = Coded(images, codes, {"azimuth": given.astype(np.float32)}, np.arange(100, 100 + OBJECTS))
    truths = grey(picture(np.tile(ANGLES, (OBJECTS, 1)), width[:, None], brightness[:, None]))
    return inputs, {"azimuth": Sweep(ANGLES, truths, np.zeros((OBJECTS, len(ANGLES), 3), np.float32))}


def compared(scene, model=None, curve=CURVE, angle_latents=KNOBS):
    inputs, sweeps = scene
    views = novel_views.compare(run_of(model or Perfect()), inputs, sweeps, {"azimuth": curve}, angle_latents)
    return views, novel_views.measure(views)


def test_a_perfect_code_scores_only_the_rounding_of_the_truth(scene):
    _, measures = compared(scene)
    found = measures["factors"]["azimuth"]
    assert found["mse"]["value"] < 1.1 / 12 / 255**2
    assert measures["novel_view_mse"] == found["mse"]
    assert found["ssim"]["value"] > 0.99
    assert found["psnr"]["value"] == pytest.approx(58.9, abs=0.6)
    assert found["ratio_to_copying"]["high"] < 1e-3
    assert measures["reconstruction_mse"]["value"] < 1.1 / 12 / 255**2
    assert 0.99 < measures["reconstruction_ssim"]["value"] <= 1


def test_a_decoder_that_ignores_the_knob_scores_as_copying_the_input_does(scene):
    given = scene[0].values["azimuth"]

    class Deaf(Perfect):
        def draw(self, codes):
            who = np.argmin(np.abs(codes[:, :1].numpy() - scene[0].codes[:, 0]), axis=1)
            return picture(given[who], codes[:, 0], codes[:, 2])

    found = compared(scene, Deaf())[1]["factors"]["azimuth"]
    assert found["ratio_to_copying"]["value"] == pytest.approx(1, abs=1e-2)
    assert found["mse"]["value"] == pytest.approx(found["copy_input"]["mse"]["value"], rel=1e-2)
    assert found["ssim"]["value"] == pytest.approx(found["copy_input"]["ssim"]["value"], abs=1e-2)


def test_only_the_latents_of_the_factor_are_set_and_by_the_curve(scene):
    model = Perfect()
    compared(scene, model)
    asked = np.concatenate(model.asked)[OBJECTS:].reshape(OBJECTS, len(ANGLES), 3)  # after the reconstructions
    np.testing.assert_allclose(asked[:, :, 1], np.tile(ANGLES / 10, (OBJECTS, 1)), rtol=1e-6)
    np.testing.assert_array_equal(asked[:, :, [0, 2]], np.repeat(scene[0].codes[:, None, [0, 2]], len(ANGLES), axis=1))


def test_angles_beyond_the_calibration_are_asked_for_at_its_end(scene):
    model = Perfect()
    compared(scene, model, Curve("azimuth", (-20.0, 40.0), (-2.0, 4.0), False, 1.0, 1.0, 100, 100))
    asked = np.concatenate(model.asked)[OBJECTS:]
    assert sorted(np.unique(asked[:, 1])) == [-2, 0, 2, 4]


def test_a_group_of_latents_is_set_together(scene):
    model = Perfect()
    curve = GroupCurve("azimuth", (-60.0, 60.0), ((-1.0, -6.0), (1.0, 6.0)), False, 1.0, 1.0, 100, 100)
    compared(scene, model, curve, AngleLatents({"azimuth": np.array([2, 1])}, np.array([0])))
    asked = np.concatenate(model.asked)[OBJECTS:]
    np.testing.assert_allclose(asked[:, 2], np.tile(ANGLES / 60, OBJECTS), rtol=1e-6)
    np.testing.assert_allclose(asked[:, 1], np.tile(ANGLES / 10, OBJECTS), rtol=1e-6)


def test_the_mean_image_scores_the_variance_of_the_truths(scene):
    _, measures = compared(scene)
    variance = (scene[1]["azimuth"].images / 255.0).reshape(-1, SIZE, SIZE).var(axis=0).mean()
    assert measures["factors"]["azimuth"]["mean_image_mse"]["value"] == pytest.approx(variance)


def test_bins_of_change_hold_every_view_once_and_average_to_the_whole(scene):
    views, measures = compared(scene)
    found = measures["factors"]["azimuth"]
    bins = found["by_change"]
    assert sum(row["views"] for row in bins) == found["views"] == OBJECTS * len(ANGLES)
    whole = sum(row["views"] * row["copy_mse"]["value"] for row in bins) / found["views"]
    assert whole == pytest.approx(found["copy_input"]["mse"]["value"])
    assert len(bins) <= 8
    assert bins[-1]["to"] >= views.factors["azimuth"].change.max()
    assert bins[0]["copy_mse"]["value"] < bins[-1]["copy_mse"]["value"] / 3


def test_change_on_a_circle_goes_the_short_way_round(scene):
    inputs, sweeps = scene
    around = Coded(inputs.images, inputs.codes, {"azimuth": np.full(OBJECTS, 350, np.float32)}, inputs.identity)
    curve = Curve("azimuth", (0.0, 180.0, 360.0), (0.0, 1.0, 0.0), True, None, 1.0, 100, 100)
    views, _ = compared((around, sweeps), curve=curve)
    np.testing.assert_allclose(views.factors["azimuth"].change[0], np.abs(ANGLES + 10))


def test_best_and_worst_are_told_by_error_whatever_the_brightness(scene):
    inputs, sweeps = scene
    codes = inputs.codes.copy()
    codes[:, 2] *= 0.9  # all 10 % too dark
    codes[7, 2] *= 0.5  # the worst
    codes[5, 2] /= 0.9  # the best
    dark = int(np.argmin(inputs.codes[:, 2]))
    assert dark not in (7, 5)
    views, measures = compared((Coded(inputs.images, codes, inputs.values, inputs.identity), sweeps))
    found = measures["factors"]["azimuth"]
    assert (found["best"]["identity"], found["worst"]["identity"]) == (105, 107)
    shown = {strip.row: strip.why for strip in views.factors["azimuth"].strips}
    assert "best of 9" in shown[5]
    assert "worst of 9" in shown[7]
    assert "even steps" in shown[5]  # one of the two at even steps, and shown once
    assert len(shown) == 3
    assert found["worst"]["over_empty_picture"] == pytest.approx(0.55**2, abs=1e-2)


def test_a_factor_without_a_curve_or_a_knob_is_none_and_named(scene):
    inputs, sweeps = scene
    for curves, angle_latents in (({}, KNOBS), ({"azimuth": CURVE}, AngleLatents({}, np.arange(3)))):
        views = novel_views.compare(run_of(Perfect()), inputs, sweeps, curves, angle_latents)
        measures = novel_views.measure(views)
        assert measures["factors"] == {"azimuth": None}
        assert measures["novel_view_mse"] is None
        assert "azimuth" in measures["warnings"][0]
        section = novel_views.section(measures, views)
        assert section.parts == []
        assert section.warnings == measures["warnings"]


def test_a_decoder_that_diverged_is_refused(scene):
    class Diverged(Perfect):
        def draw(self, codes):
            return super().draw(codes) * torch.nan

    with pytest.raises(RunError, match="not finite"):
        compared(scene, Diverged())


def test_the_section_shows_every_factor_and_its_pictures_open(scene):
    views, measures = compared(scene)
    section = novel_views.section(measures, views)
    table, chart, strips = section.parts
    assert isinstance(table, Table)
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert "LPIPS" not in table.head  # not at hand here, which the caption says
    assert "LPIPS: not measured: " in table.caption
    assert isinstance(chart, Figure)
    assert Image.open(io.BytesIO(chart.png)).size[0] > 200
    assert strips.name == "novel-views-azimuth"
    blocks = len(views.factors["azimuth"].strips)
    image = Image.open(io.BytesIO(strips.png))
    assert image.height > blocks * 3 * SIZE
    assert image.width > (1 + len(ANGLES)) * SIZE
    json.dumps(measures, allow_nan=False)


def test_three_objects_have_values_without_intervals_and_the_same_pages(scene):
    inputs, sweeps = scene
    few = np.arange(3)
    sweep = sweeps["azimuth"]
    small = inputs.rows(few), {"azimuth": Sweep(sweep.angles, sweep.images[few], sweep.codes[few])}
    views, measures = compared(small)
    assert measures["factors"]["azimuth"]["mse"]["low"] is None
    assert measures["factors"]["azimuth"]["mse"]["value"] is not None
    assert len(novel_views.section(measures, views).parts) == 3
