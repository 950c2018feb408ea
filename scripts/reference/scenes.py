"""The reference scenes. Each is one glTF file and perhaps an environment; nothing of a scene stands anywhere else.

Materials are those that renderers agree about: diffuse surfaces have no dielectric reflection (specularFactor 0), metals
have no diffuse part, emitters are black. Lamps are seen from their front alone, since emission is two-sided in one
renderer and one-sided in another.
"""

import dataclasses
import pathlib
import struct
import zlib

import numpy as np

import gltf


@dataclasses.dataclass
class Reference:
    name: str
    about: str
    path: pathlib.Path
    environment: str  # black, R,G,B or the path of a .hdr file
    bounces: int
    # Renderers whose materials can say the same as the file's.
    matching: tuple = ("mitsuba", "cycles")


def quad(a, b, c, d, uv=1.0):
    """A quad, counter-clockwise from its front; its texture repeats `uv` times."""
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * uv
    return np.array([a, b, c, d], float), None, uvs, np.array([[0, 1, 2], [0, 2, 3]])


def join(shapes):
    """Several shapes as one."""
    positions, normals, uvs, indices = [], [], [], []
    for p, n, t, i in shapes:
        indices.append(np.array(i) + sum(map(len, positions)))
        positions.append(p)
        normals.append(n)
        uvs.append(t)
    whole = lambda parts: None if parts[0] is None else np.concatenate(parts)
    return np.concatenate(positions), whole(normals), whole(uvs), np.concatenate(indices)


def block(centre, size, turn=0.0, uv=1.0):
    """A box that stands upright, turned around the vertical."""
    x, y, z = np.array(size) / 2
    corner = np.array([[a, b, c] for c in (-z, z) for b in (-y, y) for a in (-x, x)])
    s, c = np.sin(turn), np.cos(turn)
    corner = corner @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]) + centre
    faces = [[4, 5, 7, 6], [1, 0, 2, 3], [5, 1, 3, 7], [0, 4, 6, 2], [6, 7, 3, 2], [0, 1, 5, 4]]
    return join([quad(*corner[face], uv) for face in faces])


