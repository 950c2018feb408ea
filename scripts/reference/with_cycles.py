"""Renders with Blender's Cycles. Reads one order as JSON (see orders.py), prints the seconds of each run.

How a glTF material becomes nodes of Cycles:
  specularFactor 0, no metal   Diffuse BSDF: the same
  metal                        Metallic BSDF, Multiscatter GGX, F82 with a white edge, which is Schlick's Fresnel; alpha is
                               the same
  dielectric, coat, glass      Principled BSDF, Multiscatter GGX; the Fresnel is the exact one of the index of refraction
  absorption                   Volume Absorption
  emission                     Emission: two-sided as glTF's
"""

import pathlib

import bpy
import mathutils
import numpy as np

import gltf
import orders

# From y up to z up.
TURN = np.array([[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)


class Nodes:
    """A node tree in the making."""

    def __init__(self, owner, images):
        owner.use_nodes = True
        self.tree, self.images = owner.node_tree, images
        self.tree.nodes.clear()

    def add(self, kind, **inputs):
        node = self.tree.nodes.new(kind)
        for name, value in inputs.items():
            self.set(node.inputs[name.replace("_", " ")], value)
        return node

    def set(self, socket, value):
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif np.ndim(value):
            socket.default_value = [*value, 1][: len(socket.default_value)]
        else:
            socket.default_value = value

    def colour(self, index, factor):
        """A texture times a factor, or the factor alone."""
        if index is None:
            return factor
        image = self.add("ShaderNodeTexImage")
        image.image, image.interpolation = self.images[index], "Linear"
        scaled = self.add("ShaderNodeVectorMath")
        scaled.operation = "MULTIPLY"
        self.set(scaled.inputs[0], image.outputs["Color"])
        self.set(scaled.inputs[1], factor)
        return scaled.outputs[0]


def image(data):
    """A colour texture in linear light: Cycles would blend 8-bit texels before it makes them linear."""
    packed = bpy.data.images.new("packed", 1, 1)
    packed.pack(data=data, data_len=len(data))
    packed.source = "FILE"
    coded = pixels(packed)
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return floats("texture", linear)


def pixels(image):
    width, height = image.size
    values = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(height, width, 4)


def floats(name, values):
    height, width, _ = values.shape
    made = bpy.data.images.new(name, width, height, float_buffer=True)
    made.colorspace_settings.name = "Linear Rec.709"
    made.pixels.foreach_set(values.astype(np.float32).reshape(-1))
    made.update()
    return made


def scattering(nodes, m):
    base = nodes.colour(m.base_texture, m.base)
    if m.metallic == 1 and m.coat == 0:
        node = nodes.add("ShaderNodeBsdfMetallic", Base_Color=base, Edge_Tint=(1, 1, 1), Roughness=m.roughness)
        node.fresnel_type, node.distribution = "F82", "MULTI_GGX"
    elif m.specular == 0 and m.transmission == 0 and m.metallic == 0 and m.coat == 0:
        node = nodes.add("ShaderNodeBsdfDiffuse", Color=base, Roughness=0.0)
    else:
        node = nodes.add(
            "ShaderNodeBsdfPrincipled",
            Base_Color=base,
            Metallic=m.metallic,
            Roughness=m.roughness,
            IOR=m.ior,
            Specular_IOR_Level=m.specular / 2,
            Transmission_Weight=m.transmission,
            Coat_Weight=m.coat,
            Coat_Roughness=m.coat_roughness,
        )
        node.distribution = "MULTI_GGX"
    return node


def material(m, images):
    made = bpy.data.materials.new("material")
    nodes = Nodes(made, images)
    surface = scattering(nodes, m)
    if m.emissive.max() > 0:
        glow = nodes.colour(m.emissive_texture, m.emissive.tolist())
        both = nodes.add("ShaderNodeAddShader")
        nodes.set(both.inputs[0], surface.outputs[0])
        nodes.set(both.inputs[1], nodes.add("ShaderNodeEmission", Color=glow, Strength=1.0).outputs[0])
        surface = both
    output = nodes.add("ShaderNodeOutputMaterial")
    nodes.set(output.inputs["Surface"], surface.outputs[0])
    density = float(m.absorption.max())
    if density > 0:
        inside = nodes.add("ShaderNodeVolumeAbsorption", Color=(1 - m.absorption / density).tolist(), Density=density)
        nodes.set(output.inputs["Volume"], inside.outputs[0])
    return made


def put(name, data, matrix):
    made = bpy.data.objects.new(name, data)
    made.matrix_world = mathutils.Matrix((TURN @ matrix).tolist())
    bpy.context.scene.collection.objects.link(made)
    return made


def mesh(item, images):
    data = bpy.data.meshes.new("mesh")
    data.from_pydata(item.positions.tolist(), [], item.indices.tolist())
    if item.uvs is not None:
        corners = item.uvs[item.indices.reshape(-1)]
        flipped = np.stack([corners[:, 0], 1 - corners[:, 1]], 1).astype(np.float32)
        data.uv_layers.new().data.foreach_set("uv", flipped.reshape(-1))
    if item.normals is not None:
        data.shade_smooth()
        data.normals_split_custom_set_from_vertices(item.normals.tolist())
    data.materials.append(material(item.material, images))
    made = put("mesh", data, np.eye(4))
    # Both bend shadows on coarse meshes, which no other renderer does.
    made.cycles.shadow_terminator_offset = made.cycles.shadow_terminator_geometry_offset = 0


def light(item, matrix):
    kind = {"point": "POINT", "spot": "SPOT", "directional": "SUN"}[item["type"]]
    data = bpy.data.lights.new("light", kind)
    colour, intensity = item.get("color", [1, 1, 1]), item.get("intensity", 1)
    data.color = colour
    # Watts of a whole sphere; a sun's energy is its irradiance.
    data.energy = intensity if kind == "SUN" else intensity * 4 * np.pi
    if kind == "SUN":
        data.angle = 0
    else:
        data.shadow_soft_size = 0
    if kind == "SPOT":
        data.spot_size, data.spot_blend = 2 * item["spot"]["outerConeAngle"], 0
    put("light", data, matrix)


def world(text):
    made = bpy.data.worlds.new("world")
    bpy.context.scene.world = made
    nodes = Nodes(made, [])
    if text == "black":
        colour = (0, 0, 0)
    elif "," in text:
        colour = [float(c) for c in text.split(",")]
    else:
        file = bpy.data.images.load(text)
        file.colorspace_settings.name = "Linear Rec.709"
        values = pixels(file)
        # The centre of Blender's image lies a quarter turn from ours.
        sky = floats("sky", np.roll(values, -(values.shape[1] // 4), 1))
        texture = nodes.add("ShaderNodeTexEnvironment")
        texture.image, texture.interpolation = sky, "Linear"
        colour = texture.outputs["Color"]
    background = nodes.add("ShaderNodeBackground", Color=colour, Strength=1.0)
    output = nodes.add("ShaderNodeOutputWorld")
    nodes.set(output.inputs["Surface"], background.outputs[0])


def camera(place, angle):
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.angle_y = "VERTICAL", angle
    data.clip_start, data.clip_end = 0.01, 1e6
    bpy.context.scene.camera = put("camera", data, place)


def settings(order):
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y = order["width"], order["height"]
    scene.render.resolution_percentage = 100
    scene.render.threads_mode, scene.render.threads = "FIXED", order["threads"]
    scene.render.image_settings.file_format = "OPEN_EXR"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.color_mode = "RGB"
    cycles = scene.cycles
    cycles.device = "CPU"
    # Nothing is traded for less noise.
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.sample_clamp_direct = cycles.sample_clamp_indirect = cycles.blur_glossy = cycles.light_sampling_threshold = 0
    cycles.caustics_reflective = cycles.caustics_refractive = True
    cycles.pixel_filter_type = "BOX"
    # Cycles counts the bounces after the first surface.
    bounces = order["bounces"] - 1
    cycles.max_bounces = cycles.diffuse_bounces = cycles.glossy_bounces = cycles.transmission_bounces = bounces
    return scene


def main(order):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = settings(order)
    source = gltf.read(pathlib.Path(order["scene"]))
    images = [image(data) for data in source.images]
    for item in source.meshes:
        mesh(item, images)
    for item, matrix in source.lights:
        light(item, matrix)
    world(order["environment"])
    camera(*source.camera)

    def run(samples, seed, out):
        scene.cycles.samples, scene.cycles.seed = samples, seed
        scene.render.filepath = out
        bpy.ops.render.render(write_still=True)

    return {"engine": f"Cycles of Blender {bpy.app.version_string}, CPU"}, run


orders.serve(main)
