#!/usr/bin/env python3
"""Writes cluster.bin: two Plummer spheres of 256 bodies and mass 1 each, both around the origin, near equilibrium."""

import math
import pathlib
import random
import struct

BODIES = 256
chance = random.Random(2026)


def direction(length):
    z, angle = chance.uniform(-1, 1), chance.uniform(0, 2 * math.pi)
    flat = math.sqrt(1 - z * z)
    return length * flat * math.cos(angle), length * flat * math.sin(angle), length * z


def body():
    """Position and velocity after Aarseth, Henon and Wielen (1974), in a sphere of scale 0.3 cut at 5 scales."""
    scale = 0.3
    while True:
        radius = 1 / math.sqrt(chance.uniform(0.001, 1) ** (-2 / 3) - 1)
        if radius < 5:
            break
    while True:
        q, bound = chance.uniform(0, 1), chance.uniform(0, 0.1)
        if bound < q * q * (1 - q * q) ** 3.5:
            break
    speed = q * math.sqrt(2) * (1 + radius * radius) ** -0.25
    return direction(radius * scale), direction(speed / math.sqrt(scale))


out = bytearray()
for _ in range(2):
    for _ in range(BODIES):
        at, velocity = body()
        out += struct.pack("<8f", *at, 1 / BODIES, *velocity, 0)
pathlib.Path(__file__).with_name("cluster.bin").write_bytes(out)
