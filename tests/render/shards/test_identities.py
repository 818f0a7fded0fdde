import json
from types import SimpleNamespace

import numpy as np
from shard_fixtures import write_synthetic

from render.shards.data_set import identity_keys, key_array, open_data_set
from render.shards.manifest import NAME

COUNTS = {"azimuth": 2, "intrinsic": 2}


def data_set(folder, models, split="train", **options):
    write_synthetic(folder, counts=COUNTS, split=split, **options)
    manifest = json.loads((folder / NAME).read_text())
    manifest["settings"]["assets"]["models"] = models
    (folder / NAME).write_text(json.dumps(manifest))
    return open_data_set(folder, split)


def test_the_same_people_have_the_same_keys_in_another_data_set(tmp_path):
    one, two = (data_set(tmp_path / name, {"head": "abc"}) for name in ("one", "two"))
    shown = {int(i) for minibatch in one.minibatches() for i in minibatch.identity}
    assert set(identity_keys(one)) == shown
    assert identity_keys(one) == identity_keys(two)
    assert len(key_array(identity_keys(one))) == len(shown)


def test_people_of_another_face_model_are_others(tmp_path):
    one, two = data_set(tmp_path / "one", {"head": "abc"}), data_set(tmp_path / "two", {"head": "abd"})
    assert not set(identity_keys(one).values()) & set(identity_keys(two).values())


def chairs(models, *identities):
    """What `identity_keys` asks of a data set."""
    assets = {"name": "chairs", "models": models}
    minibatches = [SimpleNamespace(identity=np.array([i, i])) for i in identities]
    manifest = SimpleNamespace(settings={"assets": assets})
    return SimpleNamespace(object="chair", imported=False, manifest=manifest, minibatches=lambda: minibatches)


def test_a_chair_is_known_by_its_content_wherever_it_lies():
    held = identity_keys(chairs({"a.obj": "one", "b.obj": "two", "c.obj": "three"}, 2, 0))
    moved = identity_keys(chairs({"x/b.obj": "two", "y/a.obj": "one"}, 0, 1))
    assert list(held) == [0, 2]
    assert moved[1] == held[0]
    assert moved[0] not in held.values()
    assert np.all(key_array(held)[1:] > key_array(held)[:-1])


def test_chairs_that_a_manifest_does_not_list_are_known_by_their_number():
    assert identity_keys(chairs({}, 3, 5)) == identity_keys(chairs({}, 5, 3))
    assert len(set(identity_keys(chairs({"a": "one"}, 0, 1)).values())) == 2
