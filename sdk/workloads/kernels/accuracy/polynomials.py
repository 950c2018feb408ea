#!/usr/bin/env python3
"""Prints the coefficients of the polynomials in include/tessera/*.cuh. Needs mpmath (pip install mpmath).

Each is fitted by least squares at Chebyshev points. Coefficients are rounded to single precision one after the other, from
the lowest; the rest is fitted anew after each, so that it makes up for the rounding.
"""

import struct

import mpmath as mp

mp.mp.dps = 40


def single(x):
    """x, rounded to single precision."""
    return mp.mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def fit(function, low, high, degree):
    """Polynomial of a degree near `function` on low..high, in single precision: lowest coefficient first."""
    middle, half = mp.mpf(low + high) / 2, mp.mpf(high - low) / 2
    count = 4 * (degree + 1)
    nodes = [middle + half * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    values = [function(x) for x in nodes]
    known = []
    for first in range(degree + 1):
        matrix = mp.matrix([[x**power for power in range(first, degree + 1)] for x in nodes])
        rest = mp.matrix([v - sum(c * x**i for i, c in enumerate(known)) for x, v in zip(nodes, values)])
        known.append(single(mp.qr_solve(matrix, rest)[0][0]))
    return known


def worst(function, low, high, coefficients):
    """The largest difference between the two on a grid."""
    points = [low + (high - low) * (i + mp.mpf("0.5")) / 400 for i in range(400)]
    return max(abs(function(x) - sum(c * x**i for i, c in enumerate(coefficients))) for x in points)


def odd(function, z):
    """(f(x) - x) / x^3 with x = sqrt(z)."""
    x = mp.sqrt(z)
    return (function(x) - x) / (x * z)


def log1p_tail(f):
    return (mp.log1p(f) - f + f * f / 2) / f**3


half_ln2 = mp.log(2) / 2
quarter_turn = (mp.pi / 4) ** 2
tan_eighth = mp.sqrt(2) - 1
POLYNOMIALS = [
    ("exp: e^x = 1 + x + x^2 p(x)", lambda x: (mp.expm1(x) - x) / x**2, -half_ln2, half_ln2, 4),
    ("exp2: 2^x = 1 + x p(x)", lambda x: mp.expm1(x * mp.log(2)) / x, mp.mpf(-0.5), mp.mpf(0.5), 6),
    ("log: log(1 + x) = x - x^2 / 2 + x^3 p(x)", log1p_tail, -mp.mpf(1) / 3, mp.mpf(1) / 3, 7),
    ("log of a pair: atanh(x) = x + x^3 p(x^2)", lambda z: odd(mp.atanh, z), mp.mpf("1e-12"), mp.mpf("0.02944"), 3),
    ("sin: x + x^3 p(x^2)", lambda z: odd(mp.sin, z), mp.mpf("1e-12"), quarter_turn, 3),
    ("cos: 1 - x^2 / 2 + x^4 p(x^2)", lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, mp.mpf("1e-9"), quarter_turn, 2),
    ("tan: x + x^3 p(x^2)", lambda z: odd(mp.tan, z), mp.mpf("1e-12"), quarter_turn, 6),
    ("atan: x + x^3 p(x^2)", lambda z: odd(mp.atan, z), mp.mpf("1e-12"), mp.mpf(1), 10),
    ("tanh: x + x^3 p(x^2)", lambda z: odd(mp.tanh, z), mp.mpf("1e-12"), mp.mpf("0.36"), 4),
    ("erf: x + x p(x^2)", lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, mp.mpf("1e-12"), mp.mpf("0.87"), 6),
    ("erf, large: log(erfc(x)) = x p(x)", lambda x: mp.log(mp.erfc(x)) / x, mp.mpf("0.92"), mp.mpf("3.95"), 9),
]


def main():
    for name, function, low, high, degree in POLYNOMIALS:
        coefficients = fit(function, low, high, degree)
        print(f"{name}, on {float(low):.4g} .. {float(high):.4g}; largest error of p {float(worst(function, low, high, coefficients)):.2g}")
        for c in coefficients:
            print(f"    {mp.nstr(c, 9, strip_zeros=False)}f")


main()