def ball(centre, radius, steps=4):
    """A smooth ball: an icosahedron divided `steps` times."""
    g = (1 + 5**0.5) / 2
    points = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g)]
    points += [(0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6), (7, 1, 8)]
    faces += [(3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]
    points, faces = np.array(points, float), np.array(faces)
    for _ in range(steps):
        a, b, c = (points[faces[:, k]] for k in range(3))
        n = len(faces)
        middle = np.concatenate([(a + b) / 2, (b + c) / 2, (c + a) / 2])
        ab, bc, ca = (len(points) + k * n + np.arange(n) for k in range(3))
        points = np.concatenate([points, middle])
        i, j, k = faces.T
        faces = np.concatenate([np.stack(t, 1) for t in [(i, ab, ca), (ab, j, bc), (ca, bc, k), (ab, bc, ca)]])
        points, merged = np.unique(points.round(9), axis=0, return_inverse=True)
        faces = merged.reshape(-1)[faces]
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    return normals * radius + centre, normals, None, faces


def png(pixels):
    """Rows of 8-bit RGB pixels as a PNG file."""
    height, width, _ = pixels.shape
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")


def hdr(pixels):
    """Rows of linear RGB as a Radiance file, without run lengths."""
    height, width, _ = pixels.shape
    mantissa, exponent = np.frexp(pixels.max(2))
    scale = np.where(pixels.max(2) > 1e-32, np.ldexp(256.0, -exponent), 0)
    rgbe = np.concatenate([pixels * scale[..., None], (exponent + 128)[..., None]], 2).astype(np.uint8)
    return f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n".encode() + rgbe.tobytes()


# Diffuse alone: the dielectric's reflection is off.
MATTE = {"specular": {"specularFactor": 0}}
BLACK = (0, 0, 0)


def floor_and_wall(file, base=(0.5, 0.5, 0.5)):
    grey = file.material("grey", base, **MATTE)
    file.mesh(quad((-6, 0, 6), (6, 0, 6), (6, 0, -3), (-6, 0, -3)), grey)
    file.mesh(quad((-6, 0, -3), (6, 0, -3), (6, 6, -3), (-6, 6, -3)), grey)


def ceiling_lamp(file, height, half, power, centre=(0, 0)):
    lamp = file.material("lamp", BLACK, emissive=power, **MATTE)
    x, z = centre
    file.mesh(
        quad((x - half, height, z - half), (x + half, height, z - half), (x + half, height, z + half), (x - half, height, z + half)),
        lamp,
    )


def box(file, _folder):
    white, red, green = (file.material(n, c, **MATTE) for n, c in [("white", (0.73,) * 3), ("red", (0.63, 0.06, 0.05)), ("green", (0.14, 0.45, 0.09))])
    file.mesh(quad((-1, 0, 1), (1, 0, 1), (1, 0, -1), (-1, 0, -1)), white)
    file.mesh(quad((-1, 0, -1), (1, 0, -1), (1, 2, -1), (-1, 2, -1)), white)
    file.mesh(quad((-1, 0, 1), (-1, 0, -1), (-1, 2, -1), (-1, 2, 1)), red)
    file.mesh(quad((1, 0, -1), (1, 0, 1), (1, 2, 1), (1, 2, -1)), green)
    # The lamp fills a hole of the ceiling.
    ring = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    hole = [(-0.3, -0.3), (0.3, -0.3), (0.3, 0.3), (-0.3, 0.3)]
    for k in range(4):
        (ax, az), (bx, bz), (cx, cz), (dx, dz) = ring[k], ring[(k + 1) % 4], hole[(k + 1) % 4], hole[k]
        file.mesh(quad((ax, 2, az), (bx, 2, bz), (cx, 2, cz), (dx, 2, dz)), white)
    ceiling_lamp(file, 2, 0.3, (17, 12, 6))
    file.mesh(block((-0.35, 0.6, -0.35), (0.6, 1.2, 0.6), 0.3), white)
    file.mesh(block((0.35, 0.3, 0.35), (0.6, 0.6, 0.6), -0.3), white)
    file.camera((0, 1, 3.9), (0, 1, 0), 0.69)
    return "black"


def metals(file, _folder):
    floor_and_wall(file)
    ceiling_lamp(file, 4, 1, (12, 12, 12), (0, 1))
    for row, (name, base) in enumerate([("silver", (0.97, 0.96, 0.92)), ("gold", (1.0, 0.78, 0.34))]):
        for k, roughness in enumerate([0.15, 0.3, 0.5, 0.8]):
            metal = file.material(f"{name} {roughness}", base, 1, roughness)
            file.mesh(ball((k * 1.1 - 1.65, 0.5 + row * 1.1, -row * 0.8), 0.5), metal)
    file.camera((0, 1.6, 5.5), (0, 0.95, 0), 0.6)
    return "0.3,0.35,0.4"


def lamps(file, _folder):
    rng = np.random.default_rng(1)
    wall = file.material("wall", (0.6, 0.6, 0.6), **MATTE)
    metal = file.material("metal", (0.9, 0.88, 0.85), 1, 0.5)
    file.mesh(quad((-2, 0, 2), (2, 0, 2), (2, 0, -1.5), (-2, 0, -1.5)), metal)
    file.mesh(quad((-2, 0, 2), (-2, 0, -1.5), (-2, 2.4, -1.5), (-2, 2.4, 2)), wall)
    file.mesh(quad((2, 0, -1.5), (2, 0, 2), (2, 2.4, 2), (2, 2.4, -1.5)), wall)
    file.mesh(quad((-2, 2.4, -1.5), (2, 2.4, -1.5), (2, 2.4, 2), (-2, 2.4, 2)), wall)
    x, y = np.meshgrid(np.arange(32), np.arange(24))
    stripes = np.stack([(x // 4 % 2) * 255, (y // 4 % 2) * 200, ((x + y) // 6 % 2) * 230], 2)
    panel = file.material("panel", BLACK, emissive=(1.2, 1.2, 1.2), glow=file.texture(png(stripes.astype(np.uint8))), **MATTE)
    file.mesh(quad((-2, 0, -1.5), (2, 0, -1.5), (2, 2.4, -1.5), (-2, 2.4, -1.5)), panel)
    for number in range(6):
        power = 10 ** rng.uniform(0.3, 1.3) * rng.uniform(0.2, 1, 3)
        lamp = file.material(f"lamp {number}", BLACK, emissive=[float(c) for c in power], **MATTE)
        places = rng.uniform((-1.7, 0.2, -1.2), (1.7, 2.2, 1), (10, 3))
        # Without normals: Mitsuba's lamps give no light where the interpolated normal looks away.
        balls = [(points, None, None, faces) for points, _, _, faces in (ball(p, rng.uniform(0.03, 0.07), 1) for p in places)]
        file.mesh(join(balls), lamp)
    file.camera((0, 1.2, 4.6), (0, 1.1, 0), 0.62)
    return "black"


def sun(pixels_across=256):
    """A clear sky over dark ground, with a blurred sun."""
    height = pixels_across // 2
    v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(pixels_across) + 0.5) / pixels_across, indexing="ij")
    theta, phi = v * np.pi, (u - 0.5) * 2 * np.pi
    # The centre of the image lies towards -z, its top towards +y.
    d = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), -np.sin(theta) * np.cos(phi)], 2)
    towards = np.array([0.6, 0.6, 0.5])
    angle = np.arccos(np.clip(d @ (towards / np.linalg.norm(towards)), -1, 1))
    up = np.clip(d[..., 1:2], 0, 1)
    light = np.where(d[..., 1:2] > 0, [0.25, 0.4, 0.8] + (1 - up) ** 3 * [0.5, 0.4, 0.2], [0.15, 0.13, 0.1])
    return light + np.exp(-((angle / np.radians(4)) ** 2))[..., None] * np.array([260, 230, 180])


