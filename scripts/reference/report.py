"""Tables and pictures of a comparison, for the pages in docs/."""

import datetime
import pathlib
import subprocess

import mitsuba as mi
import numpy as np

import measure
from measure import HEIGHT, LADDER, RENDERERS, ROOT, THREADS, WIDTH, relative_mse

NAMES = {"tessera": "Tessera", "mitsuba": "Mitsuba", "cycles": "Cycles"}
# Noise of the pictures whose time is compared.
TARGET = 0.01


def percent(value):
    return f"{value * 100:.2f} %"


def table(head, rows):
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def agreements(measured, scenes, samples):
    pairs = [("tessera", "mitsuba"), ("tessera", "cycles"), ("mitsuba", "cycles")]
    rows, pictures, engines = [], {}, {}
    for scene in scenes:
        images, noise, names = measure.agreement(measured, scene, samples)
        engines |= names
        pictures[scene.name] = images
        row = [scene.name]
        for a, b in pairs:
            if a in images and b in images:
                row.append(f"{percent(relative_mse(images[a], images[b]))} ({percent(noise[a] + noise[b])})")
            else:
                row.append("no model")
        for a, b in pairs[:2]:
            row.append(f"{images[a].mean() / images[b].mean():.4f}" if b in images else "")
        rows.append(row)
    head = ["relMSE (of it noise)", *(f"{NAMES[a]} – {NAMES[b]}" for a, b in pairs), *(f"brightness {NAMES[a]} / {NAMES[b]}" for a, b in pairs[:2])]
    about = f"{WIDTH} x {HEIGHT} pixels, {2 * samples} samples each: {', '.join(engines.values())}."
    return f"{about}\n\n{table(head, rows)}", pictures


def falls(measured, scenes, samples):
    rows = []
    for scene in scenes:
        (a, b), _ = measured.render("tessera", scene, [(samples, 0), (samples, 1)])
        errors, exponent = measure.fall(measured, scene, (a + b) / 2, relative_mse(a, b) / 4)
        rows.append([scene.name, *map(percent, errors), f"{exponent:.2f}"])
    return table(["samples", *map(str, LADDER[:-1]), "exponent"], rows)


def times(measured, scenes, pictures):
    rows, preparations = [], {renderer: [] for renderer in RENDERERS}
    for scene in scenes:
        spent, row = {}, [scene.name]
        for renderer in RENDERERS:
            if renderer not in pictures[scene.name]:
                row += ["", "", ""]
                continue
            seconds, samples, each, preparation = measure.time_to(measured, renderer, scene, pictures[scene.name][renderer], TARGET)
            spent[renderer] = seconds
            preparations[renderer].append(preparation)
            beyond = "> " if samples > LADDER[-1] else ""
            row += [f"{seconds:.2f}", f"{beyond}{samples:.0f}", f"{each / WIDTH / HEIGHT * 1e6:.2f}"]
        row += [f"{spent['tessera'] / spent[other]:.2f}" if other in spent else "" for other in RENDERERS[1:]]
        rows.append(row)
    head = ["scene", *(f"{NAMES[r]}{unit}" for r in RENDERERS for unit in (", s", ", samples", ", µs a sample")), "Tessera / Mitsuba", "Tessera / Cycles"]
    median = {renderer: np.median(values) for renderer, values in preparations.items()}
    about = (
        f"Measured on {datetime.date.today()} at commit `{commit()}`: {processor()}, {THREADS} threads, {WIDTH} x {HEIGHT} pixels. Seconds are those of\n"
        f"the processor on all threads, until the noise alone is at a relMSE of {percent(TARGET)}; preparation is not in them (median: "
        + ", ".join(f"{NAMES[r]} {s:.1f} s" for r, s in median.items())
        + ")."
    )
    return f"{about}\n\n{table(head, rows)}"


def commit():
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "a processor")


def picture(images):
    """The renderers' pictures beside each other under one exposure, as 8-bit sRGB with few levels, so that files are small."""
    shown = [images[r] for r in RENDERERS if r in images]
    bright = np.percentile(np.mean(shown, 0), 95)
    curve = lambda x: np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    gap = np.ones((HEIGHT, 2, 3))
    parts = [part for image in shown for part in (curve(np.clip(image / bright * 0.85, 0, 1)), gap)][:-1]
    return (np.round(np.concatenate(parts, 1) * 63) / 63 * 255).astype(np.uint8)


def write(page, text, section):
    """Puts `text` between the markers of a section."""
    path = ROOT / "docs" / page
    start, end = (f"<!-- {words} scripts/compare-renderers --write{more}: {section} -->" for words, more in [("written by", ""), ("end of what", " writes")])
    whole = path.read_text()
    before, after = whole.split(start)[0], whole.split(end)[1]
    path.write_text(f"{before}{start}\n{text}\n{end}{after}")


def report(measured, scenes, samples, timed, into_docs):
    agreed, pictures = agreements(measured, scenes, samples)
    if not into_docs:
        print(agreed)
    spent = times(measured, scenes, pictures) if timed else ""
    fallen = falls(measured, scenes, samples) if timed else ""
    if not into_docs:
        print("".join(f"\n{text}\n" for text in (fallen, spent) if text), end="")
        return
    write("renderer.md", agreed, "agreement")
    write("renderer.md", fallen, "noise")
    write("benchmarks.md", spent, "equal quality")
    folder = ROOT / "docs/images/renderer"
    folder.mkdir(parents=True, exist_ok=True)
    for name, images in pictures.items():
        mi.Bitmap(picture(images)).write(str(folder / f"{name}.png"))
