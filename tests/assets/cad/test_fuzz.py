"""Damaged model files of every format give a mesh or an AssetError, within bounds of memory and time.

Reads some hundred files; DCIGN_FUZZ_FILES and DCIGN_FUZZ_SEED make it more, or others. A case that fails is kept in
the folder that the message names. By hand: `python tests/assets/cad/test_fuzz.py FILES SEED FOLDER`.
"""

from __future__ import annotations

import io
import os
import re
import resource
import subprocess
import sys
import time
import traceback
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
CHAIRS = ROOT.parent / "shared" / "data" / "chairs"
FILES = 200
MEMORY = 3 * 2**30  # bytes of address space
SLOWEST = 10.0  # seconds of processor time for one file
SMALL = 400_000  # bytes of a real model that is worth damaging often

NUMBERS = b"0 -1 1 2 3 255 65536 2147483648 4294967295 99999999999999999999 1e309 nan inf 1e-320 -1e30 1e38 x".split()
WORDS = [
    *(b"usemtl wood\n", b"mtllib box.mtl\n", b"map_Kd t.png\n", b"f 1 2 3\n", b"f -1 -2 -3 -4\n", b"vn 0 0 0\n", b"#"),
    *(b"\\\n", b'<instance_node url="#n"/>', b"<p>0 1 2</p>", b"<!DOCTYPE x>", b"</node>", b"&amp;", b"PK\x05\x06"),
    *(b'"children":[0],', b"null", b"{}", b"[]", b"true", b"\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
    *(b"element face 9\n", b"property list uchar int a\n", b"end_header\n", b"facet normal 0 0 1\n"),
]

Files = dict[str, bytes]


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` with one to three kinds of damage."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at, other = (int(x) for x in rng.integers(0, len(data) + 1, 2))
        low, high = min(at, other), min(max(at, other), min(at, other) + 2000)
        kind = rng.integers(14)  # half of them leave the format as it is and change what it says
        numbers = list(re.finditer(rb"-?\d+(?:\.\d+)?", data[low : low + 4000])) if kind in (0, 1) or kind > 7 else []
        if numbers:
            chosen = numbers[rng.integers(len(numbers))]
            same_length = b"%0*d" % (len(chosen.group()), rng.integers(10 ** min(len(chosen.group()), 9)))
            word = NUMBERS[rng.integers(len(NUMBERS))] if rng.random() < 0.5 else same_length
            data = data[: low + chosen.start()] + word + data[low + chosen.end() :]
        elif kind in (2, 3):
            flipped = bytearray(data)
            for place in rng.integers(0, max(len(data), 1), rng.choice([1, 1, 2, 8])):
                flipped[place : place + 1] = bytes([rng.integers(256)])
            data = bytes(flipped)
        elif kind == 4:
            data = data[:at]
        elif kind == 5:
            data = data[:at] + WORDS[rng.integers(len(WORDS))] + data[at:]
        elif kind == 6:
            data = data[:low] + data[low:high] * int(rng.choice([0, 2, 3, 300])) + data[high:]
        else:
            data = data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]
    return data


def rezipped(data: bytes, rng: np.random.Generator) -> bytes:
    """The zip `data` with one member damaged, packed anew."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.integers(len(old.namelist()))
        for number, name in enumerate(old.namelist()):
            new.writestr(name, damaged(old.read(name), rng) if number == chosen else old.read(name))
    return packed.getvalue()


def corpus(folder: Path) -> list[Files]:
    """Groups of files that belong together; the first of each is the model."""
    from cad_file_fixtures import write_models

    groups = []
    for path in write_models(folder):
        data = path.read_bytes()
        if path.suffix == ".obj":
            beside = {name: (folder / name).read_bytes() for name in ("box.mtl", "t.png", "t.jpg")}
            groups += [{path.name: data, **beside}] * 3
        elif path.suffix == ".gltf":
            groups.append({path.name: data} | {p.name: p.read_bytes() for p in path.parent.iterdir() if p != path})
        elif path.suffix == ".dae":
            groups += [{path.name: data, "t.png": (folder / "t.png").read_bytes()}] * 3
        elif path.suffix in (".off", ".stl", ".ply", ".glb", ".zip"):
            groups.append({path.name: data})
    for path in sorted(CHAIRS.rglob("*.obj")) if CHAIRS.is_dir() else []:
        if path.stat().st_size < SMALL:
            groups.append({path.name: path.read_bytes()} | {p.name: p.read_bytes() for p in path.parent.glob("*.mtl")})
    return groups


def outcome(path: Path) -> str:
    """'mesh' or 'refused'; raises for anything else."""
    from assets.cad.models import find_models
    from assets.errors import AssetError

    started = time.process_time()
    found = "refused"
    try:
        models, _ = find_models(path)
    except AssetError:
        models = []
    for model in models:
        try:
            mesh = model.read()
        except AssetError as error:
            message = str(error)
            if "MemoryError" in message or str(path.parent) not in message or "\n" in message:
                raise AssertionError(message) from error
            continue
        found = "mesh"
        for s in mesh.surfaces:
            assert len(s.triangles)
            assert 0 <= s.triangles.min() <= s.triangles.max() < len(s.vertices)
            assert all(np.isfinite(array).all() for array in (s.vertices, s.normals, s.albedo))
            assert s.uv is None or np.isfinite(s.uv).all()
            np.testing.assert_allclose(np.linalg.norm(s.normals, axis=1), 1, atol=1e-3)
    assert time.process_time() - started < SLOWEST, "too slow"
    return found


def fuzz(most: int, seed: int, folder: Path) -> int:
    """Damage and read as many files; 0, or 1 after the first failure, whose files stay in `folder`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    rng = np.random.default_rng(seed)
    groups = corpus(folder / "whole")
    counts: Counter[str] = Counter()
    for case in range(most):
        files = dict(groups[rng.integers(len(groups))])
        model = next(iter(files))
        chosen = model if rng.random() < 0.6 else list(files)[rng.integers(len(files))]
        again = chosen.endswith(".zip") and rng.random() < 0.5
        files[chosen] = rezipped(files[chosen], rng) if again else damaged(files[chosen], rng)
        place = folder / "case"
        place.mkdir(exist_ok=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        try:
            counts[f"{model.rpartition('.')[2]} {outcome(place / model)}"] += 1
        except BaseException:
            traceback.print_exc()
            print(f"seed {seed}, case {case}: {place / model}, {chosen} damaged")
            return 1
        for name in files:
            (place / name).unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{most} cases, {peak} MB: {dict(sorted(counts.items()))}")
    return 0 if counts.total() and all(any(word in key for key in counts) for word in ("mesh", "refused")) else 1


def test_damaged_files_give_a_mesh_or_an_asset_error(tmp_path: Path) -> None:
    files, seed = os.environ.get("DCIGN_FUZZ_FILES", str(FILES)), os.environ.get("DCIGN_FUZZ_SEED", "1")
    command = [sys.executable, __file__, files, seed, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 + int(files))
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    sys.exit(fuzz(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
