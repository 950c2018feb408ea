#!/usr/bin/env python3
"""Writes market.bin: the options that the example prices, one record of 64 bytes each (struct Option in options.cu)."""

import pathlib
import struct


def option(kind, strike, years, spots, volatilities, steps=1, rate=0.03, correlation=0.0):
    spots, volatilities = [(*values, 0, 0)[:3] for values in (spots, volatilities)]
    assets = sum(1 for spot in spots if spot > 0)
    return struct.pack("<3I4fI6f2I", kind, assets, steps, strike, rate, years, correlation, 0, *spots, *volatilities, 0, 0)


CALL, PUT = 0, 1
BASKET = ((100, 95, 110), (0.2, 0.3, 0.25))
MARKET = [
    *(option(CALL, strike, 1.0, (100,), (0.2,)) for strike in (80, 90, 100, 110, 120)),
    option(PUT, 100, 1.0, (100,), (0.2,)),
    option(PUT, 90, 0.5, (100,), (0.35,)),
    *(option(CALL, strike, 1.0, *BASKET, steps=12, correlation=0.5) for strike in (90, 100, 110)),
    option(PUT, 100, 1.0, *BASKET, steps=12, correlation=0.5),
    option(CALL, 100, 1.0, *BASKET, steps=12, correlation=0.9),
]

pathlib.Path(__file__).with_name("market.bin").write_bytes(b"".join(MARKET))
