"""The metal of glTF for Mitsuba, which has none like it: GGX with height-correlated masking (Heitz 2014), Schlick's Fresnel
and the energy of light that bounces between facets given back by a factor of the outgoing angle (Turquin 2019).

Written from the papers for this comparison; it shares nothing with the renderer that it is compared with.
"""

import drjit as dr
import mitsuba as mi
import numpy as np

ANGLES = 64


def smith(cosine, alpha):
    """Smith's lambda of GGX."""
    return (np.sqrt(1 + alpha**2 * (1 / cosine**2 - 1)) - 1) / 2


def albedo(alpha):
    """The energy that single scattering reflects where the Fresnel term is one, at evenly spaced cosines of the angle: the
    mean weight of directions by visible normals (Dupuy and Benyoub 2023)."""
    cosine = np.linspace(0, 1, ANGLES).clip(1e-3)[:, None, None]
    u, v = np.meshgrid((np.arange(256) + 0.5) / 256, (np.arange(256) + 0.5) / 256)
    view = np.stack(np.broadcast_arrays(np.sqrt(1 - cosine**2), 0, cosine))
    stretched = view * np.array([alpha, alpha, 1])[:, None, None, None]
    stretched = stretched / np.linalg.norm(stretched, axis=0)
    z = 1 - v * (1 + stretched[2])
    r, turn = np.sqrt((1 - z**2).clip(0)), 2 * np.pi * u
    half = np.stack([r * np.cos(turn), r * np.sin(turn) * np.ones_like(z), z]) + stretched
    half *= np.array([alpha, alpha, 1])[:, None, None, None]
    half /= np.linalg.norm(half, axis=0)
    light = 2 * (view * half).sum(0) * half[2] - view[2]
    above = light > 1e-6
    weight = (1 + smith(cosine, alpha)) / (1 + smith(cosine, alpha) + smith(np.where(above, light, 1), alpha))
    return (weight * above).mean((1, 2))


class Metal(mi.BSDF):
    def __init__(self, props):
        mi.BSDF.__init__(self, props)
        self.base, self.alpha = mi.Color3f(props["base"]), props["alpha"]
        missing = 1 / albedo(self.alpha) - 1
        self.missing = mi.Float(missing.astype(np.float32)) if dr.is_array_v(mi.Float) else missing.tolist()
        self.facets = mi.MicrofacetDistribution(mi.MicrofacetType.GGX, self.alpha, self.alpha, True)
        self.m_components = [mi.BSDFFlags.GlossyReflection | mi.BSDFFlags.FrontSide]
        self.m_flags = self.m_components[0]

    def at(self, cosine):
        """The share of energy to give back."""
        place = dr.clip(cosine, 0, 1) * (ANGLES - 1)
        low = dr.minimum(mi.UInt32(place), ANGLES - 2)
        look = lambda i: dr.gather(mi.Float, self.missing, i)
        return dr.lerp(look(low), look(low + 1), place - mi.Float(low))

    def both(self, si, wo, active):
        wi = si.wi
        ci, co = mi.Frame3f.cos_theta(wi), mi.Frame3f.cos_theta(wo)
        active &= (ci > 0) & (co > 0)
        half = dr.normalize(wi + wo)
        lift = lambda c: (dr.sqrt(1 + self.alpha**2 * (1 / (c * c) - 1)) - 1) / 2
        f0 = self.base
        fresnel = f0 + (1 - f0) * (1 - dr.clip(dr.dot(wi, half), 0, 1)) ** 5
        single = self.facets.eval(half) / ((1 + lift(ci) + lift(co)) * 4 * ci)
        value = fresnel * single * (1 + f0 * self.at(ci))
        density = self.facets.pdf(wi, half) / (4 * dr.dot(wo, half))
        return dr.select(active, value, 0), dr.select(active, density, 0)

    def sample(self, ctx, si, sample1, sample2, active=True):
        half, _ = self.facets.sample(si.wi, sample2)
        bs = mi.BSDFSample3f()
        bs.wo = mi.reflect(si.wi, half)
        bs.eta, bs.sampled_component = 1.0, mi.UInt32(0)
        bs.sampled_type = mi.UInt32(+mi.BSDFFlags.GlossyReflection)
        value, bs.pdf = self.both(si, bs.wo, active)
        return bs, dr.select(bs.pdf > 0, value / bs.pdf, 0)

    def eval(self, ctx, si, wo, active=True):
        return self.both(si, wo, active)[0]

    def pdf(self, ctx, si, wo, active=True):
        return self.both(si, wo, active)[1]

    def eval_pdf(self, ctx, si, wo, active=True):
        return self.both(si, wo, active)

    def traverse(self, callback):
        pass

    def to_string(self):
        return f"Metal[alpha = {self.alpha}]"
