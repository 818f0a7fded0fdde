"""Small files in the layouts of the public collections. All images of a file differ."""

import gzip
import math
import struct
import zipfile
from io import BytesIO
from itertools import product

import h5py
import numpy as np
import scipy.io

from render.imports.collections.smallnorb import TESTING, TRAINING

FEW_COMBINATIONS = {  # of MPI3D
    "object_color": ("white", "green"),
    "object_shape": ("cone", "cube"),
    "object_size": ("small", "large"),
    "camera_height": ("top", "center"),
    "background_color": ("purple", "sea green", "salmon"),
}
LIGHTS = [(-10, 0), (0, 0), (10, 0), (0, 20), (0, -35)]  # azimuth and elevation


def pictures(count, *shape):
    """(count, *shape) uint8, all different: a row's first pixel is its number."""
    images = np.random.default_rng(7).integers(0, 256, (count, *shape), np.uint8)
    images.reshape(count, -1)[:, 0] = np.arange(count) % 256
    return images


def norb_matrix(array):
    """The bytes of an array in the format of NORB."""
    magic = {"uint8": 0x1E3D4C55, "int32": 0x1E3D4C54}[array.dtype.name]
    sizes = array.shape + (1,) * (3 - array.ndim)
    return struct.pack(f"<II{len(sizes)}I", magic, array.ndim, *sizes) + array.tobytes()


def smallnorb_parts(azimuths=(0, 2, 34), elevations=(0, 8), lightings=(0, 5), side=16):
    """The three arrays of the training part, then of the testing part."""
    parts = []
    for instances in ((4, 6), (0, 1)):
        rows = np.array(list(product((0, 4), instances, elevations, azimuths, lightings)), np.int32)
        rows = np.random.default_rng(1).permutation(rows)  # as published: in no order
        parts.append((pictures(len(rows), 2, side, side), rows[:, 0].copy(), rows[:, 1:].copy()))
    return parts


def write_smallnorb(folder, packed=True, parts=None):
    """Write the six files; returns their arrays."""
    folder.mkdir(exist_ok=True)
    parts = parts or smallnorb_parts()
    for name, arrays in zip((TRAINING, TESTING), parts, strict=True):
        for kind, array in zip(("dat", "cat", "info"), arrays, strict=True):
            data = norb_matrix(array)
            path = folder / f"{name}-{kind}.mat{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(data, 1) if packed else data)
    return parts


def write_shapes3d(path, sizes=(2, 1, 2, 3, 2, 5), chunks=None, side=64):
    """Write an HDF5 file of all combinations; returns its images and labels."""
    steps = [np.arange(n) / 10 for n in sizes[:3]]
    steps += [np.linspace(0.75, 1.25, sizes[3]), np.arange(sizes[4]), np.linspace(-30, 30, sizes[5])]
    labels = np.array(list(product(*steps)), np.float64)
    images = pictures(len(labels), side, side, 3)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=chunks, compression="gzip" if chunks else None)
        file.create_dataset("labels", data=labels)
    return images, labels


def write_dsprites(path, sizes=(3, 2, 4, 2, 2), compressed=True, **others):
    """Write an archive of all combinations, its metadata a pickle; returns its images and latents."""
    steps = [np.ones(1), np.arange(1.0, 1 + sizes[0]), np.linspace(0.5, 1, sizes[1])]
    steps += [np.linspace(0, 2 * math.pi, sizes[2]), np.linspace(0, 1, sizes[3]), np.linspace(0, 1, sizes[4])]
    latents = np.array(list(product(*steps)))
    images = (pictures(len(latents), 64, 64) > 127).astype(np.uint8)
    images.reshape(len(images), -1)[:, :12] = np.arange(len(images))[:, None] >> np.arange(12) & 1
    metadata = np.array({"title": "dSprites dataset", "latents_sizes": np.array(sizes)}, object)
    members = {"metadata": metadata, "imgs": images, "latents_classes": latents.astype(int), "latents_values": latents}
    save = np.savez_compressed if compressed else np.savez
    save(path, **(members | others))
    return images, latents


def write_cars(folder, cars=3, side=8, **changes):
    """Write the files of so many cars into data/cars below the folder; returns their images (H, W, 3, 24, 4) each."""
    place = folder / "data" / "cars"
    place.mkdir(parents=True)
    images = pictures(cars, side, side, 3, 24, 4)
    for number, im in enumerate(images):
        mask = np.zeros((side, side, 24, 4), np.uint8)
        scipy.io.savemat(place / f"car_{number:03d}_mesh.mat", {"im": im, "mask": mask} | changes, do_compression=True)
    return images


def write_faces(folder, people=(1, 2, 11), poses=(0,), lights=LIGHTS, size=(12, 14)):
    """Write a folder of pictures for each person, with ambient and damaged ones among them; returns name -> array."""
    written = {}
    for person, pose in product(people, poses):
        place = folder / f"yaleB{person:02d}"
        place.mkdir(parents=True, exist_ok=True)
        stem = f"yaleB{person:02d}_P{pose:02d}"
        (place / f"{stem}.info").write_text("the names of all pictures")
        (place / f"{stem}_Ambient.pgm").write_bytes(pgm(np.zeros(size[::-1], np.uint8)))
        (place / f"{stem}A+035E+40.pgm.bad").write_bytes(b"damaged")
        for azimuth, elevation in lights:
            image = pictures(1, *size[::-1])[0] ^ np.uint8(person + pose + azimuth & 255)
            name = f"{stem}A{azimuth:+04d}E{elevation:+03d}.pgm"
            (place / name).write_bytes(pgm(image))
            written[name] = image
    return written


def pgm(image):
    return b"P5 %d %d 255\n" % image.shape[::-1] + image.tobytes()


def write_npz(path, members, method=zipfile.ZIP_DEFLATED):
    """Write an archive of members given as bytes, or as arrays, under whatever names."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            if not isinstance(content, bytes):
                buffer = BytesIO()
                np.save(buffer, content, allow_pickle=True)
                content = buffer.getvalue()
            archive.writestr(name, content)


def npy_header(descr, shape, version=(1, 0)):
    """The bytes of a header alone, of any shape."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H", len(text)) + text
