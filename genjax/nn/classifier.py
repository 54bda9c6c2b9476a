"""A classifier of one example, whose last hidden layer serves as features."""

from collections.abc import Sequence
from typing import NamedTuple

from flax import nnx
from jaxtyping import Array, Float

from genjax.nn.mlp import MLP

__all__ = ["Classified", "Classifier"]


class Classified(NamedTuple):
    """What a classifier says of an example.

    Args:
        features: the last hidden layer.
        logits: of each class.

    >>> Classified(features=jnp.zeros(4), logits=jnp.zeros(3)).logits.shape
    (3,)
    """

    features: Float[Array, " d"]
    logits: Float[Array, " k"]


class Classifier(nnx.Module):
    """A perceptron from one example to the logits of its classes, by way of features.

    Args:
        num_inputs: the size of the example.
        hidden: widths of the hidden layers; the last is the number of features.
        num_classes: K.
        rngs: random streams of the initialisation.

    >>> Classifier(4, (8, 6), 3, rngs=nnx.Rngs(0))(jnp.ones(4)).features.shape
    (6,)
    """

    def __init__(self, num_inputs: int, hidden: Sequence[int], num_classes: int, *, rngs: nnx.Rngs):
        self.body = MLP(num_inputs, hidden[:-1], hidden[-1], activation=nnx.relu, rngs=rngs)
        self.head = nnx.Linear(hidden[-1], num_classes, rngs=rngs)

    def __call__(self, x: Float[Array, "..."]) -> Classified:
        """Features and logits of one example, flattened."""
        features = nnx.relu(self.body(x))
        return Classified(features, self.head(features))
