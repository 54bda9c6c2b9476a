"""Pictures of a run."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # files only: no window, no display

import matplotlib.pyplot as plt
import numpy as np

__all__ = ["curves", "densities", "image_grid", "scatter"]


def image_grid(path: Path, images: Any, *, columns: int, low: float, high: float, title: str) -> None:
    """Draw images `[n, height, width]` in rows of `columns`, grey from `low` (white) to `high` (black)."""
    images = np.asarray(images)
    rows, gap = -(-len(images) // columns), max(1, images.shape[1] // 8)
    figure, axis = plt.subplots(figsize=(0.6 * columns, 0.6 * rows + 0.5), layout="constrained")
    axis.axis("off")
    axis.imshow(_sheet(images, rows, columns, gap), cmap="gray_r", vmin=low, vmax=high)
    figure.suptitle(title, fontsize=9)
    _save(figure, path)


def scatter(path: Path, panels: dict[str, Any], *, limit: float) -> None:
    """Draw sets of points `[n, 2]` side by side, each under its name."""
    size = (3.2 * len(panels), 3.4)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    for axis, (name, points) in zip(axes.flat, panels.items(), strict=True):
        points = np.asarray(points)
        axis.scatter(points[:, 0], points[:, 1], s=2, alpha=0.4, linewidths=0)
        axis.set(title=name, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    _save(figure, path)


def densities(path: Path, panels: dict[str, Any], *, limit: float, points: Any = None) -> None:
    """Draw densities on one square `[n, n]` grid side by side on one colour scale, and samples `[m, 2]` beside them.

    Args:
        path: the file.
        panels: name to density; rows are the second coordinate, from −limit upwards.
        limit: half the side of the square.
        points: samples of the model, or None.
    """
    num_panels = len(panels) + (points is not None)
    size = (3.2 * num_panels + 0.8, 3.4)
    figure, axes = plt.subplots(1, num_panels, figsize=size, squeeze=False, layout="constrained")
    top = max(np.asarray(density).max() for density in panels.values())
    extent = (-limit, limit, -limit, limit)
    for axis, (name, density) in zip(axes.flat, panels.items(), strict=False):
        axis.imshow(np.asarray(density), origin="lower", extent=extent, vmin=0, vmax=top)
        axis.set(title=name)
    colours = axes.flat[0].images[0]
    figure.colorbar(colours, ax=axes.ravel().tolist(), fraction=0.02, pad=0.01, label="density")
    if points is not None:
        points = np.asarray(points)
        axis = axes.flat[-1]
        axis.scatter(points[:, 0], points[:, 1], s=2, alpha=0.4, linewidths=0)
        axis.set(title="samples", xlim=extent[:2], ylim=extent[2:], aspect="equal")
    _save(figure, path)


def curves(path: Path, log: list[dict[str, Any]], names: dict[str, str], *, ylabel: str) -> None:
    """Draw metrics of every seed against the step.

    Args:
        path: the file.
        log: records of `metrics.jsonl`.
        names: metric to legend.
        ylabel: quantity and unit.
    """
    figure, axis = plt.subplots(figsize=(6, 3.2), layout="constrained")
    for colour, (name, label) in enumerate(names.items()):
        records = [r for r in log if name in r]
        values = np.array([r[name] for r in records])
        for seed in range(values.shape[1]):
            axis.plot(
                [r["step"] for r in records],
                values[:, seed],
                color=f"C{colour}",
                alpha=0.8,
                linewidth=1,
                label=label if seed == 0 else None,
            )
    axis.set(xlabel="step", ylabel=ylabel)
    axis.legend(fontsize=8)
    _save(figure, path)


def _sheet(images: np.ndarray, rows: int, columns: int, gap: int) -> np.ndarray:
    """All images as one, because an axis for each takes seconds; NaN, which is drawn white, between them."""
    n, height, width = images.shape
    tiles = np.full((rows * columns, height + gap, width + gap), np.nan)
    tiles[:n, :height, :width] = images
    sheet = tiles.reshape(rows, columns, *tiles.shape[1:]).swapaxes(1, 2).reshape(rows * (height + gap), -1)
    return sheet[:-gap, :-gap]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=110)
    plt.close(figure)
