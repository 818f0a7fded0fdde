"""The state of a page: the runs that it shows under their sliders, and the pictures that visitors brought."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcign.engine.calibration import Calibration
from dcign.engine.codes import decode
from dcign.engine.drawing import to_uint8
from dcign.engine.image_files import grey_square
from dcign.engine.variations import Slider, apply_sliders, sliders_of
from dcign.errors import BadInput, RunError
from dcign.model.code import NAMING, AngleLatents
from dcign.model.devices import resolve_device
from dcign.runs.run import Run, load_run
from pipelines.calibration import encode_and_judge, stored_calibration
from render.jobs.views import Views
from render.shards.labels import DEGREES

RAW_REACH = 10.0  # of a latent without calibration; those of trained runs lie within
MOST = 32
LONGEST_NAME = 255  # characters, the most that a file can have
JOINERS = "\u200c\u200d"  # part of words in some scripts and of emoji


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A run under sliders. `word` is how the user named it, `notes` are what the page should say of it."""

    word: str
    run: Run
    curves: Calibration
    sliders: tuple[Slider, ...]
    notes: tuple[str, ...]

    def read(self, image: Image.Image, name: str) -> Encoded:
        """Encode an image as the network sees it. RunError for one it cannot take."""
        pixels = grey_square(image, self.run.size, self.run.background, name)
        code, warning = encode_and_judge(self.run, self.curves, pixels)
        return Encoded(to_uint8(pixels), code, warning)

    def picture(self, code: NDArray[np.float32], settings: Mapping[str, float]) -> NDArray[np.uint8]:
        """Decode `code` (Z,) with the sliders at `settings` into (H, W), as `dcign rerender` writes it."""
        return to_uint8(decode(self.run, apply_sliders(code, self.sliders, settings)[None])[0])

    def values(self, code: NDArray[np.float32]) -> dict[str, float]:
        """Read where the sliders stand in a code: those whose curve can be read backwards, and raw latents as such."""
        angle_latents, found = self.curves.angle_latents(self.run.layout), {}
        for slider in self.sliders:
            if slider.name in self.curves.curves:
                curve = self.curves.curves[slider.name]
                if curve.invertible:
                    found[slider.name] = float(curve.to_value(angle_latents.own(code, slider.name)))
            elif not slider.relative:
                found[slider.name] = float(code[slider.latents[0]])
        return found


@dataclass(frozen=True, eq=False)
class Encoded:
    """An image as one run has it: (H, W) uint8, its code (Z,), and what to say if it is unlike the training data."""

    pixels: NDArray[np.uint8]
    code: NDArray[np.float32]
    warning: str | None


def open_runs(words: Sequence[Path], device: str, fit: int = 0) -> tuple[OpenRun, ...]:
    """Open the runs of these paths or names, one or two, which fit codes in `fit` steps.

    BadInput for two of different objects.
    """
    place = resolve_device(device)
    runs = tuple(_open(str(word), load_run(word, place, fit)) for word in words)
    objects = [each.run.object for each in runs]
    if len(set(objects)) > 1:
        raise BadInput(f"expected two runs of one kind of object, found {objects[0]}s and {objects[1]}s")
    return runs


def short_names(runs: Sequence[OpenRun]) -> list[str]:
    """Shorten each path to as many of its last parts as it takes to tell them apart."""
    words = [each.word for each in runs]
    for count in range(1, max(len(Path(word).parts) for word in words) + 1):
        names = ["/".join(Path(word).parts[-count:]) or word for word in words]  # '.' has no parts
        if len(set(names)) == len(names):
            return names
    return words


def compared(runs: Sequence[OpenRun]) -> tuple[str, ...]:
    """Say how the sliders of a second run differ from those of the first, which the page shows."""
    if len(runs) < 2:
        return ()
    first, second = runs
    others = {slider.name: slider for slider in second.sliders}
    notes = []
    if missing := [slider.label for slider in first.sliders if counterpart(slider, others) is None]:
        notes.append(f"{second.word} has no slider for {', '.join(missing)}.")
    for slider in first.sliders:
        other = counterpart(slider, others)
        if other is None:
            continue
        known = [slider.choices[int(knot - slider.low)] for knot in slider.knots] if slider.choices else []
        if unknown := [name for name in known if name not in other.choices]:
            notes.append(f"{second.word} leaves {slider.label} as it is for {', '.join(unknown)}.")
        elif not slider.choices and (other.low > slider.low or other.high < slider.high):
            ends = f"{other.low:g} to {other.high:g} {other.unit}".strip()
            notes.append(f"{second.word} holds {slider.label} at {ends}.")
    if any(slider.relative and slider.name in others for slider in first.sliders):
        notes.append("Intrinsic directions are each run's own: number 1 of one need not be number 1 of the other.")
    return tuple(notes)


