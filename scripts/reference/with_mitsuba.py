"""Renders with Mitsuba. Reads one order as JSON (see orders.py), prints the seconds of each run.

How a glTF material becomes one of Mitsuba's:
  specularFactor 0, no metal   diffuse: the same
  metal                        mitsuba_metal.py: glTF's formulas, since Mitsuba's own metals mask by a product of two of
                               Smith's terms and lose the light that bounces between facets
  transmission                 roughdielectric: GGX of the same alpha; exact Fresnel, masked by a product and
                               with loss
  absorption                   a homogeneous medium that scatters nothing
  emission                     area: one-sided where glTF's is two-sided
"""

import pathlib
import tempfile

import drjit as dr
import mitsuba as mi
import numpy as np

import gltf
import orders

# Samples of all pixels that are traced at once: bounds memory.
AT_ONCE = 1 << 21


def variant():
    """The variant that compiles with LLVM, if that library is on this machine."""
    try:
        mi.set_variant("llvm_ad_rgb")
        dr.eval(dr.arange(mi.Float, 2))
    except Exception:
        mi.set_variant("scalar_rgb")
    return mi.variant()


def texture(images, index, factor):
    """A colour texture times a factor, or the factor alone."""
    factor = np.array(factor, np.float32)
    if index is None:
        return {"type": "rgb", "value": factor.tolist()}
    bitmap = decode(images[index])
    linear = np.array(bitmap.convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False))
    return {"type": "bitmap", "data": mi.TensorXf(linear * factor), "raw": True, "filter_type": "bilinear", "wrap_mode": "repeat"}


def decode(data):
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(data)
        file.flush()
        return mi.Bitmap(file.name)


def bsdf(images, m):
    base = texture(images, m.base_texture, m.base)
    if m.transmission == 1 and m.metallic == 0:
        # Not two-sided: the inside is another side.
        return {"type": "roughdielectric", "distribution": "ggx", "alpha": m.roughness**2, "int_ior": m.ior, "ext_ior": 1.0}
    if m.coat == 0 and m.metallic == 1 and m.base_texture is None:
        inner = {"type": "gltf_metal", "base": base, "alpha": m.roughness**2}
    elif m.coat == 0 and m.specular == 0 and m.transmission == 0 and m.metallic == 0:
        inner = {"type": "diffuse", "reflectance": base}
    else:
        raise ValueError("Mitsuba has no model of a dielectric over another surface that matches glTF's")
    return {"type": "twosided", "bsdf": inner}


def shape(images, mesh, path):
    """A mesh by way of a PLY file."""
    columns = [("position", mesh.positions, "x y z"), ("normal", mesh.normals, "nx ny nz"), ("uv", mesh.uvs, "u v")]
    columns = [(values, names.split()) for _, values, names in columns if values is not None]
    head = "".join(f"property float {n}\n" for _, names in columns for n in names)
    vertices = np.concatenate([values for values, _ in columns], 1).astype("<f4")
    faces = np.zeros(len(mesh.indices), [("n", "u1"), ("i", "<i4", 3)])
    faces["n"], faces["i"] = 3, mesh.indices
    text = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertices)}\n{head}"
    text += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    path.write_bytes(text.encode() + vertices.tobytes() + faces.tobytes())
    item = {"type": "ply", "filename": str(path), "face_normals": mesh.normals is None, "bsdf": bsdf(images, mesh.material)}
    if mesh.material.absorption.max() > 0:
        most = float(mesh.material.absorption.max())
        sigma = {"type": "rgb", "value": (mesh.material.absorption / most).tolist()}
        nothing = {"type": "rgb", "value": 0.0}
        item["interior"] = {"type": "homogeneous", "albedo": nothing, "sigma_t": sigma, "scale": most}
    if mesh.material.emissive.max() > 0:
        radiance = texture(images, mesh.material.emissive_texture, mesh.material.emissive)
        item["emitter"] = {"type": "area", "radiance": radiance}
    return item


