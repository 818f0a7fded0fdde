"""Rendered chairs from a folder, a tar or a zip: the same shards, true labels, and nothing silently lost."""

import io
import os
import tarfile
import zipfile

import numpy as np
import pytest
from chair_render_fixtures import (
    ITS_GREY,
    SIDE,
    VIEWS,
    chair_files,
    chair_name,
    draw_view,
    encode,
    image_name,
    read_view,
    write_folder,
    write_tar,
    write_zip,
)
from PIL import Image

from assets.errors import AssetError
from render.errors import BadInput, ShardError
from render.imports.chair_import import ChairImport, import_chairs, open_import
from render.imports.rendered_chairs import LARGEST_IMAGE, EncodedChair, decode_chair, open_rendered_chairs
from render.shards.data_set import open_data_set
from render.shards.manifest import SETTINGS, read_manifest
from render.shards.verification import unknown_files, verify_shard

SIZE = 32


@pytest.fixture(scope="module")
def files():
    return chair_files()


def run(path, folder, **changes):
    """Import `path` into `folder`; returns the tally and the complaints."""
    options = {"train_chairs": 3, "crop": True, "size": SIZE, "batch_size": 8, "seed": 0, **changes}
    job = ChairImport(open_rendered_chairs(path), **options)
    folder.mkdir(exist_ok=True)
    manifest, _ = open_import(folder, job)
    complaints, progress = [], []
    tally = import_chairs(folder, manifest, job, lambda done, images: progress.append(done), complaints.append)
    assert sum(progress) == job.source.total
    return tally, complaints


