#!/usr/bin/env python3
"""Writes picture.bin: docs/images/mosaic.png at a third of its size (struct Picture in palette.cu)."""

import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import png

BY = 3
width, height, rgb = png.read(HERE.parents[4] / "docs/images/mosaic.png")
out = bytearray(struct.pack("<4I", width // BY, height // BY, 0, 0))
for y in range(height // BY):
    for x in range(width // BY):
        square = [((y * BY + j) * width + x * BY + i) * 3 for j in range(BY) for i in range(BY)]
        out += bytes((sum(rgb[at + channel] for at in square) + BY * BY // 2) // (BY * BY) for channel in range(3)) + b"\xff"
(HERE / "picture.bin").write_bytes(out)
