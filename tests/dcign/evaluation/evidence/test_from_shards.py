"""Images out of shards that no renderer can add to: each once, none of its own input, all under their own labels."""

import numpy as np
import pytest
from labelled_shards import FACTORS, LABELS, labelled_images, write_labelled

from dcign.evaluation.encoding import Encoding, image_keys
from dcign.evaluation.evidence import basis
from dcign.evaluation.evidence.from_shards import MOST_ASKED, take_images, training_images
from dcign.evaluation.evidence.types import Coded
from dcign.evaluation.metrics.image_quality import ReconstructionSums
from dcign.model.code import AngleLatents
from render.shards.data_set import open_data_set
from render.shards.labels import Label

SIZE, BATCH = 24, 6
KNOBS = AngleLatents({name: np.array([place]) for place, name in enumerate(LABELS)}, np.array([4]))


def encoded(data):
    """An encoding whose codes are the values and the identity."""
    batches = list(data.minibatches())
    values = {name: np.concatenate([batch.values[name] for batch in batches]) for name in data.labels}
    identity = np.concatenate([batch.identity for batch in batches])
    count = len(identity)
    return Encoding(
        np.column_stack([*values.values(), identity]).astype(np.float32),
        values,
        identity,
        np.repeat(np.arange(len(batches)), data.batch_size),
        np.repeat([batch.factor for batch in batches], data.batch_size),
        np.zeros(count),
        ReconstructionSums(),
        np.concatenate([image_keys(batch) for batch in batches]),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_labelled(folder, size=SIZE, counts=dict.fromkeys(FACTORS, 5), split="test", batch_size=BATCH)
    write_labelled(folder, size=SIZE, counts={"tilt": 2}, batch_size=BATCH)
    return open_data_set(folder, "test")


@pytest.fixture(scope="module")
def taken(data):
    return take_images(data, encoded(data), KNOBS, 100)


def true_images(coded):
    return labelled_images(coded.values, coded.identity, SIZE)


def test_each_image_is_read_with_its_own_labels(taken):
    for coded in (taken.probes, taken.gallery, taken.sought, taken.inputs):
        assert len(coded.images)
        np.testing.assert_array_equal(coded.images, true_images(coded))
        np.testing.assert_array_equal(coded.codes[:, 3], coded.values["tilt"])


def test_an_image_that_stands_in_several_mini_batches_is_one_probe(taken):
    rows = {(image.tobytes(), who) for image, who in zip(taken.probes.images, taken.probes.identity, strict=True)}
    assert len(rows) == len(taken.probes.images) == taken.basis["images"]


def test_the_gallery_has_one_image_of_each_identity_and_it_is_not_sought(taken):
    assert sorted(set(taken.probes.identity)) == sorted(taken.gallery.identity)
    assert len(taken.sought.images) == len(taken.probes.images) - len(taken.gallery.images)
    known = {image.tobytes() for image in taken.gallery.images}
    assert not {image.tobytes() for image in taken.sought.images} & known


def test_the_gallery_is_nearest_to_the_reference(taken):
    who = taken.gallery.identity[0]
    own = taken.probes.rows(np.flatnonzero(taken.probes.identity == who))

    def away(coded):
        turn = np.abs(np.mod(coded.values["azimuth"] - taken.reference["azimuth"] + 180, 360) - 180) / 180
        far = np.abs(coded.values["distance"] - taken.reference["distance"]) / 40
        tilt = np.abs(coded.values["tilt"] - taken.reference["tilt"]) / 2
        return turn + far + tilt + (coded.values["colour"] != taken.reference["colour"])

    assert away(taken.gallery.rows(np.array([0])))[0] == pytest.approx(away(own).min())
    assert taken.reference["colour"] in (0, 1, 2)


def test_a_sweep_is_a_mini_batch_by_rising_value_with_one_input_which_is_not_asked_for(data, taken):
    for name, sweep in taken.sweeps.items():
        inputs = taken.inputs.rows(sweep.rows)
        assert len(inputs.images) == 5
        for place, (own, given, images) in enumerate(zip(sweep.values, sweep.given, sweep.images, strict=True)):
            known = np.isfinite(own)
            assert np.all(np.diff(own[known]) >= 0)
            batch = data.minibatch(name, place)
            shown = {image.tobytes() for image in batch.images}
            assert {image.tobytes() for image in images[known]} == shown
            assert len(images[known]) == len(shown)
            assert inputs.identity[place] in batch.identity
            assert 0 <= given < known.sum()
        np.testing.assert_array_equal(inputs.images, sweep.images[np.arange(5), sweep.given])
        assert np.array_equal(sweep.asked.sum(axis=1) + 1, sweep.known.sum(axis=1))
        values = sweep.codes[..., list(LABELS).index(name)]
        np.testing.assert_allclose(values[sweep.known], sweep.values[sweep.known], rtol=1e-6)


def test_long_mini_batches_are_asked_for_at_even_steps(tmp_path):
    write_labelled(tmp_path, size=SIZE, counts={"tilt": 2}, split="test", batch_size=30)
    data = open_data_set(tmp_path, "test")
    sweep = take_images(data, encoded(data), KNOBS, 100).sweeps["tilt"]
    assert sweep.values.shape == (2, MOST_ASKED + 1)
    whole = np.sort(data.minibatch("tilt", 0).values["tilt"])
    assert sweep.values[0, 0] <= whole[1]  # the input may be the least of them
    assert sweep.values[0, -1] >= whole[-2]


def test_no_more_identities_and_images_are_taken_than_asked_for_and_of_each_as_many(data):
    few = take_images(data, encoded(data), KNOBS, 3)
    assert few.basis["identities"] == 3
    assert len(few.probes.images) <= 60
    assert set(few.probes.identity) <= set(take_images(data, encoded(data), KNOBS, 100).probes.identity)


def test_a_factor_without_mini_batches_is_named(tmp_path):
    write_labelled(tmp_path, size=SIZE, counts={"tilt": 3, "intrinsic": 3}, split="test", batch_size=BATCH)
    data = open_data_set(tmp_path, "test")
    taken = take_images(data, encoded(data), KNOBS, 100)
    assert list(taken.sweeps) == ["tilt"]
    assert [line.split(":")[0] for line in taken.warnings] == ["azimuth", "distance", "colour"]


def test_identities_of_one_image_are_taken_only_where_there_are_no_others(tmp_path):
    write_labelled(tmp_path, size=SIZE, counts={"intrinsic": 3}, split="test", batch_size=BATCH)
    data = open_data_set(tmp_path, "test")
    taken = take_images(data, encoded(data), KNOBS, 100)
    assert len(taken.probes.images) > 12
    assert taken.sweeps == {}
    assert len(taken.inputs.images) == 0


def test_images_of_others_are_those_of_training_if_they_lie_beside(data, tmp_path):
    others = training_images(data)
    assert others.shape == (12, SIZE, SIZE)
    write_labelled(tmp_path, size=SIZE, counts={"tilt": 1}, split="test", batch_size=BATCH)
    assert training_images(open_data_set(tmp_path, "test")) is None
    assert training_images(open_data_set(data.folder, "train")) is None


def labelled(**values):
    count = len(next(iter(values.values())))
    columns = {name: np.asarray(column, np.float32) for name, column in values.items()}
    return Coded(np.zeros((count, 1, 1), np.uint8), np.zeros((count, 1), np.float32), columns, np.arange(count))


def test_the_labels_that_depend_most_on_each_other_are_named():
    rng = np.random.default_rng(0)
    labels = {name: Label(name, 0.0, 1.0, "") for name in "abc"}
    a, b = rng.uniform(size=(2, 500))
    found = basis.basis_of(labelled(a=a, b=b, c=1 - b), 9, labels)["dependence"]
    assert found["factors"] == ["b", "c"]
    assert found["share"] > 0.8
    assert basis.basis_of(labelled(a=a, b=b), 9, labels)["dependence"]["share"] < 0.02
    assert basis.basis_of(labelled(a=a, b=np.ones(500)), 9, labels)["dependence"] is None


def test_the_page_says_what_it_rests_on():
    told = basis.told("Some text.", {"basis": basis.basis_of(labelled(a=[0, 1]), 7, {"a": Label("a", 0, 1)})})
    assert told.startswith("Some text.\n\n")
    assert "2 different images of the shards, of 2 identities out of 7 mini-batches." in told
    assert "depend" not in told  # a single label
    assert basis.told("Some text.", {}) == "Some text."
