"""Samples of a model, and how they compare with data: quality and diversity apart."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax import metrics
from genjax.report.summary import Quantity, Section, quantity
from genjax.training.evaluate import timed
from genjax.training.model import Model

__all__ = ["compare", "draw"]


def draw(
    model: Model, params: Any, key: PRNGKeyArray, num_samples: int, *, labels: Any = None
) -> tuple[Array, float]:
    """Samples of every seed `[s, n, *view.shape]`, and the seconds it took once compiled.

    Args:
        model: what was trained.
        params: every leaf with a leading axis of seeds.
        key: one key.
        num_samples: samples per seed.
        labels: of a conditional model, the class of each sample, `[n]`; by default the classes take turns.

    Returns:
        The samples, and seconds.
    """
    seeds = jax.tree.leaves(params)[0].shape[0]
    keys = jax.random.split(key, (seeds, num_samples))
    sample = model.sample
    assert sample is not None
    if model.num_classes is None:
        one_seed = lambda params, keys: jax.vmap(partial(sample, params))(keys)
    else:
        labels = np.arange(num_samples) % model.num_classes if labels is None else labels
        one_seed = lambda params, keys: jax.vmap(partial(sample, params))(keys, labels)
    return timed(jax.vmap(one_seed), params, keys)


def compare(
    fake: Float[Array, "s m d"],
    real: Float[Array, "k d"],
    train: Float[Array, "m d"] | None,
    *,
    of: str,
    what: str = "samples",
) -> tuple[Section, Section, list[str]]:
    """Quality and diversity of samples beside test data, with training data as the baseline of both.

    Args:
        fake: samples of every seed.
        real: test data.
        train: as many training examples as samples, or None.
        of: the space they lie in, a part of every row's name.
        what: the samples are, in words.

    Returns:
        The sections on quality and on diversity, and warnings.

    >>> x = jax.random.normal(jax.random.key(0), (4, 50, 2))
    >>> quality, diversity, warnings = compare(x[:2], x[2], x[3], of="points")
    >>> list(quality.rows), warnings
    (['Fréchet distance, points', 'precision, points'], [])
    """
    (m, d), warnings = fake.shape[1:], []
    sets = fake if train is None else jnp.concatenate([fake, train[None]])
    # Data are passed, not closed over: a compiler would fold what it can compute of a constant.
    judge = lambda fake, real: (metrics.precision_recall(real, fake), metrics.diversity(fake))
    support, spread = jax.jit(jax.vmap(judge, (0, None)))(sets, real)
    apart = jax.jit(metrics.diversity)(real).pairwise_distance

    def row(values: Array, note: str, **more: Any) -> Quantity:
        if train is not None:
            more = {"baseline": float(values[-1]), "baseline_of": "training data, as many"} | more
        return quantity(values[: len(fake)], of=of, note=note, **more)

    frechet = jax.jit(jax.vmap(metrics.frechet_distance, (None, 0)))(real, sets)
    note = "squared, between Gaussians; 0 is best"
    if min(m, len(real)) <= d:
        note += f"; of sets too small for {d} dimensions it is far above 0 even where the laws agree"
    quality = {f"Fréchet distance, {of}": row(frechet, note)}
    quality[f"precision, {of}"] = row(support.precision, "share of samples within the support of test data")
    diversity = {
        f"recall, {of}": row(support.recall, "share of test data within the support of samples"),
        f"pairwise distance, {of}": row(
            spread.pairwise_distance,
            "mean distance between two samples; near 0 in a collapse",
            baseline=float(apart),
            baseline_of="test data",
        ),
    }
    lowest = float(support.recall[: len(fake)].min())
    if lowest < 0.05:
        warnings.append(f"Recall is near zero ({lowest:.3f}): hardly a test example lies among the {what}.")
    if float(spread.pairwise_distance[: len(fake)].min()) < 0.2 * float(apart):
        warnings.append("Mode collapse: samples lie much closer together than test data do.")
    sets_in_words = f"{m:,} per seed ({what}) beside {len(real):,} test examples, as {of}"
    return (
        Section(f"How good samples are, one by one: {sets_in_words}.", quality),
        Section("How much of the data samples reach, and how far they spread; the same sets.", diversity),
        warnings,
    )