def sky(file, folder):
    grey, clay = file.material("ground", (0.4, 0.4, 0.4), **MATTE), file.material("clay", (0.7, 0.3, 0.2), **MATTE)
    file.mesh(quad((-9, 0, 9), (9, 0, 9), (9, 0, -9), (-9, 0, -9)), grey)
    file.mesh(block((-1.2, 0.5, -0.3), (0.8, 1, 0.8), 0.5), clay)
    file.mesh(ball((0, 0.5, 0), 0.5), clay)
    file.mesh(ball((1.2, 0.5, 0), 0.5), file.material("gold", (1.0, 0.78, 0.34), 1, 0.3))
    file.camera((0, 1.4, 4.5), (0, 0.5, 0), 0.6)
    path = folder / "sky.hdr"
    path.write_bytes(hdr(sun()))
    return str(path)


def plastic(file, _folder):
    floor_and_wall(file)
    ceiling_lamp(file, 4, 1, (12, 12, 12), (0, 1))
    colours = [(0.6, 0.05, 0.05), (0.05, 0.4, 0.1), (0.05, 0.1, 0.6), (0.8, 0.8, 0.8)]
    for k, roughness in enumerate([0.15, 0.3, 0.5, 0.8]):
        file.mesh(ball((k * 1.1 - 1.65, 0.5, 0), 0.5), file.material(f"plastic {roughness}", colours[k], 0, roughness))
    file.camera((0, 1.3, 5.5), (0, 0.6, 0), 0.62)
    return "0.3,0.35,0.4"


def coats(file, _folder):
    floor_and_wall(file)
    ceiling_lamp(file, 4, 1, (12, 12, 12), (0, 1))
    under = [((0.6, 0.05, 0.05), 0, MATTE), ((0.05, 0.2, 0.5), 0, MATTE), ((1.0, 0.78, 0.34), 1, {}), ((0.97, 0.96, 0.92), 1, {})]
    for k, (base, metallic, more) in enumerate(under):
        coat = {"clearcoat": {"clearcoatFactor": 1, "clearcoatRoughnessFactor": (0.15, 0.4)[k % 2]}}
        file.mesh(ball((k * 1.1 - 1.65, 0.5, 0), 0.5), file.material(f"coat {k}", base, metallic, 0.6, **more, **coat))
    file.camera((0, 1.3, 5.5), (0, 0.6, 0), 0.62)
    return "0.3,0.35,0.4"