def shards(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.npz")}


@pytest.fixture(scope="module")
def imported(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("imported")
    run(write_folder(folder / "source", files), folder / "shards")
    return folder / "shards"


def every_minibatch(folder):
    for split in ("train", "test"):
        data = open_data_set(folder, split)
        for factor in data.factors:
            for index in range(data.count(factor)):
                yield data.minibatch(factor, index)


@pytest.mark.parametrize("form", ["rendered_chairs itself", "tar", "tar.gz", "dotted tar.xz", "zip"])
def test_every_form_of_the_source_gives_the_same_shards(tmp_path, files, imported, form):
    if form == "tar":
        path = write_tar(tmp_path / "chairs.tar", files)
    elif form == "tar.gz":
        path = write_tar(tmp_path / "chairs.tgz", files, "w:gz")
    elif form == "dotted tar.xz":
        path = write_tar(tmp_path / "chairs.tar.xz", {f"./a/{name}": data for name, data in files.items()}, "w:xz")
    elif form == "zip":
        path = write_zip(tmp_path / "chairs.zip", files)
    else:
        path = write_folder(tmp_path / "source", files) / "rendered_chairs"
    tally, complaints = run(path, tmp_path / "shards")
    assert shards(tmp_path / "shards") == shards(imported)
    assert (tally.chairs, tally.images, complaints) == ({"train": 3, "test": 2}, 5 * 62, [])


def test_labels_are_what_the_images_show(imported):
    for batch in every_minibatch(imported):
        for i, image in enumerate(batch.images):
            view, number, _ = read_view(image)
            assert view == (batch.values["elevation"][i], batch.values["azimuth"][i])
            assert number == batch.identity[i]
            assert batch.values["light"][i] == 0


def test_exactly_one_factor_varies(imported):
    for batch in every_minibatch(imported):
        azimuths, elevations, chairs = map(set, (batch.values["azimuth"], batch.values["elevation"], batch.identity))
        assert len(elevations) == 1
        if batch.factor == "azimuth":
            assert (len(azimuths), len(chairs)) == (8, 1)  # 8 of 31, each once
        else:
            assert len(azimuths) == 1
            assert len(chairs) > 1


def test_every_view_is_compared_and_every_chair_turned_at_both_elevations(imported):
    turned, compared = set(), set()
    for batch in every_minibatch(imported):
        if batch.factor == "azimuth":
            turned.add((int(batch.identity[0]), float(batch.values["elevation"][0])))
        else:
            compared.add((batch.split, float(batch.values["elevation"][0]), float(batch.values["azimuth"][0])))
    assert turned == {(chair, elevation) for chair in range(5) for elevation in (20, 30)}
    assert compared == {(split, *view) for split in ("train", "test") for view in VIEWS}


def test_the_first_chairs_train_and_the_others_test(imported):
    seen = {"train": set(), "test": set()}
    for batch in every_minibatch(imported):
        seen[batch.split] |= set(batch.identity.tolist())
    assert seen == {"train": {0, 1, 2}, "test": {3, 4}}


def test_more_chairs_than_a_group_are_all_compared_and_none_twice_in_a_minibatch(tmp_path):
    run(write_tar(tmp_path / "chairs.tar", chair_files(7)), tmp_path / "shards", train_chairs=7, batch_size=2)
    data, seen = open_data_set(tmp_path / "shards"), set()
    assert data.count("intrinsic") == 2 * 62  # groups of 4: chairs 0..3, then 3..6
    for index in range(data.count("intrinsic")):
        pair = data.minibatch("intrinsic", index).identity.tolist()
        assert pair[0] != pair[1]
        assert set(pair) <= ({0, 1, 2, 3} if index < 62 else {3, 4, 5, 6})
        seen |= set(pair)
    assert seen == set(range(7))


def test_the_folder_verifies_and_its_manifest_says_where_it_came_from(imported):
    manifest = read_manifest(imported)
    for name, entry in manifest.shards.items():
        assert verify_shard(imported, name, entry, manifest.settings) == []
    assert unknown_files(imported, manifest) == []
    assert set(SETTINGS) <= set(manifest.settings)
    assert list(manifest.settings["assets"]["models"]) == [chair_name(number) for number in range(5)]


def test_the_seed_and_not_the_number_of_threads_decides_the_shards(tmp_path, files, imported, monkeypatch):
    path = write_tar(tmp_path / "chairs.tar", files)
    for threads in (1, 5):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, n=threads: set(range(n)))
        run(path, tmp_path / f"shards{threads}")
        assert shards(tmp_path / f"shards{threads}") == shards(imported)
    run(path, tmp_path / "other", seed=1)
    assert shards(tmp_path / "other") != shards(imported)


def test_an_import_starts_over_after_an_interruption_and_ends_with_the_same_bytes(tmp_path, files, imported):
    path = write_tar(tmp_path / "chairs.tar", files)
    folder = tmp_path / "shards"
    folder.mkdir()
    job = ChairImport(open_rendered_chairs(path), 3, True, SIZE, 8, 0)

    def stop(done, images):
        if list(folder.glob("*.npz")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_chairs(folder, open_import(folder, job)[0], job, stop, lambda line: None)
    assert shards(folder)
    assert not open_import(folder, job)[1]
    run(path, folder)
    assert open_import(folder, job)[1]
    assert shards(folder) == shards(imported)


def decode(pictures, crop=True, size=SIZE):
    """Chair 0 from {view: (H, W, 3) image or encoded file}."""
    files = {image_name(v): p if isinstance(p, bytes) else encode(p) for v, p in pictures.items()}
    return decode_chair(EncodedChair("chair", files), size, crop)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_grey_weighs_the_channels_as_the_renderer_does_and_what_is_clear_is_white(mode):
    image = decode({VIEWS[5]: encode(draw_view(2, VIEWS[5]), mode)}).images[0]
    view, number, grey = read_view(image)
    assert (view, number) == (VIEWS[5], 2)
    assert abs(grey - ITS_GREY) <= 1
    assert min(image[0].min(), image[-1].min()) > 230


def test_the_window_is_the_same_for_all_views_centred_and_holds_the_chair_in_each():
    blank = np.full((SIDE, SIDE, 3), 255, np.uint8)
    wide, tall = blank.copy(), blank.copy()
    wide[29:31, 10:40] = 0  # reaches 20 pixels from the centre to the left, 10 to the right
    tall[20:40, 29:31] = 0
    chair = decode({VIEWS[0]: wide, VIEWS[1]: tall}, size=42)  # 20 pixels and 5 % of margin: 42 wide, not resized
    dark = chair.images < 128
    assert dark[0].sum() == 2 * 30
    assert dark[1].sum() == 20 * 2
    assert np.flatnonzero(dark[0].any(axis=0)).tolist() == list(range(1, 31))
    assert np.flatnonzero(dark[1].any(axis=1)).tolist() == list(range(11, 31))
    whole = decode({VIEWS[0]: wide}, crop=False, size=SIDE)
    assert (whole.images[0] == wide[..., 0]).all()
    assert (decode({VIEWS[0]: blank}).images == 255).all()


def test_resizing_averages_and_never_overshoots():
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    image[:, ::2] = 100
    chair = decode({VIEWS[0]: image}, crop=False, size=20)
    assert 100 <= chair.images.min() <= chair.images.max() <= 230
    assert abs(chair.images.mean() - 165) < 3


def png(width, height, mode="L"):
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encode(draw_view(0, VIEWS[7]))[:-40], "whole PNG"),
        (b"not a picture", "whole PNG"),
        (b"", "whole PNG"),
        (png(60, 61), "60 x 61"),
        (png(1100, 1100), "1024"),
        (png(120, 120), "60 x 60"),
        (png(60, 60, "I;16"), "8 bits"),
        (bytes(LARGEST_IMAGE + 1), "bytes"),
    ],
)
@pytest.mark.parametrize("form", ["folder", "tar", "zip"])
def test_an_image_that_cannot_be_used_is_named_and_left_out(tmp_path, files, form, data, said):
    name = f"{chair_name(1)}/renders/{image_name(VIEWS[7])}"
    damaged = {n: d for n, d in files.items() if n.split("/")[1] == chair_name(1)}
    damaged[f"rendered_chairs/{name}"] = data
    make = {"folder": write_folder, "tar": write_tar, "zip": write_zip}[form]
    tally, complaints = run(make(tmp_path / f"source.{form}", damaged), tmp_path / "shards")
    assert len(complaints) == 1
    assert complaints[0].startswith(f"{name}: ")
    assert said in complaints[0]
    assert (tally.faults, tally.images) == (1, 61)


