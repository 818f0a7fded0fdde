import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dcign.engine.curves import Centroids, Curve, GroupCurve
from dcign.errors import RunError
from dcign.evaluation.evidence import novel_views, view_errors
from dcign.evaluation.evidence.types import Coded, Figure, Sweep, Table
from dcign.model.code import AngleLatents
from render.shards.labels import Label

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
    return SimpleNamespace(model=model, folder=Path("toy"), object="face", size=SIZE, background=0.0)


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
    return inputs, {"azimuth": Sweep.even(ANGLES, truths, np.zeros((OBJECTS, len(ANGLES), 3), np.float32))}


def compared(scene, model=None, curve=CURVE, angle_latents=KNOBS):
    inputs, sweeps = scene
    views = view_errors.compare(run_of(model or Perfect()), inputs, sweeps, {"azimuth": curve}, angle_latents)
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
        views = view_errors.compare(run_of(Perfect()), inputs, sweeps, curves, angle_latents)
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
    small = inputs.rows(few), {"azimuth": Sweep.even(ANGLES, sweep.images[few], sweep.codes[few])}
    views, measures = compared(small)
    assert measures["factors"]["azimuth"]["mse"]["low"] is None
    assert measures["factors"]["azimuth"]["mse"]["value"] is not None
    assert len(novel_views.section(measures, views).parts) == 3


def own_values(scene, most=4):
    """Each object shown at up to `most` values of its own, one of them its input: object k at `most` less k % 2."""
    inputs, _ = scene
    rng = np.random.default_rng(3)
    values = np.full((OBJECTS, most), np.nan)
    given = np.zeros(OBJECTS, np.int64)
    for k, start in enumerate(inputs.values["azimuth"]):
        own = np.sort(np.append(rng.uniform(-60, 60, most - 1 - k % 2), start))
        values[k, : len(own)], given[k] = own, int(np.flatnonzero(own == start)[0])
    width, _, brightness = inputs.codes.T.astype(np.float64)
    images = grey(picture(np.nan_to_num(values), width[:, None], brightness[:, None]))
    images[np.isnan(values)] = 77  # no image: whatever it is must not count
    sweep = Sweep(np.arange(OBJECTS), values, images, np.zeros((*values.shape, 3), np.float32), given)
    return inputs, {"azimuth": sweep}


def test_images_of_the_mini_batch_are_asked_for_at_their_own_values_and_the_input_is_not(scene):
    inputs, sweeps = own_values(scene)
    views, measures = compared((inputs, sweeps))
    found = measures["factors"]["azimuth"]
    asked = 5 * 3 + 4 * 2
    assert (found["views"], found["minibatches"], found["identities"]) == (asked, OBJECTS, OBJECTS)
    assert "angles" not in found
    assert found["mse"]["value"] < 1.1 / 12 / 255**2
    truths = sweeps["azimuth"].images[sweeps["azimuth"].asked] / 255.0
    assert found["mean_image_mse"]["value"] == pytest.approx(truths.var(axis=0).mean())
    copies = np.repeat(inputs.images, sweeps["azimuth"].asked.sum(axis=1), axis=0) / 255.0
    assert found["copy_input"]["mse"]["value"] == pytest.approx(np.mean((copies - truths) ** 2))
    assert sum(row["views"] for row in found["by_change"]) == asked
    assert {len(strip.values) for strip in views.factors["azimuth"].strips} <= {2, 3}
    page = novel_views.section({**measures, "basis": BASIS}, views)
    assert "another one of the same mini-batch" in page.text
    assert "Nothing was drawn" in page.text
    assert page.parts[0].rows[0][-1] == f"{asked} views, {OBJECTS} mini-batches, {OBJECTS} identities"
    json.dumps(measures, allow_nan=False)


BASIS = {"from": "shards", "images": 40, "identities": 7, "minibatches": 9, "dependence": None}


def test_changes_in_other_units_fall_into_round_bins(scene):
    inputs, sweeps = own_values(scene)
    sweep = sweeps["azimuth"]
    metres = Sweep(sweep.rows, sweep.values / 600, sweep.images, sweep.codes, sweep.given)
    short = Coded(inputs.images, inputs.codes, {"azimuth": inputs.values["azimuth"] / 600}, inputs.identity)
    label = Label("azimuth", -0.1, 0.1, "m")
    curve = curve_of("azimuth", (-0.1, 0.1), (-6.0, 6.0), label=label)
    views = view_errors.compare(run_of(Perfect()), short, {"azimuth": metres}, {"azimuth": curve}, KNOBS)
    bins = novel_views.measure(views)["factors"]["azimuth"]["by_change"]
    widths = {round(row["to"] - row["from"], 9) for row in bins}
    assert widths <= {0.01, 0.02, 0.025}
    assert len(widths) == 1
    assert len(bins) <= 8


def test_categories_are_told_one_by_one(scene):
    inputs, _ = scene
    label = Label("azimuth", 0.0, 2.0, "", categories=("left", "middle", "right"))
    start = (np.arange(OBJECTS) % 3).astype(np.float32)
    values = np.array([[1, 2], [0, 2], [0, 1]], float)[np.arange(OBJECTS) % 3]
    width, _, brightness = inputs.codes.T.astype(np.float64)
    images = grey(picture(60 * (values - 1), width[:, None], brightness[:, None]))
    codes = inputs.codes.copy()
    codes[:, 1] = 6 * (start - 1)
    shown = Coded(grey(Perfect().draw(torch.tensor(codes))), codes, {"azimuth": start}, inputs.identity)
    sweep = Sweep(np.arange(OBJECTS), values, images, np.zeros((*values.shape, 3), np.float32), np.full(OBJECTS, -1))
    curve = curve_of("azimuth", (0.0, 1.0, 2.0), (-6.0, 0.0, 6.0), label=label)
    views = view_errors.compare(run_of(Perfect()), shown, {"azimuth": sweep}, {"azimuth": curve}, KNOBS)
    measures = novel_views.measure(views)
    found = measures["factors"]["azimuth"]
    assert [row["category"] for row in found["by_category"]] == ["left", "middle", "right"]
    assert [row["views"] for row in found["by_category"]] == [6, 6, 6]
    assert found["mse"]["value"] < 1.1 / 12 / 255**2
    assert set(views.factors["azimuth"].change.ravel()) == {1.0}
    assert len(novel_views.section(measures, views).parts) == 3


def curve_of(name, values, latent, label):
    if label.categories:
        return Centroids(name, values, latent, False, 0.0, 1.0, 100, 100, label=label)
    return Curve(name, values, latent, label.circular, 1.0, 1.0, 100, 100, label=label)
