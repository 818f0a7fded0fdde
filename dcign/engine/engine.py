"""A trained run in a notebook's hands: images to codes, codes to images, one image at other angles. Numpy in and out.

engine = dcign.load("run")
codes = engine.encode(["ann.png", "bob.jpg"])                       # (2, 200)
images = engine.decode(codes)                                       # (2, 150, 150) in [0, 1]
turned = engine.rerender("ann.png", azimuth=30, light=[-60, 0, 60])     # (3, 150, 150)
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps

from dcign.config import DEVICES
from dcign.engine import calibration
from dcign.engine.calibration import Calibration, is_calibrated, load_for
from dcign.engine.codes import decode, encode_and_judge
from dcign.engine.curves import FactorCurve, as_numbers
from dcign.engine.image_files import grey_square, load_grey
from dcign.errors import BadInput, RunError
from dcign.model.code import AngleLatents, CodeLayout
from dcign.model.devices import resolve_device
from dcign.runs.run import Run, load_run
from render.shards.labels import DEGREES, Label

Picture: TypeAlias = NDArray[np.uint8] | NDArray[np.floating] | Image.Image | str | os.PathLike[str]
AT_ONCE = 32  # images; keeps memory level however many there are
ROUNDING = 1e-6  # by which grey values may leave [0, 1]: what resampling elsewhere leaves behind


def load(path: str | os.PathLike[str], device: str = "auto", fit: int = 0) -> Engine:
    """Open a trained run.

    path    a folder written by `dcign train`, of which the newest checkpoint is taken, one checkpoint, or the name of
            weights that ship with dcign, such as 'faces', where nothing else of that name lies here
    device  'cpu', 'cuda', or 'auto': a GPU if there is one
    fit     steps by which the code of each image is fitted to it; 10 show more of a person

    RunError when there is no run to be read at `path`, BadInput for another device and for fewer than 0 steps.
    """
    if device not in DEVICES:
        raise BadInput(f"device: expected one of {', '.join(DEVICES)}, found {device!r}")
    if fit < 0:
        raise BadInput(f"fit: expected steps, 0 or more, found {fit}")
    return Engine(load_run(Path(path), resolve_device(device), fit))


class Engine:
    """A trained run, opened by `dcign.load`. Shapes: N images, H = W = `size`, Z latents.

    Factors are set in the units that `labels` tells: of what the renderer drew, azimuth turns the object, elevation
    raises the camera and light turns the light, all in degrees. Categories go by their names. Values go through the
    calibration that `dcign evaluate` stores in the run; without one `factors` is empty, and what needs values raises
    RunError. All errors are of the tree in `assets.errors`: BadInput and its kinds for what was given.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"<dcign.Engine {self.folder}: {self.object}, {self.size} x {self.size}, {self._run.layout}>"

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self._run.folder

    @property
    def step(self) -> int:
        """Mini-batches that the weights were trained on."""
        return self._run.step

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the training data."""
        return str(self._run.data.get("fingerprint", ""))

    @property
    def object(self) -> str:
        """The word for what the images show: 'face', 'chair', or another."""
        return self._run.object

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self._run.size

    @property
    def latents(self) -> tuple[str, ...]:
        """Names of all Z latents in the order of a code: z_azimuth, z_elevation, z_light, z_intrinsic_0, ..."""
        return latent_names(self._run.layout)

    @property
    def factors(self) -> tuple[str, ...]:
        """The factors that `rerender` can set: by default the three angles for faces, azimuth for chairs."""
        return tuple(self._curves) if is_calibrated(self._run) else ()

    @property
    def labels(self) -> dict[str, Label]:
        """The factors that the training images were labelled with, with unit, range and categories."""
        return dict(self._run.labels)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each of `factors`, in its unit. Of a full circle any value is as good."""
        return {name: self._curves[name].range for name in self.factors}

    @property
    def directions(self) -> NDArray[np.float32]:
        """Leading directions of identity, (D, Z): what one standard deviation along each adds to a code.

        `engine.decode(code + 2 * engine.directions[0])`. Empty without a calibration that has them.
        """
        if not is_calibrated(self._run):
            return np.empty((0, self._run.layout.latents), np.float32)
        return self._measured.directions_of(self._run.layout).astype(np.float32)

    def encode(self, images: Picture | Iterable[Picture]) -> NDArray[np.float32]:
        """Encode images to their graphics codes: means of Q(z | x), (N, Z) float32; (Z,) for a single image.

        `images` is an array (H, W) or (N, H, W) of uint8, or of floats in [0, 1], black to white, row 0 at the top; a
        PIL image; the path of an image file; or any number of these. Arrays must have the run's size. PIL images and
        files may have any size and mode: their largest centred square is taken, in grey, and resized.

        UserWarning for images that the run reconstructs worse than nearly all it was tested on, where a calibration
        tells how well that is: their codes mean little. Files are decoded under limits of time and memory.

        BadInput for an array of another shape, type or range; RunError for a file that is no image.
        """
        return self._encoded_with_warning(images)

    def encode_and_judge(self, images: Picture | Iterable[Picture]) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Encode as `encode` does, and return in place of a warning what is wrong with each image: number -> text."""
        single, pictures = self._listed(images)
        return self._encoded(single, pictures)

    def decode(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Decode codes (N, Z) to images (N, H, W) float32 in [0, 1]; (Z,) to (H, W), (A, B, Z) to (A, B, H, W).

        BadInput for codes of another width, and for numbers that are not finite or that the network cannot take.
        """
        checked = self._codes(codes)
        images = decode(self._run, checked.reshape(-1, checked.shape[-1]))
        if not np.isfinite(images).all():
            raise BadInput(f"codes: expected numbers as `encode` gives them, found up to {np.abs(checked).max():g}")
        return images.reshape(*checked.shape[:-1], self.size, self.size)

    def rerender(self, image: Picture | Iterable[Picture], **values: ArrayLike | None) -> NDArray[np.float32]:
        """Show the object of an image with factors at other values, all else kept: images in [0, 1], float32.

        Values are numbers in the unit of the factor, or names of categories: one, or several. They go together as numpy
        broadcasts them:

            azimuth=30                                                  (H, W)
            azimuth=30, light=[-60, 0, 60]                              (3, H, W): all three at 30
            azimuth=[-30, 0, 30], light=[-60, 0, 60]                    (3, H, W): pair by pair
            azimuth=np.reshape([-30, 0, 30], (3, 1)), light=[-60, 60]   (3, 2, H, W): each with each
            distance=40, colour="red"                                   (H, W): of images that were labelled so

        `image` is what `encode` takes; several images broadcast along with the values. A factor not given, or None,
        stays as it is in the image.

        BadInput for a value outside `ranges` and for values that do not broadcast, RunError for a factor that the run
        has no latents for or no calibration.
        """
        chosen = {name: value for name, value in values.items() if value is not None}
        return self.decode(self.set_factors(self._encoded_with_warning(image), chosen))

    def set_factors(
        self, codes: ArrayLike, values: Mapping[str, ArrayLike] | None = None, **more: ArrayLike
    ) -> NDArray[np.float32]:
        """Set the latents of factors in `codes` (..., Z) to values, and keep all others.

            engine.set_factors(codes, azimuth=30, light=[-60, 0, 60])
            engine.set_factors(codes, {"colour": "red"})

        The leading axes of codes and values broadcast as in `rerender`, which decodes what this gives; same errors, and
        BadInput for a factor given twice and for `values` that are no mapping.
        """
        checked = self._codes(codes)
        numbers = {name: as_numbers(self._curve(name), given) for name, given in _together(values, more).items()}
        latents = {name: self._curve(name).to_latent(value) for name, value in numbers.items()}
        shapes = {name: value.shape for name, value in numbers.items()}
        try:
            shape = np.broadcast_shapes(checked.shape[:-1], *shapes.values())
        except ValueError:
            found = ", ".join(f"{name} {size}" for name, size in shapes.items())
            raise BadInput(
                f"values: expected shapes that broadcast with each other and with images {checked.shape[:-1]}, "
                f"found {found}; reshape one to (-1, 1) for each with each"
            ) from None
        posed = np.broadcast_to(checked, (*shape, checked.shape[-1])).copy()
        for name, value in latents.items():
            indices = self._angle_latents.latents(name)
            posed[..., indices] = value.reshape(*shapes[name], len(indices))
        return posed

    def read_factors(self, codes: ArrayLike) -> dict[str, NDArray[Any]]:
        """Read what codes (N, Z) stand for: factor -> values (N,), () for one code (Z,); categories by their names.

        Only of the factors whose calibration can be read backwards: not of a full circle in one latent. Held at the
        ends of `ranges` beyond them. BadInput for codes of another width or not finite, RunError without calibration.
        """
        checked = self._codes(codes)
        found: dict[str, NDArray[Any]] = {}
        for name, curve in self._curves.items():
            if curve.invertible:
                values = curve.to_value(self._angle_latents.own(checked, name))
                categories = np.array(curve.label.categories)
                found[name] = categories[values.astype(np.int64)] if len(categories) else values
        return found

    def set_degrees(
        self, codes: ArrayLike, angles: Mapping[str, ArrayLike] | None = None, **more: ArrayLike
    ) -> NDArray[np.float32]:
        """Set angles as `set_factors` does: its name when all factors were angles."""
        return self.set_factors(codes, angles, **more)

    def degrees(self, codes: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Read the angles of codes as `read_factors` does, in degrees."""
        found = self.read_factors(codes)
        return {name: values for name, values in found.items() if self._curves[name].label.unit == DEGREES}

    def _encoded_with_warning(self, images: Picture | Iterable[Picture]) -> NDArray[np.float32]:
        """Encode images; one warning, to the caller of a method, of those unlike the training data."""
        single, pictures = self._listed(images)
        codes, unlike = self._encoded(single, pictures)
        for number, text in list(unlike.items())[:1]:
            first = pictures[number]
            name = f"{first}" if isinstance(first, (str, os.PathLike)) else "image" if single else f"image {number}"
            others = f" (and {len(unlike) - 1} more of {len(pictures)})" if len(unlike) > 1 else ""
            warnings.warn(f"{name}{others}: {text}", stacklevel=3)
        return codes

    def _encoded(self, single: bool, pictures: Sequence[Picture]) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Encode images, and say by their numbers which are unlike the training data."""
        codes = np.empty((len(pictures), self._run.layout.latents), np.float32)
        unlike: dict[int, str] = {}
        for start in range(0, len(pictures), AT_ONCE):
            block = slice(start, start + AT_ONCE)
            grey = [self._grey(picture, "" if single else f" {start + k}") for k, picture in enumerate(pictures[block])]
            codes[block], found = encode_and_judge(self._run, np.stack(grey), self._percentiles)
            unlike.update({start + k: warning for k, warning in enumerate(found) if warning is not None})
        return codes[0] if single else codes, unlike

    def _listed(self, images: Picture | Iterable[Picture]) -> tuple[bool, list[Picture]]:
        """Return True if a single image was given, and the images one by one."""
        if isinstance(images, np.ndarray):
            if images.ndim not in (2, 3) or images.shape[-2:] != (self.size, self.size):
                raise BadInput(
                    f"images: expected shape ({self.size}, {self.size}) or (N, {self.size}, {self.size}), "
                    f"found {images.shape}; arrays of another size or with colours go in as PIL images"
                )
            return images.ndim == 2, [images] if images.ndim == 2 else list(images)
        if isinstance(images, (Image.Image, str, os.PathLike)):
            return True, [images]
        if not isinstance(images, Iterable):
            raise BadInput(f"images: expected an array, a PIL image, a path or several, found {type(images).__name__}")
        return False, list(images)

    def _grey(self, picture: Picture, number: str) -> NDArray[np.float32]:
        """Make one image what the network takes, (H, W) float32 in [0, 1]; `number` tells which one in an error."""
        background = self._run.background
        if isinstance(picture, Image.Image):
            return grey_square(_upright(picture, number), self.size, background, f"image{number}")
        if isinstance(picture, (str, os.PathLike)):
            return load_grey(Path(picture), self.size, background)
        if not isinstance(picture, np.ndarray):
            raise BadInput(f"image{number}: expected an array, a PIL image or a path, found {type(picture).__name__}")
        if picture.shape != (self.size, self.size):
            raise BadInput(f"image{number}: expected shape ({self.size}, {self.size}), found {picture.shape}")
        if picture.dtype == np.uint8:
            return picture.astype(np.float32) / np.float32(255)
        if not np.issubdtype(picture.dtype, np.floating):
            raise BadInput(f"image{number}: expected uint8, or floats in [0, 1], found {picture.dtype}")
        low, high = float(picture.min()), float(picture.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # also where one is NaN
            raise BadInput(f"image{number}: expected floats in [0, 1], or uint8, found {low:g} to {high:g}")
        return np.clip(picture.astype(np.float32), 0, 1)

    def _codes(self, codes: ArrayLike) -> NDArray[np.float32]:
        """Return `codes` (..., Z) as float32, checked."""
        latents = self._run.layout.latents
        try:
            with np.errstate(over="ignore"):
                found = np.asarray(codes, np.float32)
        except (TypeError, ValueError):
            raise BadInput(f"codes: expected numbers of shape (N, {latents}), found other things") from None
        if found.shape[-1:] != (latents,):
            raise BadInput(f"codes: expected shape (N, {latents}) or ({latents},), found {found.shape}")
        if not np.isfinite(found).all():
            raise BadInput("codes: expected finite numbers, found NaN, infinity or beyond float32")
        return found

    @cached_property
    def _measured(self) -> Calibration:
        return load_for(self._run, lambda line: warnings.warn(line, stacklevel=4))

    @cached_property
    def _percentiles(self) -> Sequence[float]:
        """Percentiles of the reconstruction errors of test images; none without a calibration."""
        return calibration.load(self._run.folder).reconstruction if is_calibrated(self._run) else ()

    @cached_property
    def _angle_latents(self) -> AngleLatents:
        return self._measured.angle_latents(self._run.layout)

    @cached_property
    def _curves(self) -> dict[str, FactorCurve]:
        """Curves of the factors that have latents. RunError where their numbers of latents differ."""
        curves = {name: curve for name, curve in self._measured.curves.items() if name in self._angle_latents.groups}
        for name, curve in curves.items():
            expected, found = len(self._angle_latents.latents(name)), np.size(curve.latent[0])
            if expected != found:
                raise RunError(
                    f"{name}: expected a calibration of {expected} latents, as many as the code of this run has for "
                    f"it, found one of {found}; run `dcign evaluate {self.folder} SHARDS` again"
                )
        return curves

    def _curve(self, factor: str) -> FactorCurve:
        if factor not in self._curves:
            self._angle_latents.latents(factor)  # before a calibration is missed that cannot be
            return self._measured.curve(factor)
        return self._curves[factor]


def latent_names(layout: CodeLayout) -> tuple[str, ...]:
    """Return Z names: z_azimuth for a group of one latent, z_intrinsic_0, z_intrinsic_1, ... for one of several."""
    return tuple(f"z_{name}" if width == 1 else f"z_{name}_{k}" for name, width in layout.parts for k in range(width))


def _together(values: Mapping[str, ArrayLike] | None, more: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
    """Return both in one. BadInput for what is in both, and for what is no mapping."""
    if values is not None and not isinstance(values, Mapping):
        raise BadInput(f"values: expected factor -> value, such as azimuth=30, found {type(values).__name__}")
    given = {} if values is None else values
    if twice := sorted(set(given) & set(more)):
        raise BadInput(f"{twice[0]}: expected its value once, found it twice")
    return {**given, **more}


def _upright(picture: Image.Image, number: str) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception as error:  # PIL reads pixels late, and its decoders raise whatever a damaged file leads them to
        raise RunError(f"image{number}: damaged or truncated ({error})") from None
