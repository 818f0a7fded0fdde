"""The head of a portrait photograph, framed and put on nothing, as the images of the training data show heads.

The face is found by OpenCV's cascades of Haar-like features (Viola and Jones, 2001), the head parted from what is
around it by GrabCut (Rother, Kolmogorov and Blake, 2004), which starts from where a head is in its frame. Both come
with the package, the extra `photos`: nothing is loaded from elsewhere.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.image_files import Box, to_grey
from dcign.errors import BadInput, RunError

CASCADES = ("haarcascade_frontalface_alt2.xml", "haarcascade_frontalface_alt.xml")  # in turn; others see more ghosts
LOOKED_AT = 480  # pixels of the longer side in which a face is looked for
SMALLEST = 40  # pixels of a face among these
FRAME = 1.46  # side of the frame of the training images to that of the found square, which has the same centre
MIDDLE = (0.5, 0.487)  # of the frame: halfway across a head, and the middle of its pixels from the top
WORK = 200  # pixels of the picture in which the head is parted from the rest: the frame and a margin
MARGIN = 0.25  # of the frame, on each side, to learn from what is around it
ROUNDS = 4  # of GrabCut
CENTRINGS = 3  # of the frame on the head found in it
SOFT = 1.0  # pixels among these by which the edge is blurred


def check_cut_out(kind: str) -> None:
    """Raise BadInput unless a run on this kind of object has use for heads and OpenCV, the extra `photos`, is there."""
    if kind != "face":
        raise BadInput(f"`cut_out`: expected a run on faces, found one on {kind}s")
    _opencv()


def cut_out_head(image: Image.Image, name: str = "image", box: Box | None = None) -> Image.Image:
    """Cut the head out of an upright photograph: a square RGBA picture, transparent but for the head.

    box  the square of the head, from the hair to the neck; by default a face is looked for, and the largest one taken

    RunError, naming the image `name`, if no face is found; BadInput if OpenCV, the extra `photos`, is missing.
    """
    cv2 = _opencv()
    colour = _colour(image, name)
    if box is None:
        box = _face(cv2, colour, name)
        for _ in range(CENTRINGS):  # the face of a head that is turned is not in its middle
            box = _centred(_head(cv2, colour, box), box)
    left, top, side = box
    head = colour.crop((left, top, left + side, top + side))
    head.putalpha(Image.fromarray(_head(cv2, colour, box)).resize((side, side), Image.Resampling.BICUBIC))
    return head


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        found = f"which cannot be used ({error})"
    else:
        if hasattr(cv2, "CascadeClassifier") and hasattr(cv2, "data"):
            return cv2  # type: ignore[no-any-return]
        found = f"of version 4, found {cv2.__version__}"
    raise BadInput(
        f"`cut_out` needs the package opencv-python-headless, {found}; pip install 'dcign[photos]'"
    ) from None


def _colour(image: Image.Image, name: str) -> Image.Image:
    if image.mode in ("L", "RGB", "RGBA"):
        return image.convert("RGB")
    grey = to_grey(image, 0.0, name)
    return Image.fromarray(np.round(255 * grey).astype(np.uint8)).convert("RGB")


def _face(cv2: Any, colour: Image.Image, name: str) -> Box:
    """Find a face, and return the square that a training image of its head would show were it seen from in front."""
    small = colour.convert("L")
    small.thumbnail((LOOKED_AT, LOOKED_AT))
    grey = cv2.equalizeHist(np.asarray(small))
    for file in CASCADES:
        cascade = cv2.CascadeClassifier(cv2.data.haarcascades + file)
        faces = cascade.detectMultiScale(grey, 1.1, 5, minSize=(SMALLEST, SMALLEST))
        if len(faces):
            left, top, side, _ = max(faces, key=lambda face: face[2])
            scale = colour.width / small.width
            middle = (scale * (left + side / 2), scale * (top + side / 2))
            framed = round(FRAME * scale * side)
            return round(middle[0] - framed / 2), round(middle[1] - framed / 2), framed
    raise RunError(
        f"{name}: no face found to cut out; expected one from in front, upright and evenly lit, or its square by `box`"
    )


def _centred(head: NDArray[np.uint8], box: Box) -> Box:
    """Move the frame `box` so that `head` (n, n), what was found in it, is where heads of the training images are."""
    rows, columns = np.nonzero(head > 127)
    left, top, side = box
    across = (columns.min() + columns.max() + 1) / 2 / len(head) - MIDDLE[0]
    down = (rows.mean() + 0.5) / len(head) - MIDDLE[1]
    return left + round(side * across), top + round(side * down), side


def _head(cv2: Any, colour: Image.Image, box: Box) -> NDArray[np.uint8]:
    """Return how much each pixel of the frame `box` belongs to the head, 0 to 255, at the resolution of `WORK`."""
    left, top, side = box
    margin = round(MARGIN * side)
    around = (left - margin, top - margin, left + side + margin, top + side + margin)
    size = (WORK, WORK)
    picture = colour.crop(around).resize(size, Image.Resampling.BOX)
    photographed = Image.new("1", colour.size, 1).crop(around).resize(size)  # beyond its edge there is nothing
    mask = _guess(cv2)
    mask[~np.asarray(photographed)] = cv2.GC_BGD
    cv2.setRNGSeed(0)
    cv2.grabCut(
        np.asarray(picture)[..., ::-1].copy(), mask, None, np.zeros((1, 65)), np.zeros((1, 65)), ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    head = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, pieces = cv2.connectedComponents(head)
    head = (pieces == pieces[WORK // 2, WORK // 2]).astype(np.uint8)  # the middle is the face
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    head = cv2.morphologyEx(cv2.morphologyEx(head, cv2.MORPH_OPEN, disc), cv2.MORPH_CLOSE, disc)
    soft = cv2.GaussianBlur(255 * head, (0, 0), SOFT)
    edge = round(WORK * MARGIN / (1 + 2 * MARGIN))
    inside: NDArray[np.uint8] = soft[edge : WORK - edge, edge : WORK - edge]
    return inside


def _guess(cv2: Any) -> NDArray[np.uint8]:
    """Guess from the training images which pixels of the frame are head: surely, perhaps, hardly, never.

    Their heads cover the inner ellipses in any pose up to 25 degrees, and the outer one and the column of the neck
    cover all of them.
    """
    across, down = np.meshgrid(*[np.linspace(-MARGIN, 1 + MARGIN, WORK)] * 2)  # 0 to 1 within the frame

    def ellipse(middle: float, width: float, height: float) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = ((across - 0.5) / width) ** 2 + ((down - middle) / height) ** 2 < 1
        return inside

    mask = np.full((WORK, WORK), cv2.GC_BGD, np.uint8)
    neck = (np.abs(across - 0.5) < 0.26) & (down > 0.5) & (down < 1.0)
    mask[ellipse(0.46, 0.37, 0.50) | neck] = cv2.GC_PR_BGD
    mask[ellipse(0.48, 0.29, 0.42)] = cv2.GC_PR_FGD
    mask[ellipse(0.50, 0.20, 0.32)] = cv2.GC_FGD
    return mask
