"""A classifier of one channel judges images of several."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from genjax.nn import Classified
from genjax.recipes.classifier import stacked


def test_the_class_of_three_channels_is_their_digits_in_order_and_its_probability_their_product():
    levels = jnp.arange(10) / 9

    def classify(shown):  # of four pixels of one grey level, which is the digit
        return Classified(shown[:1], -20 * (shown.mean() - levels) ** 2)

    whole = jax.jit(stacked(classify, 3))
    for digits in itertools.islice(itertools.product((0, 3, 9), repeat=3), 0, None, 4):
        image = jnp.broadcast_to(levels[np.array(digits)], (2, 2, 3))
        said = whole(image.ravel())
        assert int(jnp.argmax(said.logits)) == 100 * digits[0] + 10 * digits[1] + digits[2]
        np.testing.assert_allclose(said.features, levels[np.array(digits)])
        joint = np.exp(np.asarray(said.logits, np.float64)).reshape(10, 10, 10)
        alone = [jax.nn.softmax(classify(jnp.full(4, levels[d])).logits) for d in digits]
        np.testing.assert_allclose(joint, np.einsum("i,j,k->ijk", *map(np.asarray, alone)), rtol=1e-4)
