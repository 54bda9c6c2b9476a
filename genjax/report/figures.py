"""Pictures as bytes: raster where pixels are the data, vector graphics where lines are."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Panel",
    "Picture",
    "curves",
    "densities",
    "histogram",
    "image_sheet",
    "landscape",
    "lines",
    "scatter",
]

PIXELS = 384
"""The least width of a sheet of images, in pixels: each pixel of the data becomes a square of whole pixels."""
GAP = 141
"""The grey between images: neither paper nor ink."""
GREY = "#7d7d7d"
"""The colour of text and axes: it reads on white and on black."""


class Panel(NamedTuple):
    """One image of a picture.

    Args:
        title: what it shows.
        data: a PNG or an SVG file.
        columns: what stands above each column, where its images stand in columns.
        pixelated: whether its pixels are the data's, and must not be blurred.
    """

    title: str
    data: bytes
    columns: tuple[str, ...] = ()
    pixelated: bool = False

    @property
    def suffix(self) -> str:
        """Of the file that holds it."""
        return ".png" if self.data.startswith(b"\x89PNG") else ".svg"


class Picture(NamedTuple):
    """What belongs together, side by side.

    Args:
        name: of its files.
        caption: what a reader sees in it.
        panels: its images.
    """

    name: str
    caption: str
    panels: Sequence[Panel]

    def files(self) -> dict[str, bytes]:
        """File name to content; the first panel has the picture's own name."""
        slug = lambda title: "-".join("".join(c if c.isalnum() else " " for c in title).split()).lower()
        names = [self.name, *(f"{self.name}-{slug(panel.title)}" for panel in self.panels[1:])]
        return {name + p.suffix: p.data for name, p in zip(names, self.panels, strict=True)}


