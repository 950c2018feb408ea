#!/usr/bin/env python3
"""Shows the results of the examples: tables on standard output, pictures next to the plans.

usage: examples/draw.py FOLDER

  FOLDER   where options.bin, nbody.bin, reaction.bin and palette.bin lie: for each example, the outputs of all its units,
           one after the other. `cargo test -p tessera-kernel-tests -- --ignored --nocapture` writes them
           and says where.
"""

import math
import pathlib
import struct
import sys

import png

HERE = pathlib.Path(__file__).resolve().parent


def options(outputs):
    """A table, with the formula of Black and Scholes where there is one."""
    market = (HERE / "options/market.bin").read_bytes()
    print("| unit | option | price | standard error | Black–Scholes | difference in standard errors |\n| --- | --- | --- | --- | --- | --- |")
    for unit in range(len(market) // 64):
        kind, assets, _, strike, rate, years, correlation, _, spot, _, _, volatility = struct.unpack_from("<3I4fI4f", market, unit * 64)
        price, error = struct.unpack_from("<2f", outputs, unit * 32)
        name = f"{('call', 'put')[kind]} at {strike:g}, {years:g} years"
        exact, off = "", ""
        if assets == 1:
            d1 = (math.log(spot / strike) + (rate + volatility**2 / 2) * years) / (volatility * math.sqrt(years))
            d2, discount = d1 - volatility * math.sqrt(years), strike * math.exp(-rate * years)
            value = spot * math.erfc(-d1 / math.sqrt(2)) / 2 - discount * math.erfc(-d2 / math.sqrt(2)) / 2
            value = value - spot + discount if kind else value
            exact, off = f"{value:.4f}", f"{(price - value) / error:+.2f}"
        else:
            name = f"Asian {name}, basket of {assets}, correlation {correlation:g}"
        print(f"| {unit} | {name} | {price:.4f} | {error:.4f} | {exact} | {off} |")


def nbody(outputs):
    """A table of energies, and the bodies of each encounter seen from above, side by side."""
    side, reach, length = 200, 2.5, 32 + 512 * 32
    units = len(outputs) // length
    rgb = bytearray(side * side * units * 3)
    print("\n| unit | energy at the start | at the end | relative change |\n| --- | --- | --- | --- |")
    for unit in range(units):
        kinetic0, kinetic1, potential0, potential1 = struct.unpack_from("<4q", outputs, unit * length)
        before, after = ((k + p) / 2**32 for k, p in ((kinetic0, potential0), (kinetic1, potential1)))
        print(f"| {unit} | {before:.6f} | {after:.6f} | {after / before - 1:+.1e} |")
        for body in range(512):
            x, y = struct.unpack_from("<2f", outputs, unit * length + 32 + body * 32)
            px, py = (int((value / reach + 1) / 2 * side) for value in (x, -y))
            if 0 <= px < side and 0 <= py < side:
                at = (py * side * units + unit * side + px) * 3
                colour = (255, 190, 90) if body < 256 else (110, 190, 255)
                rgb[at : at + 3] = bytes(min(255, old + new) for old, new in zip(rgb[at : at + 3], colour))
    png.write(HERE / "nbody/nbody.png", side * units, side, rgb)


def reaction(outputs):
    """The second substance, the units side by side."""
    side = 128
    units = len(outputs) // (side * side * 8)
    rgb = bytearray(side * units * side * 3)
    for unit in range(units):
        for cell in range(side * side):
            v = struct.unpack_from("<f", outputs, (unit * side * side + cell) * 8 + 4)[0]
            shade = min(max(v / 0.4, 0.0), 1.0)
            colour = (int(255 * shade**1.5), int(200 * shade), int(60 + 140 * shade * (1 - shade) * 2))
            at = (cell // side * side * units + unit * side + cell % side) * 3
            rgb[at : at + 3] = bytes(colour)
    png.write(HERE / "reaction/reaction.png", side * units, side, rgb)


def palette(outputs):
    """The picture in each palette and as it was, side by side, and a table of the errors."""
    data = (HERE / "palette/picture.bin").read_bytes()
    width, height = struct.unpack_from("<2I", data)
    length = 144 + width * height
    units = len(outputs) // length
    across = 3
    rgb = bytearray(width * across * height * 2 * 3)
    print("\n| unit | colours | root of the mean square error |\n| --- | --- | --- |")
    for tile in range(units + 1):
        base = tile * length
        if tile < units:
            colours, _, error = struct.unpack_from("<2IQ", outputs, base)
            print(f"| {tile} | {colours} | {math.sqrt(error / (width * height * 3)):.2f} |")
        for pixel in range(width * height):
            if tile < units:
                at = base + 16 + outputs[base + 144 + pixel] * 4
                colour = outputs[at : at + 3]
            else:
                colour = data[16 + pixel * 4 : 19 + pixel * 4]
            x, y = tile % across * width + pixel % width, tile // across * height + pixel // width
            rgb[(y * width * across + x) * 3 : (y * width * across + x) * 3 + 3] = colour
    png.write(HERE / "palette/palette.png", width * across, height * 2, rgb)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for show in (options, nbody, reaction, palette):
        file = pathlib.Path(sys.argv[1]) / f"{show.__name__}.bin"
        if not file.exists():
            sys.exit(f"draw.py: {file} is missing; see draw.py's usage for how to make it:\n{__doc__}")
        show(file.read_bytes())


main()
