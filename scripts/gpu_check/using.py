"""A run in use: measured, re-rendered from, and its codes held against those of the CPU."""

from __future__ import annotations

import shutil

from gpu_check.room import Room

LARGEST = 1e-3  # difference of a code from the CPU's, relative to the largest


def use(room: Room) -> None:
    """`dcign evaluate`, `rerender` and `encode`."""
    import numpy as np
    from PIL import Image

    from render.shards.data_set import open_data_set

    images = open_data_set(room.shards).minibatch("azimuth", 0).images
    paths = [room.work / f"image-{number}.png" for number in range(4)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(np.asarray(image)).save(path)
    report = room.work / "report"
    seconds = room.dcign(
        "evaluate", room.run, room.shards, "--split", "train", "--identities", 0, "--simulations", 0,
        "-o", report, "--device", room.device,
    )  # fmt: skip
    room.note(evaluate_seconds=seconds)
    for picture in report.glob("*.png"):
        shutil.copy(picture, room.pictures / f"report-{picture.name}")
    sheet = room.pictures / "rerender.png"
    words = ["--latent", "azimuth=-2:2:5", "-o", sheet, "--device", room.device]
    room.note(rerender_seconds=room.dcign("rerender", room.run, *paths[:2], *words))
    codes = []
    for device in ("cpu", room.device):
        output = room.work / f"codes-{device}.npz"
        room.dcign("encode", room.run, *paths, "-o", output, "--device", device)
        with np.load(output) as file:
            codes.append(file["codes"])
    largest = float(np.abs(codes[0]).max())
    apart = float(np.abs(codes[1] - codes[0]).max())
    room.note(codes_differ=apart, largest_code=largest)
    room.check(apart <= LARGEST * largest, f"codes differ from the CPU's by {apart:.1e}, of {largest:.1e}")