def test_bytes_flipped_inside_a_zip_are_noticed(tmp_path, files):
    path = write_zip(tmp_path / "chairs.zip", files)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(f"rendered_chairs/{chair_name(2)}/renders/{image_name(VIEWS[9])}")
    data = bytearray(path.read_bytes())
    data[info.header_offset + 30 + len(info.filename) + info.compress_size // 2] ^= 0xFF
    path.write_bytes(data)
    _, complaints = run(path, tmp_path / "shards")
    assert [line.split(": ")[0] for line in complaints] == [f"{chair_name(2)}/renders/{image_name(VIEWS[9])}"]


def test_a_chair_with_too_few_images_is_left_out_and_takes_no_identity(tmp_path, files):
    fewer = {n: d for n, d in files.items() if chair_name(1) not in n or "_p020_t000" in n}
    tally, complaints = run(write_tar(tmp_path / "chairs.tar", fewer), tmp_path / "shards")
    assert (tally.chairs, tally.skipped) == ({"train": 3, "test": 1}, 1)
    assert len(complaints) == 1
    assert complaints[0].startswith(chair_name(1))
    models = list(read_manifest(tmp_path / "shards").settings["assets"]["models"])
    assert models == [chair_name(number) for number in (0, 2, 3, 4)]
    few = {n: d for n, d in fewer.items() if chair_name(1) in n}
    with pytest.raises(BadInput, match=r"few\.tar: expected chairs of at least 2 images"):
        run(write_tar(tmp_path / "few.tar", few), tmp_path / "none")


def test_files_of_other_names_are_passed_over(tmp_path, files, imported):
    strange = {
        "rendered_chairs/all_chair_names.mat": b"MATLAB",
        f"rendered_chairs/{chair_name(0)}/renders/._image_000_p020_t000_r096.png": b"x",
        f"rendered_chairs/{chair_name(0)}/renders/image_070_p045_t000_r096.png": b"x",
        f"rendered_chairs/{chair_name(0)}/renders/image_071_p020_t360_r096.png": b"x",
        f"rendered_chairs/{chair_name(0)}/image_000_p020_t000_r096.png": b"x",
    }
    everything = dict(sorted({**strange, **files}.items()))
    for path in (
        write_tar(tmp_path / "chairs.tar", everything),
        write_zip(tmp_path / "chairs.zip", everything),
        write_folder(tmp_path / "folder", everything),
    ):
        _, complaints = run(path, tmp_path / f"{path.name}-shards")
        assert complaints == []
        assert shards(tmp_path / f"{path.name}-shards") == shards(imported)


@pytest.mark.parametrize("compression", ["", ":gz", ":xz"])
def test_a_truncated_archive_is_never_taken_for_a_whole_one(tmp_path, files, compression):
    whole = write_tar(tmp_path / "whole.tar", files, f"w{compression}").read_bytes()
    cuts = [len(whole) // 2, len(whole) // 2 + 7]
    if not compression:
        with tarfile.open(tmp_path / "whole.tar") as archive:
            header = archive.getmembers()[200].offset
        cuts += [header, header + 100, header + 512]  # before, in and after a header
    for cut in cuts:
        path = tmp_path / "cut.tar"
        path.write_bytes(whole[:cut])
        with pytest.raises(AssetError, match=r"cut\.tar: expected a whole tar"):
            list(open_rendered_chairs(path).chairs())


def test_a_tar_that_mixes_chairs_is_refused(tmp_path, files):
    names = list(files)
    mixed = {name: files[name] for name in [*names[:40], *names[62:100], *names[40:62]]}
    with pytest.raises(AssetError, match=f"one after another, found {chair_name(0)} again"):
        run(write_tar(tmp_path / "mixed.tar", mixed), tmp_path / "shards")


def test_a_chair_of_endless_images_is_refused(tmp_path):
    many = {f"{chair_name(0)}/renders/image_{i:03d}_p020_t000_r096.png": b"" for i in range(200)}
    for path in (write_tar(tmp_path / "many.tar", many), write_zip(tmp_path / "many.zip", many)):
        with pytest.raises(AssetError, match="at most 128 images"):
            run(path, tmp_path / "shards")


def test_a_tar_whose_names_would_fill_the_memory_is_refused(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**33
    path = tmp_path / "hostile.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(AssetError, match=str(2**33)):
        open_rendered_chairs(path)


@pytest.mark.parametrize("kind", ["nothing", "empty folder", "text", "empty tar", "other tar", "other zip", "text.zip"])
def test_a_source_without_rendered_chairs_names_what_was_expected(tmp_path, kind):
    path = tmp_path / {"text.zip": "text.zip", "other zip": "other.zip"}.get(kind, "source")
    if kind == "empty folder":
        path.mkdir()
    elif kind.startswith("text"):
        path.write_text("chairs")
    elif kind.endswith("tar"):
        write_tar(path, {} if kind == "empty tar" else {"a/b.png": b"x"})
    elif kind == "other zip":
        write_zip(path, {"a/b.png": b"x"})
    with pytest.raises(AssetError, match=f"{path}: expected .*rendered_chairs/<chair>/renders/image_"):
        open_rendered_chairs(path)


def test_a_folder_of_another_source_or_setting_is_refused(tmp_path, files, imported):
    other = {**files, f"rendered_chairs/{chair_name(9)}/renders/{image_name(VIEWS[0])}": b"x"}
    path = write_folder(tmp_path / "other", other)
    before = shards(imported)
    for source, changes, named in ((path, {}, "assets.source"), (imported.parent / "source", {"size": 40}, "size")):
        with pytest.raises(ShardError, match=f"holds another data set: its {named}"):
            run(source, imported, **changes)
    assert shards(imported) == before
