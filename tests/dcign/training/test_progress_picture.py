"""The picture of a run in training shows what the model really does, for any graphics code."""

import numpy as np
import pytest
import torch
from shard_fixtures import write_synthetic

from dcign.model.code import CodeLayout
from dcign.model.paper_network import PaperDCIGN
from dcign.training import progress_picture
from dcign.training.held_out import held_out_minibatches
from dcign.training.progress_picture import choose, draw_progress, sweep_values, swept_latents
from render.shards.data_set import open_data_set

CPU = torch.device("cpu")
FACES = CodeLayout.parse("azimuth:1,elevation:1,light:1,intrinsic:5")
HELD_OUT = {"azimuth": 2, "elevation": 2, "light": 1, "intrinsic": 2}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return open_data_set(write_synthetic(tmp_path_factory.mktemp("faces")))


@pytest.fixture
def model():
    torch.manual_seed(3)
    made = PaperDCIGN((4, 3, 2), 8, 54)
    with torch.no_grad():
        made.encoder.mean.weight.mul_(30)
        made.decoder.linear.weight.mul_(30)
    return made


@pytest.fixture
def rows_of(monkeypatch):
    """Draws and returns the rows that were drawn."""

    def rows(*arguments):
        drawn = []
        monkeypatch.setattr(progress_picture, "draw_rows", lambda rows, scale: drawn.append((rows, scale)))
        draw_progress(*arguments)
        return drawn[0][0]

    return rows


def test_originals_stand_over_their_reconstructions(faces, model, rows_of):
    original, decoded, *_ = rows_of(model, FACES, faces, HELD_OUT, CPU)
    images = np.stack([tile.image for tile in original.tiles])
    with torch.no_grad():
        expected = model.decode(model.encode(torch.from_numpy(images)[:, None])[0])[:, 0].numpy()
    np.testing.assert_allclose(np.stack([tile.image for tile in decoded.tiles]), expected, atol=1e-5)
    stored = np.concatenate([minibatch.images for minibatch in held_out_minibatches(faces, HELD_OUT)])
    known = {image.tobytes() for image in stored}
    assert len(images) == 8
    assert all((image * 255).round().astype(np.uint8).tobytes() in known for image in images)
    assert "Held-out" in original.heading


def test_a_sweep_sets_one_latent_of_the_first_image_and_nothing_else(faces, model, rows_of):
    original, decoded, *sweeps = rows_of(model, FACES, faces, HELD_OUT, CPU)
    assert [row.label for row in sweeps] == ["azimuth", "elevation", "light", "intrinsic (1 of 5)"]
    with torch.no_grad():
        code = model.encode(torch.from_numpy(original.tiles[0].image)[None, None])[0]
    for index, row in enumerate(sweeps):
        own, *frames = row.tiles
        assert own.caption == f"as read: {float(code[0, index]):.2g}".replace("-", "−")
        np.testing.assert_allclose(own.image, decoded.tiles[0].image, atol=1e-5)
        for frame in frames:
            swept = code.clone()
            swept[0, index] = float(frame.caption.removeprefix("z = ").replace("−", "-"))
            with torch.no_grad():
                np.testing.assert_allclose(frame.image, model.decode(swept)[0, 0], atol=0.02)  # two digits of z


def test_images_of_a_mini_batch_are_spread_over_its_angles(faces):
    minibatches = list(held_out_minibatches(faces, HELD_OUT))
    chosen = choose(minibatches, faces.labels)
    assert len({(number, place) for number, place, _ in chosen}) == len(chosen) == 8
    assert [minibatches[number].factor for number, *_ in chosen] == [f for f in HELD_OUT for _ in range(2)]
    (first, low, caption), (second, high, _) = chosen[:2]
    angles = minibatches[first].values["azimuth"]
    assert first == second
    assert sorted(angles).index(angles[low]) == 1  # of six: the middles of the lower and the upper half
    assert sorted(angles).index(angles[high]) == 4
    assert caption == f"azimuth {angles[low]:.1f}°".replace("-", "−").replace(".0°", "°")
    assert [caption for *_, caption in chosen[6:]] == ["intrinsic 1", "intrinsic 2"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("azimuth:1,rest:199", [("azimuth", 0), ("rest (1 of 199)", 1)]),
        ("rest:3,azimuth:1", [("azimuth", 3), ("rest (1 of 3)", 0)]),
        ("azimuth:2,light:1,shape:5,albedo:4", [("light", 2), ("shape (1 of 5)", 3)]),
        ("azimuth:2,elevation:2", []),
        ("everything:1", [("everything", 0)]),
    ],
)
def test_swept_are_extrinsic_latents_that_stand_alone_and_the_first_intrinsic_one(code, expected):
    assert swept_latents(CodeLayout.parse(code)) == expected


def test_a_sweep_covers_the_latent_and_no_outlier():
    latent = np.append(np.linspace(-2, 3, 1000), [900.0, -800.0]).astype(np.float32)
    values = sweep_values(latent)
    assert np.all(np.diff(values) > 0)
    assert -3 < values[0] < np.quantile(latent, 0.025)
    assert np.quantile(latent, 0.975) < values[-1] < 4
    assert np.all(sweep_values(np.full(40, 0.5, np.float32)) == 0.5)  # a latent that never moves


def test_with_nothing_held_out_the_last_training_images_are_shown(faces, model, rows_of):
    rows = rows_of(model, FACES, faces, dict.fromkeys(HELD_OUT, 0), CPU)
    assert "Training" in rows[0].heading
    shown = (rows[0].tiles[0].image * 255).round().astype(np.uint8)
    assert any(np.array_equal(shown, image) for image in faces.minibatch("azimuth", 2).images)


@pytest.mark.parametrize("code", ["azimuth:1,rest:7", "azimuth:2,rest:6", "azimuth:4,elevation:4"])
def test_any_object_and_code_is_drawn_and_the_model_left_as_it_was(tmp_path, model, code):
    counts = {"azimuth": 1, "intrinsic": 2} if "rest" in code else {"azimuth": 1}
    chairs = open_data_set(write_synthetic(tmp_path, object="chair", counts=counts, batch_size=3))
    before = torch.get_rng_state()
    picture = draw_progress(model.train(), CodeLayout.parse(code), chairs, {"azimuth": 1}, CPU)
    assert (picture.mode, model.training) == ("L", True)
    assert min(picture.size) > 200
    assert torch.equal(before, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in model.parameters())
