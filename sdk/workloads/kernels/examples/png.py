"""Reads and writes PNG files of 8 bits a channel, for the scripts of the examples."""

import struct
import zlib


def write(path, width, height, rgb):
    """Writes `rgb`, three bytes a pixel."""
    rows = b"".join(b"\0" + bytes(rgb[y * width * 3 : (y + 1) * width * 3]) for y in range(height))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    path.write_bytes(data)


def read(path):
    """Width, height and bytes of a picture of three or four channels; three are returned."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        if kind == b"IHDR":
            width, height, bits, colour, _, _, interlaced = struct.unpack_from(">2I5B", data, at + 8)
        if kind == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += 12 + length
    if bits != 8 or colour not in (2, 6) or interlaced:
        raise SystemExit(f"{path}: a PNG of 8 bits a channel, in colour and not interlaced, is needed")
    channels = 3 if colour == 2 else 4
    raw, stride = zlib.decompress(packed), width * channels
    before, out = bytes(stride), bytearray()
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1 : (y + 1) * (stride + 1)])
        for i in range(stride):
            left = row[i - channels] if i >= channels else 0
            up, corner = before[i], before[i - channels] if i >= channels else 0
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            row[i] = (row[i] + (0, left, up, (left + up) // 2, near)[kind]) & 255
        before = bytes(row)
        out += b"".join(row[i : i + 3] for i in range(0, stride, channels))
    return width, height, bytes(out)
