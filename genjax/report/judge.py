"""Samples of images as a classifier sees them: quality, diversity and copies, beside what the data reach."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from genjax import metrics
from genjax.nn import Classified
from genjax.report.measure import Measured
from genjax.report.summary import Quantity, quantity
from genjax.training.model import Model

__all__ = ["Judge", "judged"]

SURE = 0.9
"""The probability from which a sample counts as recognised."""
NUM_SUBSETS = 20
"""Subsets over which the kernel distance's spread is taken."""


class Judge(NamedTuple):
    """A network that images are judged by; any classifier of the user's will do.

    Args:
        name: in words.
        classify: `classify(shown [d]) -> Classified`, of one image in the space of pictures, pixels in [0, 1].

    >>> Judge("a coin", lambda x: Classified(x, jnp.zeros(2))).classify(jnp.ones(3)).features.shape
    (3,)
    """

    name: str
    classify: Callable[[Array], Classified]


class Views(NamedTuple):
    """What the judge says of a set."""

    pixels: Array
    features: Array
    probs: Array


def judged(
    key: PRNGKeyArray, judge: Judge, model: Model, measured: Measured
) -> tuple[dict[str, dict[str, Quantity]], list[str]]:
    """Rows and warnings about samples of images, of every seed, in the features of a classifier.

    Args:
        key: of subsets, and of the independent pixels.
        judge: the classifier.
        model: what was trained.
        measured: from `measure`.

    Returns:
        Heading to rows, and warnings.
    """
    key_subsets, key_pixels = jax.random.split(key)

    @jax.jit
    def see(pixels: Array) -> Views:
        said = jax.lax.map(judge.classify, pixels, batch_size=500)
        return Views(pixels, said.features, jax.nn.softmax(said.logits))

    m = len(measured.train)
    shown = jax.vmap(jax.vmap(model.view.show))(measured.samples[:, :m])
    real, train = see(measured.real), see(measured.train)
    independent = see(jax.random.permutation(key_pixels, measured.train, axis=0, independent=True))
    fakes = [see(samples) for samples in shown]

    @jax.jit
    def measure_one(real: Views, train: Views, fake: Views) -> dict[str, Array]:
        shares = jnp.mean(fake.probs, axis=0)
        density = metrics.density_coverage(real.features, fake.features)
        return {
            "sure": jnp.mean(jnp.max(fake.probs, axis=1) > SURE),
            "frechet": metrics.frechet_distance(real.features, fake.features),
            "kernel": metrics.kernel_distance(real.features, fake.features),
            "inception": metrics.inception_score(fake.probs),
            "density": density.density,
            "coverage": density.coverage,
            "entropy": -jnp.sum(jax.scipy.special.xlogy(shares, shares)),
            "missed": metrics.mode_divergence(jnp.argmax(fake.probs, axis=1), jnp.mean(real.probs, axis=0)),
            "classes": jnp.sum(jnp.any(jax.nn.one_hot(jnp.argmax(fake.probs, 1), shares.size) > 0, axis=0)),
            "copies": metrics.data_copying(train.pixels, real.pixels, fake.pixels),
            "apart": _median_distance(fake.pixels, train.pixels)
            / _median_distance(real.pixels, train.pixels),
            "labels": jnp.mean(jnp.argmax(fake.probs, axis=1) == jnp.arange(m) % (model.num_classes or 1)),
        }

    of_seeds = [measure_one(real, train, fake) for fake in fakes]
    floor, noise = measure_one(real, train, train), measure_one(real, train, independent)
    subset = min(m, len(measured.real)) // 2
    spread = metrics.standard_error(
        key_subsets,
        metrics.kernel_distance,
        real.features,
        fakes[0].features,
        subset_size=subset,
        num_subsets=NUM_SUBSETS,
    )
    by = {"of": judge.name}

    def row(name: str, note: str, **more: Any) -> Quantity:
        values = np.asarray([seed[name] for seed in of_seeds])
        return quantity(
            values,
            note=note,
            **({"baseline": float(floor[name]), "baseline_of": "training data"} | by | more),
        )

    quality = {
        f"recognised with a probability above {SURE}": row("sure", "share of samples"),
        "Fréchet distance, features": row("frechet", "squared; training data are its floor at this number"),
        "Fréchet distance, features, of independent pixels": quantity(
            noise["frechet"],
            note="each pixel drawn for itself from training data: what no model should exceed",
            **by,
        ),
        "kernel distance, features": row(
            "kernel", f"squared, unbiased; its spread over subsets of {subset} is {float(spread):.2g}"
        ),
        "inception score": row("inception", "1 to the number of classes"),
        "density, features": row("density", "samples per ball around test data; 1 where the laws agree"),
    }
    if model.num_classes:
        note = "share of samples that the classifier takes for what was asked"
        quality["label accuracy"] = row("labels", note, baseline=1.0, baseline_of="every label heard")
    diversity = {
        "classes reached": row("classes", "by the classifier"),
        "label entropy": row("entropy", "of the mean probabilities, in nats", unit="nats"),
        "divergence of the classes": row("missed", "KL to those of test data", unit="nats", baseline=0.0),
        "coverage, features": row("coverage", "share of test data with a sample in their neighbourhood"),
        "nearer to training than test data are": row(
            "copies", "probability; 0.5 for fresh data, 1 for copies", baseline=0.5, baseline_of="fresh data"
        ),
        "distance to the nearest training image": row(
            "apart",
            "median, over that of test data; below 1 is nearer",
            baseline=1.0,
            baseline_of="test data",
        ),
    }
    warnings, num_classes = [], real.probs.shape[1]
    # Where as many training examples miss classes too, the samples are too few to tell.
    if (fewest := min(int(seed["classes"]) for seed in of_seeds)) < int(floor["classes"]) == num_classes:
        warnings.append(f"Mode collapse: samples reach {fewest} of {num_classes} classes.")
    if (most := max(float(seed["copies"]) for seed in of_seeds)) > 0.9:
        warnings.append(f"Memorising: {most:.0%} of samples lie nearer to training data than test data do.")
    return {"Quality": quality, "Diversity and mode collapse": diversity}, warnings


def _median_distance(a: Array, b: Array) -> Array:
    """How far a point of the one set is from the nearest of the other."""
    return jnp.median(metrics.nearest(a, b).distances)
