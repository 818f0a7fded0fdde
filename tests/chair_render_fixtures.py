"""Small stand-ins for the rendered chairs of Aubry et al.: images that say which view of which chair they are."""

import io
import tarfile
import zipfile

import numpy as np
from PIL import Image

AZIMUTHS = [int(i * 360 / 31) for i in range(31)]  # 0, 11, 23, ... 348
VIEWS = [(elevation, azimuth) for elevation in (20, 30) for azimuth in AZIMUTHS]
SIDE = 60
COLOUR, ITS_GREY = (200, 100, 50), 0.21 * 200 + 0.72 * 100 + 0.07 * 50


def chair_name(number):
    return f"{number:032x}"


def image_name(view):
    place = VIEWS.index(view)
    return f"image_{place + (place > 30):03d}_p{view[0]:03d}_t{view[1]:03d}_r096.png"


def draw_view(number, view):
    """(60, 60, 3): a square of half the width; above a grey for the view, below one for the chair, and a colour."""
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    image[15:30, 15:45] = 2 * VIEWS.index(view)
    image[30:45, 15:30] = 30 * number
    image[30:45, 30:45] = COLOUR
    return image


def read_view(image):
    """(view, number of the chair, grey of the colour), from an image that was cropped."""
    quarter, far = len(image) // 4, 3 * len(image) // 4
    return VIEWS[round(image[quarter, quarter] / 2)], round(image[far, quarter] / 30), int(image[far, far])


def encode(image, mode="RGB"):
    """A PNG file. In mode RGBA, what is white in `image` is black and transparent."""
    picture = Image.fromarray(image)
    if mode == "RGBA":
        shown = (image != 255).any(axis=2, keepdims=True)
        picture = Image.fromarray(np.concatenate([image * shown, 255 * shown], axis=2).astype(np.uint8))
    elif mode == "P":
        picture = picture.quantize(256)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def chair_files(chairs=5):
    """Name -> bytes of a small collection, one chair with transparency and one with a palette among them."""
    modes = ["RGB", "RGBA", "P"]
    return {
        f"rendered_chairs/{chair_name(number)}/renders/{image_name(view)}": encode(
            draw_view(number, view), modes[number % 3]
        )
        for number in range(chairs)
        for view in VIEWS
    }


def write_folder(root, files):
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in reversed(files.items()):
            archive.writestr(name, data)
    return path
