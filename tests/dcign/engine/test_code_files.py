import json
import zipfile

import numpy as np
import pytest

from dcign.engine import code_files
from dcign.engine.code_files import CodeFile, read_codes, write_codes
from dcign.errors import BadInput

LATENTS = ("z_azimuth", "z_rest_0", "z_rest_1")
FORMS = ("codes.json", "codes.csv", "codes.npz")
SMALL = np.array([[0.1, -2.5, 3e-5], [1, 2, 3]], np.float32)


def whole(codes=SMALL, images=("a/Ann.png", 'b, "c"\nüß.jpg')):
    return CodeFile(codes, LATENTS, images, "runs/one", 500, "c0ffee")


@pytest.fixture
def bits():
    """Every kind of finite float32: normal and denormal, either sign, the ends, both zeros."""
    values = np.random.default_rng(0).integers(0, 2**32, 30_000, np.uint32).view(np.float32)
    ends = np.array(
        [0.0, -0.0, np.finfo(np.float32).max, np.finfo(np.float32).min, 1e-45, -1e-45, 16777217], np.float32
    )
    values[: len(ends)] = ends
    values[~np.isfinite(values)] = 0.1
    return values.reshape(-1, 3)


@pytest.mark.parametrize("name", FORMS)
def test_numbers_come_back_bit_for_bit(tmp_path, bits, name):
    write_codes(tmp_path / name, CodeFile(bits, LATENTS))
    read = read_codes(tmp_path / name, LATENTS)
    assert read.codes.dtype == np.float32
    np.testing.assert_array_equal(read.codes.view(np.uint32), bits.view(np.uint32))
    read.codes[0] = 1  # the reader's own


@pytest.mark.parametrize("name", FORMS)
def test_names_and_origin_come_back(tmp_path, name):
    write_codes(tmp_path / name, whole())
    read = read_codes(tmp_path / name, LATENTS)
    assert (read.latents, read.images) == (LATENTS, whole().images)
    origin = (None, None, None) if name == "codes.csv" else ("runs/one", 500, "c0ffee")
    assert (read.run, read.step, read.fingerprint) == origin


@pytest.mark.parametrize("name", FORMS)
def test_the_same_codes_give_the_same_bytes(tmp_path, name):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_codes(tmp_path / folder / name, whole())
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", FORMS)
def test_names_that_are_not_text_can_be_written(tmp_path, name):
    write_codes(tmp_path / name, whole(images=("\udcff.png", "b")))
    assert read_codes(tmp_path / name, LATENTS).images == ("?.png", "b")


def test_other_programs_read_them(tmp_path):
    for name in FORMS:
        write_codes(tmp_path / name, whole(images=("a", "b")))
    content = json.loads((tmp_path / "codes.json").read_text())
    assert list(content) == ["format", "version", "latents", "run", "step", "fingerprint", "images", "codes"]
    assert content["codes"] == [[0.1, -2.5, 3e-05], [1.0, 2.0, 3.0]]  # the fewest digits
    lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert lines == ["image,z_azimuth,z_rest_0,z_rest_1", "a,0.1,-2.5,3e-05", "b,1.0,2.0,3.0"]
    with np.load(tmp_path / "codes.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["codes"], SMALL)
        assert arrays["latents"].tolist() == list(LATENTS)


def test_what_other_programs_write_is_read(tmp_path):
    path = tmp_path / "codes.csv"
    path.write_bytes(b"\xef\xbb\xbfz_azimuth,z_rest_0,z_rest_1\r\n1,2,3\r\n\r\n4,5,6e-1\r\n")
    assert read_codes(path, LATENTS).codes.tolist() == [[1, 2, 3], [4, 5, pytest.approx(0.6)]]
    assert read_codes(path, LATENTS).images == ()
    np.savez(tmp_path / "codes.npz", codes=np.asfortranarray(SMALL), latents=np.array(LATENTS))
    np.testing.assert_array_equal(read_codes(tmp_path / "codes.npz", LATENTS).codes, SMALL)


@pytest.mark.parametrize("name", FORMS)
def test_codes_of_other_latents_are_refused(tmp_path, name):
    write_codes(tmp_path / name, whole())
    with pytest.raises(BadInput, match=f"{name}: expected codes of 2 latents, as the run has, found 3"):
        read_codes(tmp_path / name, LATENTS[:2])
    with pytest.raises(BadInput, match=f"{name}: expected latent z_light, as the run has it, found 'z_rest_0'"):
        read_codes(tmp_path / name, ("z_azimuth", "z_light", "z_rest_1"))


@pytest.mark.parametrize("name", FORMS)
def test_files_beyond_the_limit_are_neither_written_nor_opened(tmp_path, monkeypatch, name):
    write_codes(tmp_path / name, whole())
    for limit in ("LARGEST_TEXT", "LARGEST_NPZ"):
        monkeypatch.setattr(code_files, limit, 60)
    with pytest.raises(BadInput, match="expected at most 60 bytes"):
        read_codes(tmp_path / name, LATENTS)
    with pytest.raises(BadInput, match="2 codes are more than"):
        write_codes(tmp_path / f"new-{name}", whole())
    assert not (tmp_path / f"new-{name}").exists()


def test_a_name_without_a_known_end_is_refused(tmp_path):
    for act in (lambda path: write_codes(path, whole()), lambda path: read_codes(path, LATENTS)):
        with pytest.raises(BadInput, match=r"codes.txt: expected .* ends in .json, .csv or .npz"):
            act(tmp_path / "codes.txt")


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="found no such file"):
        read_codes(tmp_path / "codes.csv", LATENTS)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadInput, match="found something else"):
        read_codes(tmp_path / "folder.csv", LATENTS)


