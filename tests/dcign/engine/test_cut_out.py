"""Heads cut out of photographs: drawn heads before a motley background, whose true outline is known."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dcign.engine import cut_out
from dcign.engine.cut_out import check_cut_out, cut_out_head
from dcign.errors import BadInput, RunError
from pipelines.catalogs import open_catalog
from pipelines.drawing.objects import ObjectRenderer

SIDE, LEFT, TOP = 240, 110, 60  # of the frame of a training image within the photograph
WIDTH, HEIGHT = 480, 400


@pytest.fixture(scope="module")
def heads():
    """From in front, and turned and lit from the side: (2, SIDE, SIDE) uint8."""
    renderer = ObjectRenderer(open_catalog("face", Path("built-in")), SIDE)
    return [renderer.image(renderer.object(3, "test"), azimuth, 0.0, light) for azimuth, light in ((0, 0), (20, 30))]


@pytest.fixture
def _needs_opencv():
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed: pip install 'dcign[photos]'")


def photograph(head=None, mode="RGB"):
    """A head before coarse and fine noise of all colours."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (10, 12, 3), np.uint8)).resize((WIDTH, HEIGHT))
    pixels = np.asarray(coarse, float) + random.normal(0, 15, (HEIGHT, WIDTH, 3))
    if head is not None:
        place = pixels[TOP : TOP + SIDE, LEFT : LEFT + SIDE]
        place[head > 0] = (head[..., None] * [1.0, 0.8, 0.65])[head > 0]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert(mode)


@pytest.mark.usefixtures("_needs_opencv")
@pytest.mark.parametrize("which", [0, 1])
def test_a_head_is_framed_as_in_the_training_images_and_what_is_around_it_is_gone(heads, which):
    found = cut_out_head(photograph(heads[which]))
    assert found.mode == "RGBA"
    assert found.width == found.height
    assert abs(found.width - SIDE) < 0.15 * SIDE
    seen = np.asarray(found.resize((SIDE, SIDE)))[..., 3] > 127
    true = heads[which] > 0
    assert (seen & true).sum() / (seen | true).sum() > 0.8  # of the places in the frame too


@pytest.mark.usefixtures("_needs_opencv")
def test_the_square_may_be_named_and_the_outline_is_then_exact(heads):
    for head in heads:
        found = np.asarray(cut_out_head(photograph(head), box=(LEFT, TOP, SIDE)))[..., 3] > 127
        assert (found & (head > 0)).sum() / (found | (head > 0)).sum() > 0.93


@pytest.mark.usefixtures("_needs_opencv")
def test_it_is_the_same_each_time_and_in_grey_and_may_touch_the_edge(heads):
    once, again = (np.asarray(cut_out_head(photograph(heads[0]))) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert cut_out_head(photograph(heads[0], "L")).width == cut_out_head(photograph(heads[0], "LA")).width
    edge = photograph(heads[0]).crop((LEFT + 20, TOP + 10, WIDTH, HEIGHT))
    assert np.asarray(cut_out_head(edge))[:, 0, 3].max() < 128


@pytest.mark.usefixtures("_needs_opencv")
def test_an_image_without_a_face_is_named(heads):
    with pytest.raises(RunError, match=r"me\.jpg: no face found to cut out; .* by `box`"):
        cut_out_head(photograph(), "me.jpg")


@pytest.mark.usefixtures("_needs_opencv")
def test_heads_are_for_runs_on_faces():
    check_cut_out("face")
    with pytest.raises(BadInput, match="`cut_out`: expected a run on faces, found one on chairs"):
        check_cut_out("chair")


@pytest.mark.parametrize("module", [None, type(sys)("cv2")], ids=["missing", "without cascades"])
def test_without_its_package_the_extra_is_named(monkeypatch, module):
    if module is not None:
        module.__version__ = "5.0.0"
    monkeypatch.setitem(sys.modules, "cv2", module)
    with pytest.raises(BadInput, match=r"`cut_out` needs the package opencv-python-headless.*dcign\[photos\]"):
        cut_out._opencv()