def spots(file, _folder):
    x, y = np.meshgrid(np.arange(16), np.arange(16))
    tiles = np.stack([60 + (x + y) % 2 * 150, 90 + x * 8, 60 + y * 10], 2)
    texture = file.texture(png(tiles.astype(np.uint8)))
    tiled = file.material("tiles", texture=texture, **MATTE)
    file.mesh(quad((-4, 0, 4), (4, 0, 4), (4, 0, -3), (-4, 0, -3), 3), tiled)
    file.mesh(quad((-4, 0, -3), (4, 0, -3), (4, 4, -3), (-4, 4, -3), 2), tiled)
    file.mesh(block((-0.8, 0.5, 0), (1, 1, 1), 0.4), tiled)
    file.mesh(ball((0.9, 0.6, 0), 0.6), file.material("steel", (0.7, 0.72, 0.75), 1, 0.4))
    file.light("point", (-2, 2.5, 2), (0, 0, 0), [1, 0.8, 0.6], 12)
    file.light("spot", (2.5, 3, 1.5), (0.5, 0.2, 0), [0.6, 0.8, 1], 40, 0.3)
    file.light("directional", (1, 3, 4), (0, 0, 0), [1, 1, 1], 0.8)
    file.camera((0, 1.5, 5), (0, 0.7, 0), 0.65)
    return "black"


def glass(file, _folder):
    floor_and_wall(file)
    ceiling_lamp(file, 4, 1, (12, 12, 12), (0, 1))
    solid = {"transmission": {"transmissionFactor": 1}, "volume": {"thicknessFactor": 1}, "ior": {"ior": 1.5}}
    for k, roughness in enumerate([0.15, 0.3, 0.5]):
        file.mesh(ball((k * 1.1 - 1.65, 0.55, 0), 0.5), file.material(f"glass {roughness}", (1, 1, 1), 0, roughness, **solid))
    solid["volume"] = {"thicknessFactor": 1, "attenuationColor": [0.3, 0.8, 0.5], "attenuationDistance": 0.7}
    file.mesh(ball((1.65, 0.55, 0), 0.5), file.material("green glass", (1, 1, 1), 0, 0.2, **solid))
    file.camera((0, 1.3, 5.5), (0, 0.6, 0), 0.62)
    return "0.3,0.35,0.4"


SCENES = [
    (box, "diffuse walls and blocks, a lamp in the ceiling", 6, {}),
    (metals, "silver and gold, roughness 0.15 to 0.8, a lamp and a uniform sky", 6, {}),
    (lamps, "60 small lamps of 6 powers, a wall of emissive texture, a metal floor", 6, {}),
    (sky, "an environment image with a sun, diffuse and gold", 4, {}),
    (spots, "point, spot and directional light, textures, steel", 5, {}),
    (plastic, "dielectric over diffuse, roughness 0.15 to 0.8", 6, {"matching": ("cycles",)}),
    (coats, "clear coats of roughness 0.15 and 0.4 over diffuse and metal", 6, {"matching": ("cycles",)}),
    (glass, "rough refraction, roughness 0.15 to 0.5, and green glass", 10, {}),
]


def make(folder):
    """Writes all scenes and returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for build, about, bounces, more in SCENES:
        file = gltf.Writer()
        environment = build(file, folder)
        path = folder / f"{build.__name__}.glb"
        file.save(path)
        made.append(Reference(build.__name__, about, path, environment, bounces, **more))
    return made


def given(path, environment, folder):
    """A file from elsewhere, with a camera in front of it if it has none."""
    found = gltf.read(path)
    if found.camera is None:
        points = np.concatenate([mesh.positions for mesh in found.meshes])
        low, high = points.min(0), points.max(0)
        angle, centre = 0.7, (low + high) / 2
        back = (high - low)[:2].max() / 2 / np.tan(angle / 2) * 1.05
        file = gltf.Writer.of(path)
        file.camera((centre[0], centre[1], high[2] + back), centre, angle)
        path = folder / path.name
        file.save(path)
    return Reference(path.stem, "a file from elsewhere", path, environment, 6, ("cycles",))
