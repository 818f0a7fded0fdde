import json
import os
from pathlib import Path

import numpy as np
import pytest
from shard_fixtures import write_synthetic

from render.errors import ShardError
from render.shards import data_set
from render.shards.data_set import open_data_set
from render.shards.manifest import NAME, Entry, read_manifest
from render.shards.shard_file import ShardFile, shard_name, write_shard
from render.shards.verification import unknown_files, verify_shard


@pytest.fixture
def folder(tmp_path):
    return write_synthetic(tmp_path / "shards", counts={"azimuth": 3, "light": 2})


def faults(folder):
    manifest = read_manifest(folder)
    lines = [
        line for name, entry in manifest.shards.items() for line in verify_shard(folder, name, entry, manifest.settings)
    ]
    return lines + unknown_files(folder, manifest)


def edit_manifest(folder, change):
    document = json.loads((folder / NAME).read_text())
    change(document)
    (folder / NAME).write_text(json.dumps(document))


def test_mini_batches_come_back_as_written(folder):
    data = open_data_set(folder)
    assert data.factors == ("azimuth", "light")
    assert (data.count("azimuth"), data.count("light"), data.count("elevation")) == (3, 2, 0)
    batch = data.minibatch("light", 1)
    assert batch.images.shape == (6, 54, 54)
    assert len(np.unique(batch.values["light"])) == 6
    assert len(np.unique(batch.values["azimuth"])) == 1
    with pytest.raises(IndexError):
        data.minibatch("light", 2)


def test_a_good_folder_has_no_faults(folder):
    assert faults(folder) == []


@pytest.mark.parametrize("where", ["missing", "file"])
def test_a_path_that_is_no_folder_is_named(tmp_path, where):
    (tmp_path / "file").write_text("")
    with pytest.raises(ShardError, match=where):
        open_data_set(tmp_path / where)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(ShardError, match=r"manifest\.json.*dcign render"):
        open_data_set(tmp_path)


def test_a_missing_split_says_what_is_there(folder):
    with pytest.raises(ShardError, match="expected test shards, found only train"):
        open_data_set(folder, "test")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}', '{"format": "dcign-shards", "version": 1}'])
def test_a_damaged_manifest_is_named(folder, text):
    (folder / NAME).write_text(text)
    with pytest.raises(ShardError, match=NAME):
        open_data_set(folder)


def test_another_format_version_is_refused(folder):
    edit_manifest(folder, lambda document: document.update(version=99))
    with pytest.raises(ShardError, match="version 1, found 99"):
        open_data_set(folder)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"assets": []}, "settings.assets: expected an object, found an empty list"),
        ({"assets": {"models": 7}}, "settings.assets.models: expected an object, found 7"),
        ({"views": [1]}, "settings.views: expected an object, found a list of 1"),
        ({"ranges": {"azimuth": [0, "x"]}}, r"settings.ranges.azimuth\[1\]: expected a number, found 'x'"),
        ({"seed": -1}, "settings.seed: expected a whole number from 0, found -1"),
        ({"object": None}, "settings.object: expected a text, found null"),
        ({"object": "boat"}, "settings.object: expected one of face, chair, found 'boat'"),
    ],
)
def test_a_manifest_that_says_nonsense_is_refused_with_the_place(folder, settings, said):
    edit_manifest(folder, lambda document: document["settings"].update(settings))
    with pytest.raises(ShardError, match=f"{NAME}: {said}"):
        open_data_set(folder)


def test_a_manifest_entry_may_not_point_outside(folder):
    def escape(document):
        document["shards"]["../azimuth-train-00000.npz"] = document["shards"].pop("azimuth-train-00000.npz")

    edit_manifest(folder, escape)
    with pytest.raises(ShardError, match=NAME):
        open_data_set(folder)


def test_a_manifest_that_disagrees_with_its_shards_names_the_shard(folder):
    edit_manifest(folder, lambda document: document["settings"].update(size=70))
    with pytest.raises(ShardError, match=r"azimuth-train-00000\.npz.*70.*found.*54"):
        open_data_set(folder)


def test_a_shard_of_another_length_is_refused(folder):
    path = folder / "light-train-00000.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ShardError, match=path.name):
        open_data_set(folder)
    assert any(path.name in line for line in faults(folder))


