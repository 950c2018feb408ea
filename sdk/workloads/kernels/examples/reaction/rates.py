#!/usr/bin/env python3
"""Writes rates.bin: a feed and a kill rate for each unit."""

import pathlib
import struct

RATES = [(0.022, 0.051), (0.026, 0.055), (0.037, 0.060), (0.039, 0.058), (0.055, 0.062), (0.030, 0.062)]
pathlib.Path(__file__).with_name("rates.bin").write_bytes(b"".join(struct.pack("<2f", *pair) for pair in RATES))
