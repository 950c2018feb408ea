"""Rendering with each renderer, keeping what has been rendered, and comparing."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import mitsuba as mi
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WIDTH, HEIGHT, THREADS = 128, 96, 2
RENDERERS = ("tessera", "mitsuba", "cycles")

mi.set_variant("scalar_rgb")


def load(path):
    bitmap = mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)
    return np.array(bitmap, np.float64)


def relative_mse(image, reference):
    """The mean of (a - b)^2 / (b^2 + 0.01 mean^2) over pixels and channels; mean is that of the reference."""
    floor = 0.01 * reference.mean() ** 2
    return float(np.mean((image - reference) ** 2 / (reference**2 + floor)))


class Measure:
    """Renders, and remembers under the folder what was rendered from the same inputs."""

    def __init__(self, folder, tessera):
        self.folder, self.tessera = folder, tessera
        self.folder.mkdir(parents=True, exist_ok=True)

    def _inputs(self, renderer, reference):
        """What the pictures of a renderer depend on, besides samples and seed."""
        parts = [reference.path.read_bytes(), f"{reference.bounces} {WIDTH} {HEIGHT} {THREADS}".encode()]
        environment = pathlib.Path(reference.environment)
        parts.append(environment.read_bytes() if environment.suffix == ".hdr" else reference.environment.encode())
        if renderer == "tessera":
            parts.append(self.tessera.read_bytes())
        else:
            parts += [(HERE / name).read_bytes() for name in (f"with_{renderer}.py", f"{renderer}_metal.py", "gltf.py") if (HERE / name).exists()]
        return hashlib.sha256(b"".join(hashlib.sha256(p).digest() for p in parts)).hexdigest()[:16]

    def render(self, renderer, reference, runs):
        """Renders each of `runs` (samples, seed); returns their images and what the renderer said of each."""
        inputs = self._inputs(renderer, reference)
        place = lambda samples, seed: self.folder / f"{reference.name}-{renderer}-{inputs}-{samples}-{seed}.exr"
        missing = [run for run in runs if not place(*run).with_suffix(".json").exists()]
        if missing:
            print(f"compare-renderers: {renderer} renders {reference.name}: {missing}", file=sys.stderr, flush=True)
            self._run(renderer, reference, [(*run, str(place(*run))) for run in missing])
        notes = [json.loads(place(*run).with_suffix(".json").read_text()) for run in runs]
        return [load(place(*run)) for run in runs], notes

    def _run(self, renderer, reference, runs):
        if renderer == "tessera":
            answer = {"engine": "Tessera", "loaded": 0}
            answer["runs"] = [self._run_tessera(reference, *run) for run in runs]
        else:
            order = {
                "scene": str(reference.path),
                "environment": reference.environment,
                "bounces": reference.bounces,
                "width": WIDTH,
                "height": HEIGHT,
                "threads": THREADS,
                "runs": runs,
            }
            log = self.folder / f"{reference.name}-{renderer}.log"
            with open(log, "w") as errors:
                done = subprocess.run(
                    [sys.executable, HERE / f"with_{renderer}.py"], input=json.dumps(order), text=True, stdout=subprocess.PIPE,
                    stderr=errors,
                )
            if done.returncode:
                sys.exit(f"compare-renderers: {renderer} failed on {reference.name}; see {log}")
            answer = json.loads(done.stdout.splitlines()[-1])
        for (_, _, out), seconds in zip(runs, answer.pop("runs")):
            pathlib.Path(out).with_suffix(".json").write_text(json.dumps(answer | {"seconds": seconds}))

    def _run_tessera(self, reference, samples, seed, out):
        options = {
            "width": WIDTH,
            "height": HEIGHT,
            "samples": samples,
            "bounces": reference.bounces,
            "seed": seed,
            "environment": reference.environment,
        }
        words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
        child = subprocess.Popen([self.tessera, reference.path, out, *words], env=os.environ | {"RAYON_NUM_THREADS": str(THREADS)})
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            sys.exit(f"compare-renderers: render-locally failed on {reference.name}")
        return usage.ru_utime + usage.ru_stime


def agreement(measure, reference, samples):
    """The converged image of each renderer, the share of noise in it, and what the renderers call themselves."""
    images, noise, engines = {}, {}, {}
    for renderer in RENDERERS:
        if renderer == "tessera" or renderer in reference.matching:
            (a, b), notes = measure.render(renderer, reference, [(samples, 0), (samples, 1)])
            engines[renderer] = notes[0]["engine"]
            images[renderer] = (a + b) / 2
            # The two differ by twice the noise of one, and the mean of both has half of that.
            noise[renderer] = relative_mse(a, b) / 4
    return images, noise, engines


# Samples of a pixel of the pictures whose time and noise are measured.
LADDER = [4, 8, 16, 32, 64, 128, 256]


def fall(measure, reference, converged, noise):
    """The noise of Tessera's pictures at each number of samples but the largest, and the exponent with which it falls. The
    converged image has a noise of its own, which its distance to them contains."""
    images, _ = measure.render("tessera", reference, [(n, 7) for n in LADDER[:-1]])
    errors = [relative_mse(image, converged) - noise for image in images]
    return errors, -float(np.polyfit(np.log(LADDER[:-1]), np.log(errors), 1)[0])


def time_to(measure, renderer, reference, converged, target):
    """Seconds of processor time, without preparation, after which a renderer's own noise is at `target`, the samples of a
    pixel that it takes, and the seconds of preparation."""
    # The first run pays for what is done once.
    images, notes = measure.render(renderer, reference, [(1, 9)] + [(n, 7) for n in LADDER])
    seconds = [note["seconds"] for note in notes]
    errors = [relative_mse(image, converged) for image in images[1:]]
    each = (seconds[-1] - seconds[-3]) / (LADDER[-1] - LADDER[-3])
    preparation = notes[0]["loaded"] + max(0.0, seconds[0] - each)
    # Along a straight line of the logarithms between the two that enclose the target, or the last two.
    k = next((k for k in range(1, len(errors)) if errors[k] <= target), len(errors) - 1)
    (x0, x1), (y0, y1) = np.log(LADDER[k - 1 : k + 1]), np.log(errors[k - 1 : k + 1])
    samples = float(np.exp(x0 + (np.log(target) - y0) * (x1 - x0) / (y1 - y0)))
    return each * samples, samples, each, preparation
