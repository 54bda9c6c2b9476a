"""The adversarial game on finitely many points, where both players are tables."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Float

from genjax._checks import check_float, check_same_shape
from genjax.gan import Game, optimal_logit, value_at_optimum

__all__ = ["DiscreteGan", "PlayerLosses"]


class PlayerLosses(NamedTuple):
    """What each player pays in expectation.

    Args:
        discriminator: of real and generated points.
        generator: of the same.

    >>> print(PlayerLosses(discriminator=jnp.array(1.4), generator=jnp.array(-0.7)).discriminator)
    1.4
    """

    discriminator: Array
    generator: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class DiscreteGan:
    """A game on K points: the discriminator is a table of logits, the generator a table of probabilities.

    loss(game, D, q) = Σ_i Σ_j p_i q_j game(D_i, D_j), q = softmax(θ)

    Every expectation is a finite sum, in full precision on every device, and so are best answers and the vector field
    of gradient play.

    Args:
        p_data: p, probabilities of the data, `[K]`, positive and summing to 1.

    Source: Goodfellow et al. (2014), section 4; gradient play: Mescheder et al. (2018), section 2.

    >>> oracle = DiscreteGan(p_data=jnp.array([0.25, 0.75]))
    >>> print(f"{oracle.value_at_optimum(jnp.array([0.25, 0.75])):.6f}")
    -1.386294
    """

    p_data: Array  # without shapes, because transformations put batches and placeholders here

    def losses(self, game: Game, logits: Float[Array, " k"], p_model: Float[Array, " k"]) -> PlayerLosses:
        """The expected loss of either player, over every pair of a real and a generated point."""
        check_float(p_data=self.p_data, logits=logits, p_model=p_model)
        check_same_shape(p_data=self.p_data, logits=logits, p_model=p_model)

        def expected(loss) -> Array:
            pairs = jax.vmap(jax.vmap(loss, (None, 0)), (0, None))(logits, logits)
            return jnp.einsum("i,ij,j->", self.p_data, pairs, p_model, precision=Precision.HIGHEST)

        return PlayerLosses(expected(game.discriminator_loss), expected(game.generator_loss))

    def optimal_logits(self, p_model: Float[Array, " k"]) -> Float[Array, " k"]:
        """The best table against a model in the games whose best logit is log p/q."""
        check_float(p_data=self.p_data, p_model=p_model)
        return optimal_logit(jnp.log(self.p_data), jnp.log(p_model))

    def value_at_optimum(self, p_model: Float[Array, " k"]) -> Float[Array, ""]:
        """The value of the minimax game against its best discriminator, −log 4 + 2 JS."""
        return value_at_optimum(self.p_data, p_model)

    def velocity(
        self, game: Game, logits: Float[Array, " k"], model_logits: Float[Array, " k"]
    ) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Where gradient play moves the two tables (D, θ): each player descends its own loss, both at once.

        Its Jacobian at the equilibrium, p = q, decides what play does: eigenvalues with a negative real part spiral
        in, imaginary ones cycle (and simultaneous steps of any size spiral out).
        """

        def loss(player: int, logits: Array, model_logits: Array) -> Array:
            return self.losses(game, logits, jax.nn.softmax(model_logits))[player]

        d = jax.grad(loss, argnums=1)(0, logits, model_logits)
        g = jax.grad(loss, argnums=2)(1, logits, model_logits)
        return -d, -g