def test_one_flipped_bit_is_found(folder):
    path = folder / "light-train-00000.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert len(faults(folder)) == 1
    assert path.name in faults(folder)[0]


def test_a_missing_shard_and_strange_files_are_found(folder):
    (folder / "light-train-00000.npz").rename(folder / "other.npz")
    (folder / ".x.npz.12.tmp").write_text("")
    text = "\n".join(faults(folder))
    assert "light-train-00000.npz" in text
    assert "other.npz" in text
    assert "left over" in text
    assert len(faults(folder)) == 3


def test_a_shard_in_which_two_factors_vary_is_found(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts={"azimuth": 2})
    manifest = read_manifest(folder)
    name = "azimuth-train-00000.npz"
    file = ShardFile(folder / name)
    arrays = {key: file.read(key) for key in file.shapes}
    arrays["light"][1, 0] += 1
    sha256, size = write_shard(folder / name, arrays)
    manifest.shards[name] = Entry(sha256, size, "azimuth", "train", 0, 0, 2)
    assert any("one light" in line for line in verify_shard(folder, name, manifest.shards[name], manifest.settings))


def shorter(path):
    os.truncate(path, path.stat().st_size // 2)


def longer(path):
    with open(path, "ab") as file:
        file.write(b"more")


def other_content(path):
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"other")


def other_file(path):
    path.with_suffix(".new").write_bytes(bytes(reversed(path.read_bytes())))
    path.with_suffix(".new").rename(path)


@pytest.fixture(params=["open", "closed"])
def light(request, folder, monkeypatch):
    """A data set that has read light, whose shard is open still, or was closed since."""
    monkeypatch.setattr(data_set, "_OPEN_SHARDS", 1 if request.param == "closed" else 2)
    data = open_data_set(folder)
    data.minibatch("light", 0)
    data.minibatch("azimuth", 0)
    return data


@pytest.mark.parametrize("change", [shorter, longer, other_content])
def test_a_shard_that_changes_while_it_is_used_is_refused(folder, light, change):
    change(folder / "light-train-00000.npz")
    for data in (light, light.for_another_thread()):
        with pytest.raises(ShardError, match=r"light-train-00000\.npz: expected "):
            _ = data.minibatch("light", 1).images
        assert data.minibatch("azimuth", 1).images.any()


@pytest.mark.parametrize("change", [other_file, Path.unlink])
def test_a_shard_that_is_replaced_is_the_one_that_was_opened_or_refused(folder, change):
    data, before = open_data_set(folder), open_data_set(folder).minibatch("light", 1).images
    change(folder / "light-train-00000.npz")
    assert np.array_equal(data.minibatch("light", 1).images, before)
    with pytest.raises(ShardError, match=r"light-train-00000\.npz: expected "):
        data.for_another_thread().minibatch("light", 1)


def test_a_shard_that_is_touched_or_written_again_as_it_was_is_used(folder, light):
    path, before = folder / "light-train-00000.npz", open_data_set(folder).minibatch("light", 1).images
    for change in (os.utime, lambda path: path.write_bytes(path.read_bytes())):
        change(path)
        assert np.array_equal(light.minibatch("light", 1).images, before)
    path.with_suffix(".new").write_bytes(path.read_bytes())
    path.with_suffix(".new").rename(path)
    assert np.array_equal(light.for_another_thread().minibatch("light", 1).images, before)


def test_mini_batches_of_all_shards_of_a_factor_come_in_their_order(tmp_path):
    folder = write_synthetic(tmp_path / "s", counts={"light": 2})
    manifest = read_manifest(folder)
    file = ShardFile(folder / "light-train-00000.npz")
    for index in (1, 2):
        name = shard_name("light", "train", index)
        sha256, size = write_shard(folder / name, {key: file.read(key)[::-1] for key in file.shapes})
        manifest.shards[name] = Entry(sha256, size, "light", "train", index, 2 * index, 2)
    manifest.write(folder)
    data = open_data_set(folder)
    assert data.count("light") == 6
    for index, row in enumerate((0, 1, 1, 0, 1, 0)):
        assert np.array_equal(data.minibatch("light", index).images, file.read("images")[row])
        assert np.array_equal(data.images("light", index), file.read("images")[row])
        assert np.array_equal(data.minibatch("light", index).identity, file.labels["identity"][row])
    for index in (-1, 6):
        with pytest.raises(IndexError):
            data.minibatch("light", index)
