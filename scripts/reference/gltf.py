"""Binary glTF: enough to write the reference scenes, and to read scenes for the other renderers.

Read are triangle lists with float attributes in plain accessors, node trees, cameras, punctual lights and materials; a
feature that would change the picture and is not read is refused.
"""

import dataclasses
import json
import struct

import numpy as np

FLOAT, SHORT, INT, BYTE = 5126, 5123, 5125, 5121
TYPES = {FLOAT: np.float32, SHORT: np.uint16, INT: np.uint32, BYTE: np.uint8}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Writer:
    """A file in the making."""

    def __init__(self):
        self.data = bytearray()
        self.json = {
            "asset": {"version": "2.0", "generator": "Tessera"},
            "scene": 0,
            "scenes": [{"nodes": []}],
        }

    def _push(self, kind, item):
        self.json.setdefault(kind, []).append(item)
        return len(self.json[kind]) - 1

    def _view(self, data):
        self.data += b"\0" * (-len(self.data) % 4)
        self.data += data
        return self._push("bufferViews", {"buffer": 0, "byteOffset": len(self.data) - len(data), "byteLength": len(data)})

    def _accessor(self, values, component, kind, bounds=False):
        values = np.ascontiguousarray(values, TYPES[component])
        accessor = {"bufferView": self._view(values.tobytes()), "componentType": component, "count": len(values), "type": kind}
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        return self._push("accessors", accessor)

    def texture(self, png):
        """Adds a PNG and returns its texture."""
        image = self._push("images", {"bufferView": self._view(png), "mimeType": "image/png"})
        self.json.setdefault("samplers", [{"magFilter": 9729, "minFilter": 9729, "wrapS": 10497, "wrapT": 10497}])
        return self._push("textures", {"source": image, "sampler": 0})

    def material(self, name, base=(1, 1, 1), metallic=0, roughness=1, texture=None, emissive=None, glow=None, **extensions):
        """Adds a material; `glow` is an emissive texture, and `extensions` are those of KHR_materials."""
        look = {"baseColorFactor": [*base, 1], "metallicFactor": metallic, "roughnessFactor": roughness}
        if texture is not None:
            look["baseColorTexture"] = {"index": texture}
        material = {"name": name, "pbrMetallicRoughness": look, "extensions": {}}
        if emissive is not None:
            strength = max(emissive)
            material["emissiveFactor"] = [c / strength for c in emissive]
            extensions["emissive_strength"] = {"emissiveStrength": strength}
        if glow is not None:
            material["emissiveTexture"] = {"index": glow}
        for key, value in extensions.items():
            material["extensions"][f"KHR_materials_{key}"] = value
            self._uses(f"KHR_materials_{key}")
        return self._push("materials", material)

    def _uses(self, extension):
        used = self.json.setdefault("extensionsUsed", [])
        if extension not in used:
            used.append(extension)

    def _node(self, node):
        self.json["scenes"][0]["nodes"].append(self._push("nodes", node))

    def mesh(self, shape, material):
        """Adds a shape: positions, normals or None, uvs or None, indices."""
        positions, normals, uvs, indices = shape
        attributes = {"POSITION": self._accessor(positions, FLOAT, "VEC3", True)}
        if normals is not None:
            attributes["NORMAL"] = self._accessor(normals, FLOAT, "VEC3")
        if uvs is not None:
            attributes["TEXCOORD_0"] = self._accessor(uvs, FLOAT, "VEC2")
        indices = self._accessor(np.ravel(indices), INT, "SCALAR")
        primitive = {"attributes": attributes, "indices": indices, "material": material}
        self._node({"mesh": self._push("meshes", {"primitives": [primitive]})})

    @staticmethod
    def _place(eye, target):
        """The matrix of a node at `eye` whose -z looks at `target`, column by column."""
        eye, target = np.array(eye, float), np.array(target, float)
        back = (eye - target) / np.linalg.norm(eye - target)
        up = (0, 1, 0) if abs(back[1]) < 0.999 else (0, 0, -1)
        right = np.cross(up, back)
        right /= np.linalg.norm(right)
        up = np.cross(back, right)
        return np.concatenate([[*right, 0], [*up, 0], [*back, 0], [*eye, 1]]).tolist()

    def camera(self, eye, target, yfov):
        camera = {"type": "perspective", "perspective": {"yfov": yfov, "znear": 0.01}}
        self._node({"camera": self._push("cameras", camera), "matrix": self._place(eye, target)})

    def light(self, kind, eye, target, color, intensity, angle=None):
        light = {"type": kind, "color": color, "intensity": intensity}
        if angle is not None:
            # A hard edge: renderers differ in how a cone fades.
            light["spot"] = {"innerConeAngle": angle * 0.9999, "outerConeAngle": angle}
        extension = self.json.setdefault("extensions", {}).setdefault("KHR_lights_punctual", {"lights": []})
        extension["lights"].append(light)
        self._uses("KHR_lights_punctual")
        reference = {"KHR_lights_punctual": {"light": len(extension["lights"]) - 1}}
        self._node({"extensions": reference, "matrix": self._place(eye, target)})

    def save(self, path):
        self.data += b"\0" * (-len(self.data) % 4)
        self.json["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(self.data), b"BIN\0") + self.data
        path.write_bytes(b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks)

    @classmethod
    def of(cls, path):
        """An existing file, to add to."""
        made = cls()
        made.json, data = parts(path)
        made.data += data
        return made


def parts(path):
    """The JSON and the binary part of a file."""
    file = path.read_bytes()
    size = struct.unpack_from("<I", file, 12)[0]
    return json.loads(file[20 : 20 + size]), file[28 + size :]


@dataclasses.dataclass
class Material:
    base: list
    base_texture: int | None
    metallic: float
    roughness: float
    emissive: np.ndarray
    emissive_texture: int | None
    specular: float
    ior: float
    transmission: float
    absorption: np.ndarray  # per world unit inside
    coat: float
    coat_roughness: float


@dataclasses.dataclass
class Mesh:
    positions: np.ndarray
    normals: np.ndarray | None
    uvs: np.ndarray | None
    indices: np.ndarray
    material: Material


@dataclasses.dataclass
class Scene:
    meshes: list
    images: list  # bytes of each texture's file
    camera: tuple  # matrix to the world, vertical angle
    lights: list  # (light as in the file, matrix to the world)


READ = {
    "KHR_lights_punctual",
    "KHR_materials_emissive_strength",
    "KHR_materials_specular",
    "KHR_materials_ior",
    "KHR_materials_transmission",
    "KHR_materials_volume",
    "KHR_materials_clearcoat",
}


def read(path):
    """Reads a scene in world space."""
    root, data = parts(path)
    unread = set(root.get("extensionsUsed", [])) - READ
    if unread:
        raise ValueError(f"{path} uses {sorted(unread)}, which this comparison does not translate")

    if any("normalTexture" in m for m in root.get("materials", [])):
        raise ValueError(f"{path} has normal maps, which this comparison does not translate")

    def view(index):
        item = root["bufferViews"][index]
        start = item.get("byteOffset", 0)
        return data[start : start + item["byteLength"]], item.get("byteStride")

    def values(index):
        item = root["accessors"][index]
        if "sparse" in item:
            raise ValueError(f"{path} has sparse accessors, which this comparison does not read")
        kind, width = np.dtype(TYPES[item["componentType"]]), WIDTHS[item["type"]]
        bytes_, stride = view(item["bufferView"])
        array = np.ndarray(
            (item["count"], width), kind, bytes_, item.get("byteOffset", 0), (stride or kind.itemsize * width, kind.itemsize)
        )
        return array.copy()

    materials = [material(item) for item in root.get("materials", [])]
    images = [view(root["images"][t["source"]]["bufferView"])[0] for t in root.get("textures", [])]
    scene = Scene([], images, None, [])
    punctual = root.get("extensions", {}).get("KHR_lights_punctual", {}).get("lights", [])

    def visit(index, parent):
        node = root["nodes"][index]
        # A skinned mesh is taken in its bind pose, in the space of the scene.
        here = np.eye(4) if "skin" in node else parent @ local(node)
        for primitive in root["meshes"][node["mesh"]]["primitives"] if "mesh" in node else []:
            attributes = primitive["attributes"]
            positions = values(attributes["POSITION"]) @ here[:3, :3].T + here[:3, 3]
            normals = values(attributes["NORMAL"]) @ np.linalg.inv(here[:3, :3]) if "NORMAL" in attributes else None
            if normals is not None:
                normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            uvs = values(attributes["TEXCOORD_0"]) if "TEXCOORD_0" in attributes else None
            count = len(positions)
            indices = values(primitive["indices"]) if "indices" in primitive else np.arange(count)
            scene.meshes.append(
                Mesh(positions, normals, uvs, indices.reshape(-1, 3).astype(np.int32), materials[primitive["material"]])
            )
        if "camera" in node and scene.camera is None:
            scene.camera = here, root["cameras"][node["camera"]]["perspective"]["yfov"]
        light = node.get("extensions", {}).get("KHR_lights_punctual")
        if light:
            scene.lights.append((punctual[light["light"]], here))
        for child in node.get("children", []):
            visit(child, here)

    for index in root["scenes"][root.get("scene", 0)]["nodes"]:
        visit(index, np.eye(4))
    return scene


def local(node):
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    matrix = np.eye(4)
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    turn = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] = np.array(turn) * node.get("scale", (1, 1, 1))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def material(item):
    look = item.get("pbrMetallicRoughness", {})
    extension = lambda name: item.get("extensions", {}).get(f"KHR_materials_{name}", {})
    strength = extension("emissive_strength").get("emissiveStrength", 1)
    volume = extension("volume")
    return Material(
        base=look.get("baseColorFactor", [1, 1, 1, 1])[:3],
        base_texture=look.get("baseColorTexture", {}).get("index"),
        metallic=look.get("metallicFactor", 1),
        roughness=look.get("roughnessFactor", 1),
        emissive=np.array(item.get("emissiveFactor", [0, 0, 0]), float) * strength,
        emissive_texture=item.get("emissiveTexture", {}).get("index"),
        specular=extension("specular").get("specularFactor", 1),
        ior=extension("ior").get("ior", 1.5),
        transmission=extension("transmission").get("transmissionFactor", 0),
        absorption=-np.log(volume.get("attenuationColor", [1, 1, 1])) / volume.get("attenuationDistance", np.inf),
        coat=extension("clearcoat").get("clearcoatFactor", 0),
        coat_roughness=extension("clearcoat").get("clearcoatRoughnessFactor", 0),
    )
