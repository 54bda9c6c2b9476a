"""What pages of diffusion, score and flow-matching models show beside samples: times, paths, guidance, calls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from genjax import metrics
from genjax.data.dataset import Dataset, evenly_spaced
from genjax.data.views import View
from genjax.report import figures
from genjax.report.figures import Picture
from genjax.report.judge import Judge
from genjax.report.measure import Measured
from genjax.report.pictures import image_panel, points_panel
from genjax.report.summary import Quantity, quantity
from genjax.training.model import Model

__all__ = ["guidance_sweep", "loss_by_band", "quality_by_calls", "states"]

BANDS, PER_BAND = 8, 500
SCALES = (0.5, 1.0, 2.0, 8.0)
NUM_PER_CLASS = 60
BURNT = 0.1
"""How far beyond black or white a pixel is burnt out."""


def loss_by_band(
    key: PRNGKeyArray, loss: Callable[..., Array], params: Any, stored: Any, *, of: str, what: str = "time"
) -> tuple[dict[str, Quantity], Picture]:
    """The loss of every seed in bands of time, and its curve.

    Args:
        key: one key.
        loss: `loss(params, key, example, u)` at the time, or noise level, that stands at u in [0, 1).
        params: of every seed.
        stored: examples, of which some are taken.
        of: what the loss is of.
        what: u is, on the axis.

    Returns:
        A row for each band, and the picture.
    """
    chosen = jax.tree.map(lambda leaf: jnp.asarray(evenly_spaced(leaf, PER_BAND)), stored)
    n = len(jax.tree.leaves(chosen)[0])

    def one(params: Any, key: PRNGKeyArray, example: Any, band: Array) -> Array:
        key_time, key_loss = jax.random.split(key)
        return loss(params, key_loss, example, (band + jax.random.uniform(key_time)) / BANDS)

    over = jax.vmap(jax.vmap(jax.vmap(one, (None, 0, 0, None)), (None, 0, None, 0)), (0, None, None, None))
    losses = jax.jit(over)(params, jax.random.split(key, (BANDS, n)), chosen, jnp.arange(BANDS))
    means = np.asarray(losses.mean(axis=2))
    rows = {
        f"loss, {what} {i / BANDS:.3g} to {(i + 1) / BANDS:.3g}": quantity(means[:, i], of=of)
        for i in range(BANDS)
    }
    middles = (np.arange(BANDS) + 0.5) / BANDS
    curves = {f"seed {seed}": row for seed, row in enumerate(means)}
    panel = figures.lines(f"loss by {what}", middles, curves, xlabel=what, ylabel="validation loss")
    return rows, Picture("timesteps", f"Validation loss in bands of {what}.", (panel,))


def states(
    name: str, caption: str, titles: Sequence[str], paths: Array, view: View, data: Dataset
) -> Picture:
    """States along paths, side by side.

    Args:
        name: of the file.
        caption: under the picture.
        titles: one for each state.
        paths: `[m, states, *view.shape]`.
        view: how the model sees the data.
        data: the data set.

    Returns:
        `Picture`.
    """
    images = data.num_levels is not None
    limit = 1.2 * float(np.abs(np.asarray(data.test)).max())
    panels = []
    for i, title in enumerate(titles):
        shown = np.asarray(jax.vmap(view.show)(paths[:, i]))
        image = lambda title, shown: image_panel(title, np.clip(shown, 0, 1), data.event_shape)
        panels.append(image(title, shown) if images else points_panel(title, shown, limit=limit))
    return Picture(name, caption, tuple(panels))


def guidance_sweep(
    key: PRNGKeyArray, model: Model, params: Any, judge: Judge, data: Dataset
) -> tuple[dict[str, Quantity], Picture]:
    """Label accuracy against diversity within a class over scales of guidance, and the share of burnt-out pixels.

    Args:
        key: one key.
        model: a conditional one, whose `sample(params, key, label, scale=...)` takes a scale.
        params: of one seed.
        judge: a classifier.
        data: the data set.

    Returns:
        Rows, and the picture.
    """
    sample, num_classes = model.sample, model.num_classes
    assert sample is not None
    assert num_classes is not None
    labels = jnp.tile(
        jnp.arange(num_classes), NUM_PER_CLASS
    )  # in turn, so that columns of a sheet are classes
    keys = jax.random.split(key, len(labels))

    @jax.jit
    def at(params: Any, scale: Array) -> tuple[Array, ...]:
        draw = lambda key, label: model.view.show(sample(params, key, label, scale=scale))
        shown = jax.vmap(draw)(keys, labels)
        said = jax.vmap(judge.classify)(shown)
        right = jnp.mean(jnp.argmax(said.logits, axis=1) == labels)
        by_class = jnp.reshape(shown, (NUM_PER_CLASS, num_classes, -1))
        within = jax.vmap(lambda x: metrics.diversity(x).pairwise_distance, 1)(by_class)
        burnt = jnp.mean((shown < -BURNT) | (shown > 1 + BURNT))
        return shown, right, jnp.mean(within), burnt

    rows, measured, panels = {}, [], []
    about = {"of": judge.name, "note": "first seed"}
    for scale in SCALES:
        shown, *numbers = at(params, jnp.asarray(scale))
        measured.append([float(number) for number in numbers])
        rows[f"label accuracy at guidance {scale:g}"] = quantity(numbers[0], **about)
        rows[f"distance within a class at guidance {scale:g}"] = quantity(numbers[1], **about)
        rows[f"pixels out of range at guidance {scale:g}"] = quantity(numbers[2], **about)
        sheet = np.clip(np.asarray(shown[: 5 * num_classes]), 0, 1)
        panels.append(image_panel(f"guidance {scale:g}", sheet, data.event_shape, columns=num_classes))
    right, within, burnt = np.transpose(measured)
    curves = {
        "label accuracy": right,
        f"distance within a class, over that at {SCALES[0]:g}": within / within[0],
        "share of pixels out of range": burnt,
    }
    lines = figures.lines("guidance", SCALES, curves, xlabel="scale of guidance", ylabel="share")
    caption = "Guidance trades diversity for adherence to the label, and burns out; columns are classes. First seed."
    return rows, Picture("guidance", caption, (lines, *panels))


def quality_by_calls(
    key: PRNGKeyArray,
    rules: Mapping[str, Callable[..., Array]],
    num_calls: Callable[[str, int], int],
    params: Any,
    view: View,
    measured: Measured,
    *,
    steps: Sequence[int],
) -> tuple[dict[str, Quantity], Picture]:
    """The distance of samples from test data against the number of network calls, for several rules of sampling.

    Args:
        key: one key.
        rules: name to `sample(params, key, num_steps) -> x`.
        num_calls: `num_calls(name, num_steps)`.
        params: of every seed.
        view: how the model sees the data.
        measured: from `measure`; as many samples are drawn as there are test examples in it.
        steps: numbers of steps.

    Returns:
        Rows, and the picture.
    """
    key_draw, key_lines = jax.random.split(key)
    keys = jax.random.split(key_draw, len(measured.real))
    distance = jax.jit(
        jax.vmap(lambda fake: metrics.sliced_wasserstein(key_lines, measured.real, fake)),
    )
    floor = float(distance(measured.train[None])[0])
    rows, curves = {}, {}
    for name, sample in rules.items():
        curves[name] = []
        for n in steps:
            draw = lambda params, key, sample=sample, n=n: view.show(sample(params, key, n))
            shown = jax.jit(jax.vmap(jax.vmap(draw, (None, 0)), (0, None)))(params, keys)
            distances = distance(shown)
            calls = num_calls(name, n)
            curves[name].append((calls, float(jnp.mean(distances))))
            rows[f"sliced Wasserstein distance, {name}, {calls} network calls"] = quantity(
                distances, baseline=floor, baseline_of="training data"
            )
    caption = (
        "Sliced Wasserstein distance from test data against network calls per sample; dotted, training data."
    )
    panel = figures.points_and_level(
        "quality and cost", curves, floor, xlabel="network calls", ylabel="distance"
    )
    return rows, Picture("network-calls", caption, (panel,))
