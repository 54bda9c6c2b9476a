"""The pictures that every run has: samples beside real data, and curves."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from genjax import metrics
from genjax.data.dataset import Dataset
from genjax.report import figures
from genjax.report.figures import Panel, Picture
from genjax.report.measure import Measured
from genjax.training.experiment import Run
from genjax.training.model import Model

__all__ = ["curves", "image_panel", "points_panel", "samples_beside_data"]

NUM_IMAGES = 50


def samples_beside_data(key: PRNGKeyArray, model: Model, measured: Measured, data: Dataset) -> Picture:
    """Samples of the first seed beside test data and, of images, beside the nearest training images.

    Args:
        key: of the view of the training data, where it is random.
        model: what was trained.
        measured: from `measure`.
        data: the data set.

    Returns:
        `Picture`.
    """
    what = model.samples
    title = what[0].upper() + what[1:]
    shown = np.asarray(jax.vmap(model.view.show)(measured.samples[0]))
    if len(data.event_shape) < 2:
        limit = 1.1 * float(np.abs(measured.real).max())
        panels = (
            points_panel(what, shown, limit=limit),
            points_panel("test data", measured.real, limit=limit),
        )
        return Picture("samples", f"{title}, of the first seed beside test data.", panels)
    classes = range(model.num_classes or 0)
    images = shown[:NUM_IMAGES]
    one = lambda key, stored: model.view.show(model.view.observe(key, stored))
    train = jnp.asarray(data.train)
    train = jax.jit(jax.vmap(one))(jax.random.split(key, len(train)), train)
    panels = (
        image_panel(what, images, data.event_shape, labels=[str(c) for c in classes]),
        image_panel(
            "nearest training images",
            train[jax.jit(metrics.nearest)(images, train).indices],
            data.event_shape,
        ),
        image_panel(
            "test data",
            measured.real[:: max(1, len(measured.real) // NUM_IMAGES)][:NUM_IMAGES],
            data.event_shape,
        ),
    )
    conditional = "; one class per column" if model.num_classes else ""
    caption = (
        f"{title}, of the first seed{conditional}, each with the training image nearest to it at the same "
        f"place in the second sheet, and test data."
    )
    return Picture("samples", caption, panels)


def points_panel(title: str, points: Any, *, limit: float) -> Panel:
    """Points on a line or in the plane, `[n, 1]` or `[n, 2]`."""
    one = np.shape(points)[1] == 1
    return (figures.histogram if one else figures.scatter)(title, points, limit=limit)


def image_panel(
    title: str, x: Any, event_shape: Sequence[int], *, columns: int = 10, labels: Sequence[str] = ()
) -> Panel:
    """A sheet of images that are given flat, in [0, 1]."""
    images = np.reshape(np.asarray(x), (-1, *event_shape))
    return figures.image_sheet(title, images, columns=columns, labels=labels)


def curves(run: Run, *, ylabel: str, together: bool = True, name: str = "") -> Picture:
    """Training loss, validation and gradient norm of every seed.

    Args:
        run: the run.
        ylabel: what is validated, and its unit.
        together: whether the training loss is the same quantity and belongs on the same axes.
        name: of the model, where a run trains several.

    Returns:
        `Picture`.
    """
    log = [r for r in run.folder.read_log() if r.get("model", "") == name]
    loss = {"validation": "validation", "loss": "training"} if together else {"validation": "validation"}
    panels = [figures.curves("loss" if together else "validation", log, loss, ylabel=ylabel)]
    if not together:
        panels.append(figures.curves("training loss", log, {"loss": "loss"}, ylabel="training loss"))
    panels.append(figures.curves("gradient norm", log, {"gradient_norm": "norm"}, ylabel="gradient norm"))
    caption = "Every validation, and training metrics as means over the steps between two records."
    return Picture(f"curves-{name}" if name else "curves", caption, tuple(panels))