def image_sheet(title: str, images: Any, *, columns: int = 10, labels: Sequence[str] = ()) -> Panel:
    """Images in rows, a gap between them.

    Args:
        title: what they are.
        images: `[n, height, width]`, or with a last axis of three colours; 0 is drawn white, and 1 black or without
            the colour; values outside are drawn as the nearest.
        columns: images per row.
        labels: what stands above each column.

    Returns:
        `Panel`.

    >>> image_sheet("noise", np.zeros((4, 8, 8)), columns=2).suffix
    '.png'
    """
    from PIL import Image

    grey = sheet(np.asarray(images, np.float32), columns)
    ink = np.where(np.isnan(grey), GAP, 255 * (1 - np.clip(grey, 0, 1))).round().astype(np.uint8)
    scale = -(-PIXELS // ink.shape[1])
    return Panel(
        title, _png(Image.fromarray(ink.repeat(scale, 0).repeat(scale, 1))), tuple(labels), pixelated=True
    )


def side_by_side(pictures: Mapping[str, bytes], *, columns: int = 3) -> bytes:
    """PNG pictures of one shape in rows, each below its name, as one PNG.

    >>> side_by_side({"noise": image_sheet("", np.zeros((4, 8, 8))).data})[1:4]
    b'PNG'
    """
    from PIL import Image, ImageDraw, ImageFont

    images = {name: Image.open(io.BytesIO(data)).convert("RGBA") for name, data in pictures.items()}
    tall = max(round(PIXELS * image.height / image.width) for image in images.values())
    gap, line = PIXELS // 20, PIXELS // 12
    rows = -(-len(images) // columns)
    whole = Image.new("RGBA", (columns * (PIXELS + gap) - gap, rows * (line + tall + gap) - gap))
    write = ImageDraw.Draw(whole)
    for number, (name, image) in enumerate(images.items()):
        left, top = number % columns * (PIXELS + gap), number // columns * (line + tall + gap)
        write.text((left, top), name, fill=GREY, font=ImageFont.load_default(line * 0.6))
        small = image.resize((PIXELS, round(PIXELS * image.height / image.width)), Image.Resampling.BOX)
        whole.paste(small, (left, top + line))
    return _png(whole)


def sheet(images: np.ndarray, columns: int) -> np.ndarray:
    """All images as one array, NaN between them.

    >>> sheet(np.ones((3, 2, 2)), 2).shape
    (5, 5)
    """
    n, height, width, *colours = images.shape
    rows, gap = -(-n // columns), max(1, height // 8)
    tall, wide = height + gap, width + gap
    tiles = np.full((rows * columns, tall, wide, *colours), np.nan, np.float32)
    tiles[:n, :height, :width] = images
    whole = tiles.reshape(rows, columns, tall, wide, *colours).swapaxes(1, 2)
    return whole.reshape(rows * tall, columns * wide, *colours)[:-gap, :-gap]


def scatter(title: str, points: Any, *, limit: float) -> Panel:
    """Points `[n, 2]` in the square from −limit to limit."""
    figure, axis = _figure()
    points = np.asarray(points)
    axis.scatter(points[:, 0], points[:, 1], s=3, alpha=0.4, linewidths=0)
    axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    return Panel(title, _saved(figure, "png"))


def histogram(title: str, points: Any, *, limit: float) -> Panel:
    """How numbers `[n, 1]` are spread between −limit and limit."""
    figure, axis = _figure()
    axis.hist(np.ravel(points), bins=80, range=(-limit, limit), density=True, color="C0", alpha=0.7)
    axis.set(xlim=(-limit, limit), xlabel="x", ylabel="density")
    return Panel(title, _saved(figure, "svg"))


def bars(title: str, values: Any, level: float, *, xlabel: str, ylabel: str) -> Panel:
    """A bar for each number, and a line at the level that all should have."""
    figure, axis = _figure(height=2.9)
    values = np.asarray(values)
    axis.bar(np.arange(len(values)), values, color="C0", alpha=0.7)
    axis.axhline(level, color=GREY, lw=1)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    return Panel(title, _saved(figure, "svg"))


def lines(title: str, x: Any, values: Mapping[str, Any], *, xlabel: str, ylabel: str) -> Panel:
    """Functions of one number, named; the first is drawn solid, the others dashed."""
    figure, axis = _figure(height=2.9)
    for number, (name, y) in enumerate(values.items()):
        axis.plot(np.asarray(x), np.asarray(y), "--" if number else "-", lw=1.4, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=7, frameon=False, labelcolor=GREY)
    return Panel(title, _saved(figure, "svg"))


def points_and_level(
    title: str, curves: Mapping[str, Any], level: float, *, xlabel: str, ylabel: str
) -> Panel:
    """Measured pairs `[(x, y), …]` by name, joined by lines on logarithmic axes, and a level to reach."""
    figure, axis = _figure(height=2.9)
    for name, pairs in curves.items():
        axis.loglog(*np.transpose(pairs), "o-", ms=3, lw=1.2, label=name)
    axis.axhline(level, color=GREY, lw=1, ls=":")
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=7, frameon=False, labelcolor=GREY)
    return Panel(title, _saved(figure, "svg"))


def field(title: str, points: Any, arrows: Any, paths: Any, *, limit: float) -> Panel:
    """Arrows `[n, 2]` at points of the plane, of equal length, and paths `[m, steps, 2]` from circle to dot."""
    figure, axis = _figure()
    points, arrows, paths = map(np.asarray, (points, arrows, paths))
    lengths = np.maximum(np.linalg.norm(arrows, axis=1, keepdims=True), 1e-12)
    axis.quiver(*points.T, *(arrows / lengths).T, color=GREY, alpha=0.5, angles="xy", width=0.003)
    for path in paths:
        axis.plot(*path.T, lw=0.5, color="C0", alpha=0.7)
    axis.plot(*paths[:, 0].T, "o", ms=3, mfc="none", color="C1")
    axis.plot(*paths[:, -1].T, "o", ms=3, color="C0")
    axis.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    return Panel(title, _saved(figure, "png"))


def landscape(title: str, values: Any, points: Any, *, limit: float, label: str) -> Panel:
    """A function in the plane that has no natural zero, `[n, n]` as in `densities`, and points upon it."""
    figure, axis = _figure()
    extent = (-limit, limit, -limit, limit)
    picture = axis.imshow(np.asarray(values), origin="lower", extent=extent, cmap="viridis")
    points = np.asarray(points)
    axis.scatter(points[:, 0], points[:, 1], s=2, color="white", alpha=0.5, linewidths=0)
    axis.set(xlim=(-limit, limit), ylim=(-limit, limit))
    bar = figure.colorbar(picture, ax=axis, fraction=0.045, pad=0.02)
    bar.set_label(label, color=GREY)
    bar.ax.tick_params(colors=GREY)
    return Panel(title, _saved(figure, "png"))


def densities(densities: Mapping[str, Any], *, limit: float) -> list[Panel]:
    """Densities in the plane on one logarithmic colour scale, from their common maximum down to e⁻⁷ of it.

    Args:
        densities: name to log-densities `[n, n]` on a square grid; rows are the second coordinate, from −limit up.
        limit: half the side of the square.

    Returns:
        A panel for each.
    """
    top = max(np.nanmax(np.asarray(values)) for values in densities.values())
    panels = []
    for title, values in densities.items():
        figure, axis = _figure()
        picture = axis.imshow(
            np.maximum(np.asarray(values), top - 7),
            origin="lower",
            extent=(-limit, limit, -limit, limit),
            vmin=top - 7,
            vmax=top,
            cmap="magma",
        )
        bar = figure.colorbar(picture, ax=axis, fraction=0.045, pad=0.02)
        bar.set_label("log density / nats", color=GREY)
        bar.ax.tick_params(colors=GREY)
        panels.append(Panel(title, _saved(figure, "png")))
    return panels


def curves(title: str, log: Sequence[Mapping[str, Any]], names: Mapping[str, str], *, ylabel: str) -> Panel:
    """Metrics of every seed against the step: a line per seed, named; markers where there are few points.

    Args:
        title: what they are.
        log: records of `metrics.jsonl`.
        names: metric to legend; the first is drawn solid, the others dashed.
        ylabel: quantity and unit.

    Returns:
        `Panel`, in vector graphics.
    """
    figure, axis = _figure(height=2.9)
    for name, legend, style in zip(names, names.values(), ("-", "--", ":"), strict=False):
        records = [r for r in log if name in r]
        steps, values = [r["step"] for r in records], np.array([r[name] for r in records], float)
        marker = "o" if len(records) <= 30 else None
        for seed in range(values.shape[1] if records else 0):
            label = f"{legend}, seed {seed}" if len(names) > 1 else f"seed {seed}"
            axis.plot(
                steps,
                values[:, seed],
                style,
                color=f"C{seed}",
                marker=marker,
                markersize=3,
                lw=1.1,
                label=label,
            )
    axis.set(xlabel="step", ylabel=ylabel)
    if axis.lines:
        axis.legend(fontsize=7, frameon=False, labelcolor=GREY)
    return Panel(title, _saved(figure, "svg"))


def _figure(height: float = 3.6) -> tuple[Any, Any]:
    import matplotlib  # slow to load, and an extra

    matplotlib.use("Agg")  # files only: no window, no display
    import matplotlib.pyplot as plt

    coloured = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    style: dict[Any, Any] = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style | dict.fromkeys(coloured, GREY)):
        return plt.subplots(figsize=(4.2, height), layout="constrained")


def _saved(figure: Any, kind: str) -> bytes:
    import matplotlib.pyplot as plt

    file = io.BytesIO()
    figure.savefig(
        file,
        format=kind,
        dpi=220,
        transparent=True,
        bbox_inches="tight",
        metadata={"Date": None} if kind == "svg" else None,
    )
    plt.close(figure)
    return file.getvalue()


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()
