"""Samples as a classifier sees them: a collapse is told where the data show that the samples could tell."""

import jax
import jax.numpy as jnp
import pytest

from genjax.data.dataset import Spec
from genjax.data.views import points
from genjax.nn import Classified
from genjax.report import Judge, Measured, judged
from genjax.training import Model

pytestmark = pytest.mark.usefixtures("standard_promotion")


def told(num_classes, classes_of_samples, classes_of_data):
    """What is warned of, where an image says its class in its first pixel."""
    keys = iter(jax.random.split(jax.random.key(0), 3))
    image = lambda classes: jnp.concatenate(
        [classes[:, None], jax.random.normal(next(keys), (len(classes), 3))], axis=1
    )
    classify = lambda x: Classified(x, 30.0 * jax.nn.one_hot(x[0].astype(int), num_classes))
    model = Model(name="images", view=points(Spec("images", (4,))), init=lambda key, x: None, sample=None)
    samples, real, train = map(image, (classes_of_samples, classes_of_data, classes_of_data))
    measured = Measured({}, samples[None], real, train, {}, ())
    rows, warnings = judged(jax.random.key(1), Judge("first pixel", classify), model, measured)
    return int(rows["Diversity and mode collapse"]["classes reached"].mean), warnings


def test_a_class_that_is_never_drawn_is_told():
    turns = jnp.arange(60.0)
    assert told(4, turns % 4, turns % 4) == (4, [])
    reached, warnings = told(4, turns % 3, turns % 4)
    assert (reached, warnings) == (3, ["Mode collapse: samples reach 3 of 4 classes."])


def test_samples_too_few_to_reach_every_class_prove_no_collapse():
    turns = jnp.arange(60.0)
    assert told(100, turns % 50, turns) == (50, [])