def light(item, place):
    power = {"type": "rgb", "value": (np.array(item.get("color", [1, 1, 1])) * item.get("intensity", 1)).tolist()}
    at, forward = place[:3, 3].tolist(), (-place[:3, 2]).tolist()
    if item["type"] == "point":
        return {"type": "point", "position": at, "intensity": power}
    if item["type"] == "directional":
        return {"type": "directional", "direction": forward, "irradiance": power}
    angle = np.degrees(item["spot"]["outerConeAngle"])
    return {
        "type": "spot",
        "to_world": mi.ScalarTransform4f().look_at(at, (place[:3, 3] - place[:3, 2]).tolist(), place[:3, 1].tolist()),
        "intensity": power,
        "cutoff_angle": angle,
        "beam_width": angle * 0.9999,
    }


def environment(text):
    if "," in text:
        return {"type": "constant", "radiance": {"type": "rgb", "value": [float(c) for c in text.split(",")]}}
    pixels = np.array(mi.Bitmap(text).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False))
    # Mitsuba's centre lies towards +z. Its first and last row lie on the poles, where ours end: rows at the middle
    # between two of ours describe the same function.
    pixels = np.roll(pixels, pixels.shape[1] // 2, 1)
    rows = np.zeros((2 * len(pixels) + 1, *pixels.shape[1:]), np.float32)
    rows[1::2] = pixels
    rows[2:-1:2] = (pixels[1:] + pixels[:-1]) / 2
    rows[0], rows[-1] = pixels[0], pixels[-1]
    return {"type": "envmap", "bitmap": mi.Bitmap(rows)}


def scene(order, folder):
    source = gltf.read(pathlib.Path(order["scene"]))
    place, angle = source.camera
    eye, forward, up = place[:3, 3], -place[:3, 2], place[:3, 1]
    absorbing = any(mesh.material.absorption.max() > 0 for mesh in source.meshes)
    made = {
        "type": "scene",
        # Mitsuba's depth counts the segments of a path, ours its bounces.
        "integrator": {"type": "volpath" if absorbing else "path", "max_depth": order["bounces"] + 1},
        "sensor": {
            "type": "perspective",
            "fov_axis": "y",
            "fov": float(np.degrees(angle)),
            "near_clip": 0.01,
            "to_world": mi.ScalarTransform4f().look_at(eye.tolist(), (eye + forward).tolist(), up.tolist()),
            "film": {
                "type": "hdrfilm",
                "width": order["width"],
                "height": order["height"],
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
                "component_format": "float32",
            },
        },
    }
    for k, mesh in enumerate(source.meshes):
        made[f"mesh{k}"] = shape(source.images, mesh, pathlib.Path(folder) / f"{k}.ply")
    for k, (item, matrix) in enumerate(source.lights):
        made[f"light{k}"] = light(item, matrix)
    if order["environment"] != "black":
        made["sky"] = environment(order["environment"])
    return mi.load_dict(made)


def main(order):
    name = variant()
    dr.set_thread_count(order["threads"])
    # Its base class exists once a variant is chosen.
    import mitsuba_metal

    mi.register_bsdf("gltf_metal", mitsuba_metal.Metal)
    with tempfile.TemporaryDirectory() as folder:
        loaded = scene(order, folder)
    most = max(1, AT_ONCE // (order["width"] * order["height"]))

    def run(samples, seed, out):
        total = np.zeros((order["height"], order["width"], 3))
        done = 0
        while done < samples:
            some = min(most, samples - done)
            part = mi.render(loaded, spp=some, seed=seed * 100_003 + done)
            total += np.array(part, np.float64) * some
            done += some
        mi.Bitmap((total / samples).astype(np.float32)).write(out)

    return {"engine": f"Mitsuba {mi.__version__}, {name}"}, run


orders.serve(main)
