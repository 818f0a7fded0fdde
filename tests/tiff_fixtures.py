"""TIFF files that Pillow reads but does not write."""

from __future__ import annotations

import struct

import numpy as np


def twelve_bit_tiff(values: np.ndarray) -> bytes:
    """Write grey values 0..4095 (H, W), W even, packed two to three bytes."""
    first, second = values[:, 0::2].astype(np.uint16), values[:, 1::2].astype(np.uint16)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=2).astype(np.uint8).tobytes()
    height, width = values.shape
    tags = {  # of the baseline: size, bits, no compression, black is 0, place of the one strip, its rows and bytes
        256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: len(packed),
    }  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + directory + b"\0\0\0\0"
