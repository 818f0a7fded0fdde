"""Rendering by the GPU with several numbers of workers, and its pictures against those of the CPU."""

from __future__ import annotations

from pathlib import Path

from gpu_check.machine import facts_of
from gpu_check.room import PartFailed, Room

LARGEST, LEAST = 1.5, 0.985  # mean difference in grey levels and SSIM between two renderers of one picture: decision 13
COMPARED = 200  # images
SHOWN = 4


def render(room: Room) -> None:
    """`dcign render` as it comes, and on the software device; the same seed, so the same scenes."""
    software = _software(room)
    runs: list[tuple[str, int, dict[str, str]]] = [(f"{count} workers", count, {}) for count in room.sizes.workers]
    runs.append(("llvmpipe", room.sizes.workers[-1], software))
    if room.device == "cuda":  # meshes are reduced once a machine, which is no measure of rendering
        room.dcign("render", "--n", 1, "--workers", 1, "-o", room.work / "first")
    for name, workers, environment in runs:
        folder = room.work / name.replace(" ", "-")
        words = ["--n", room.sizes.rendered, "--size", room.sizes.size, "--workers", workers, "-o", folder]
        try:
            seconds = room.dcign("render", *words, **environment)
        except PartFailed:
            continue
        gl = _gl(folder)
        images = 20 * room.sizes.rendered
        room.note(**{name: {"images_per_second": round(images / seconds, 1), "seconds": round(seconds, 2), "gl": gl}})
        if room.device == "cuda":
            good = ("llvmpipe" in gl) == bool(environment)
            room.check(good, f"{name}: expected {'llvmpipe' if environment else 'a GPU'}, found {gl}")
    first, last = (room.work / runs[number][0].replace(" ", "-") for number in (0, -1))
    if not (first.is_dir() and last.is_dir()):
        return
    parity = _parity(first, last, room.pictures / "parity.png")
    room.note(parity=parity)
    good = parity["largest_difference"] <= LARGEST and parity["least_ssim"] >= LEAST
    room.check(
        good,
        f"pictures of the two differ by {parity['largest_difference']:.2f} of 255, SSIM {parity['least_ssim']:.4f}",
    )


def _software(room: Room) -> dict[str, str]:
    """Return the environment in which OpenGL runs on the CPU."""
    found = facts_of(room)["egl_devices"]
    indices = [device["index"] for device in found if device["software"]] if isinstance(found, list) else []
    return {"EGL_DEVICE_ID": str(indices[0])} if indices else {"LIBGL_ALWAYS_SOFTWARE": "1"}


def _gl(folder: Path) -> str:
    from render.shards.data_set import open_data_set

    return str(open_data_set(folder).manifest.settings["gl"])


def _parity(first: Path, other: Path, sheet: Path) -> dict[str, float]:
    """Compare the images of two data sets of one seed, and draw some of them beside each other."""
    import numpy as np

    from pipelines.drawing.sheet import Row, save_sheet
    from render.shards.data_set import open_data_set
    from render.similarity import mean_difference, ssim

    theirs, ours = open_data_set(first), open_data_set(other)
    differences, similarities, rows = [], [], []
    each = max(1, COMPARED // (20 * len(theirs.factors)))
    for factor in theirs.factors:
        for index in range(min(each, theirs.count(factor))):
            pairs = list(zip(theirs.minibatch(factor, index).images, ours.minibatch(factor, index).images, strict=True))
            differences += [mean_difference(a, b) for a, b in pairs]
            similarities += [ssim(a, b) for a, b in pairs]
            if index == 0:
                images, captions = [], []
                for a, b in pairs[:SHOWN]:
                    apart = np.clip(10 * np.abs(a.astype(int) - b), 0, 255).astype(np.uint8)
                    images += [np.asarray(a), np.asarray(b), apart]
                    captions += ["default", "llvmpipe", f"x 10: {mean_difference(a, b):.2f}"]
                rows.append(Row(factor, images, captions))
    save_sheet(rows, sheet)
    return {
        "images": len(differences),
        "mean_difference": float(np.mean(differences)),
        "largest_difference": max(differences),
        "least_ssim": min(similarities),
    }