GOOD = {"format": "dcign-codes", "version": 1, "latents": list(LATENTS), "codes": [[1, 2, 3]]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON"),
        ("[" * 100_000, "cannot be read as codes|expected JSON"),
        ("[]", "another JSON file"),
        ({"format": "other"}, "another JSON file"),
        ({"version": 2}, "expected version 1 .* found 2"),
        ({"latents": "z"}, "expected latents as a list of names"),
        ({"latents": [1, 2, 3]}, "expected latents as a list of names"),
        ({"images": [None]}, "expected images as a list of names"),
        ({"images": ["a", "b"]}, "expected a name of each of 1 codes, found 2"),
        ({"codes": None}, "expected codes as a list"),
        ({"codes": []}, "expected at least one code"),
        ({"codes": [[1, 2, 3], [1, 2]]}, "expected 3 numbers in code 1, found 2"),
        ({"codes": [[1, 2, 3], 5]}, "expected 3 numbers in code 1, found 5"),
        ({"codes": [[1, 2, "3"]]}, "nothing but numbers in code 0"),
        ({"codes": [[1, 2, True]]}, "nothing but numbers in code 0"),
        ({"codes": [[1, 2, float("nan")]]}, "expected finite numbers"),
        ({"codes": [[1, 2, 1e39]]}, "expected finite numbers"),
        ({"codes": [[1, 2, 10**400]]}, "code 0: expected numbers"),
        ({"step": "9"}, "step as a whole number"),
        ({"run": 9}, "run and fingerprint as text"),
    ],
)
def test_damaged_json_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "codes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(GOOD | content))
    with pytest.raises(BadInput, match=f"codes.json.*({message})"):
        read_codes(path, LATENTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected codes of 3 latents, as the run has, found 0"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\n", "expected at least one code"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\na,1,2,3\nb,1,2\n", "codes.csv:3: expected 4 columns, found 3"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\na,1,x,3\n", "codes.csv:2: expected numbers"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\na,1,inf,3\n", "expected finite numbers"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\n\xff,1,2,3\n", "cannot be read as codes"),
        (b"image,z_azimuth,z_rest_0,z_rest_1\n" + b"a" * 200_000 + b",1,2,3\n", "cannot be read as codes"),
    ],
)
def test_damaged_csv_is_refused_by_line(tmp_path, content, message):
    path = tmp_path / "codes.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=message):
        read_codes(path, LATENTS)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"codes": SMALL}, "found no latents"),
        ({"latents": np.array(LATENTS)}, "found no codes"),
        ({"pixels": SMALL}, "found 'pixels.npy'"),
        ({"codes": SMALL.astype(np.float64)}, "expected codes as float32 with 2 axes, found float64"),
        ({"codes": SMALL[0]}, r"with 2 axes, found float32 of shape \(3,\)"),
        ({"codes": SMALL[:, :2]}, r"expected codes of shape \(N, 3\), as the run has, found \(2, 2\)"),
        ({"codes": SMALL * np.float32(np.inf)}, "expected finite numbers"),
        ({"codes": np.array([[None]])}, r"found objects \(a pickle\)"),
        ({"latents": np.arange(3)}, "expected latents as text"),
        ({"images": np.array(["a"])}, "expected a name of each of 2 codes, found 1"),
        ({"step": np.array(1.5)}, "expected step as int64"),
    ],
)
def test_foreign_npz_is_refused_by_member(tmp_path, members, message):
    path = tmp_path / "codes.npz"
    alone = len(members) == 1 and message.startswith("found no")
    np.savez(path, **members if alone else {"codes": SMALL, "latents": np.array(LATENTS)} | members)
    with pytest.raises(BadInput, match=f"codes.npz.*{message}"):
        read_codes(path, LATENTS)


def test_compressed_and_damaged_npz_are_refused(tmp_path):
    path = tmp_path / "codes.npz"
    np.savez_compressed(path, codes=SMALL, latents=np.array(LATENTS))
    with pytest.raises(BadInput, match="expected stored members"):
        read_codes(path, LATENTS)
    write_codes(path, whole())
    content = path.read_bytes()
    place = content.index(SMALL.tobytes())
    damaged = (b"", b"text", content[:-40], content[:place] + b"\x01" + content[place + 1 :])
    for wrong in damaged:
        path.write_bytes(wrong)
        with pytest.raises(BadInput, match=r"codes.npz: expected a whole .npz file"):
            read_codes(path, LATENTS)


@pytest.mark.parametrize(
    "shape", ["(1000000000000, 3)", "(2, 3, 10**9)", "(-2, -3)", "(2, 4)", "(2,", "-" * 5000 + "2"]
)
def test_a_header_that_claims_more_than_its_member_holds_is_refused_unread(tmp_path, shape):
    path = tmp_path / "codes.npz"
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "codes.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + SMALL.tobytes()
        )
        archive.writestr("latents.npy", b"never reached")
    with pytest.raises(BadInput, match=r"codes\.npz: expected"):
        read_codes(path, LATENTS)