def counterpart(slider: Slider, others: Mapping[str, Slider]) -> Slider | None:
    """Return the slider of another run, name -> slider, that has the same values: of one unit, or names too."""
    other = others.get(slider.name)
    alike = other is not None and other.unit == slider.unit and bool(other.choices) == bool(slider.choices)
    return other if alike else None


def _open(word: str, run: Run) -> OpenRun:
    stored = stored_calibration(run)
    curves = stored or Calibration({}, run.step, {})
    again = f"run `dcign evaluate {word} SHARDS`"
    notes = []
    if stored is None:
        degrees = all(label.unit == DEGREES for label in run.labels.values())
        lost = "there are no degrees" if degrees else "its factors have no values"
        notes.append(f"{word} is not calibrated, so {lost}: {again}. Sliders set raw latents.")
    elif warning := curves.out_of_date(word, run.step):
        notes.append(f"{warning}.")
    named = stored is not None or run.config.procedure in NAMING
    angle_latents = curves.angle_latents(run.layout)
    raw = _raw_sliders(angle_latents, curves) if named else ()
    sliders = (*sliders_of(run, curves), *raw)
    if not sliders:
        notes = [f"{word} is not calibrated and its training gave no latent a meaning: {again} for sliders."]
    return OpenRun(word, run, curves, sliders, tuple(notes))


def _raw_sliders(angle_latents: AngleLatents, curves: Calibration) -> tuple[Slider, ...]:
    """Make a slider for each latent of an angle without calibration."""
    ends = (-RAW_REACH, RAW_REACH)
    found = []
    for name, latents in angle_latents.groups.items():
        for latent in latents.tolist() if name not in curves.curves else ():
            word = name if len(latents) == 1 else str(latent)
            values = ((ends[0],), (ends[1],))
            found.append(
                Slider(f"latent-{word}", f"latent {word}", "", *ends, 0.1, (latent,), ends, values, False, False)
            )
    return tuple(found)


class PictureGone(RunError):
    """There is no picture of that id, or no more."""


@dataclass(frozen=True, eq=False)
class UploadedPicture:
    """A picture that a visitor brought, or had drawn.

    name     as the client calls the file; for people and command lines only
    encoded  what each of the runs makes of it
    start    slider -> where it stands in this picture, as far as known
    png      the file of a picture that has none on the visitor's side: one that was drawn, or is from shards
    views    what was drawn, one view
    """

    name: str
    encoded: tuple[Encoded, ...]
    start: Mapping[str, float]
    png: bytes | None = None
    views: Views | None = None


class Pictures:
    """At most `MOST` pictures in memory, under ids of our own; the one unused for longest leaves first.

    For use from any thread.
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, UploadedPicture] = OrderedDict()
        self._lock = Lock()

    def add(self, picture: UploadedPicture) -> str:
        """Keep a picture and return its new id, which nobody can guess."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._pictures[name] = picture
            while len(self._pictures) > MOST:
                self._pictures.popitem(last=False)
        return name

    def get(self, name: str) -> UploadedPicture:
        """Return the picture of an id. PictureGone where there is none."""
        with self._lock:
            if name not in self._pictures:
                raise PictureGone(f"this picture is no longer held (the last {MOST} in use are); load it again")
            self._pictures.move_to_end(name)
            return self._pictures[name]


def file_name(text: str) -> str:
    """Clean the name that a client gives its file: one line, the last part of a path, without control characters."""
    last = re.split(r"[/\\]", text)[-1]
    plain = "".join(letter for letter in last if _is_shown(letter)).strip()
    if len(plain) > LONGEST_NAME:
        plain = f"{plain[: LONGEST_NAME - 8]}{plain[-8:]}"
    return plain if plain.strip(".") else "image"


def _is_shown(letter: str) -> bool:
    """Tell whether a letter may stand in a line: what ends it or turns its direction may not, any space may."""
    return letter.isprintable() or unicodedata.category(letter) == "Zs" or letter in JOINERS
