"""Two-player games on the logits of a real and of a generated example."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._checks import check_float, check_not_nan, check_scalar

__all__ = [
    "FDivergence",
    "Game",
    "f_gan",
    "hinge",
    "kl",
    "least_squares",
    "minimax",
    "minimax_value",
    "non_saturating",
    "relativistic",
    "reverse_kl",
    "smoothed",
    "wasserstein",
]

Loss = Callable[[Array, Array], Array]


class Game(NamedTuple):
    """A game of two players: what each of them minimises, for one real and one generated example.

    With r the logit of the real example, f that of the generated one and σ the sigmoid:

    | game | discriminator | generator |
    |---|---|---|
    | `minimax` | −log σ(r) − log σ(−f) | log σ(−f) |
    | `non_saturating` | −log σ(r) − log σ(−f) | −log σ(f) |
    | `least_squares` | ½ (r − 1)² + ½ f² | ½ (f − 1)² |
    | `hinge` | max(0, 1 − r) + max(0, 1 + f) | −f |
    | `wasserstein` | f − r | −f |
    | `relativistic` | −log σ(r − f) | −log σ(f − r) |

    The generator of `minimax` has hardly a gradient where the discriminator is sure, hence `non_saturating`.
    `wasserstein` needs a critic of bounded slope (`gradient_penalty`, spectral normalisation), `relativistic` pairs
    each real example with a generated one.

    Sources: `minimax` and `non_saturating`, Goodfellow et al. (2014), equation 1 and section 3; `least_squares`, Mao
    et al. (2017), equation 9; `hinge`, Lim and Ye (2017); `wasserstein`, Arjovsky et al. (2017), equation 3;
    `relativistic`, Jolicoeur-Martineau (2018), section 3.2.

    Args:
        discriminator_loss: `discriminator_loss(real_logit, fake_logit) -> scalar`.
        generator_loss: `generator_loss(real_logit, fake_logit) -> scalar`.
        at_target: `at_target(target) -> Game` for a game whose discriminator has a target on the real side, which
            `smoothed` moves; None for the others.

    >>> real, fake = jnp.array(2.0), jnp.array(-2.0)
    >>> print(f"{non_saturating.discriminator_loss(real, fake):.4f} {minimax.generator_loss(real, fake):.4f}")
    0.2539 -0.1269
    >>> print(hinge.generator_loss(real, fake))
    2.0
    """

    discriminator_loss: Loss
    generator_loss: Loss
    at_target: Callable[[int | float], "Game"] | None = None


def minimax_value(real_logit: Float[Array, ""], fake_logit: Float[Array, ""]) -> Float[Array, ""]:
    """The value of the game of the original GAN, which its discriminator maximises and its generator minimises.

    V = log D(x) + log(1 − D(G(z))), D = sigmoid of the logit

    Args:
        real_logit: the logit of a real example, a scalar.
        fake_logit: the logit of a generated example, a scalar.

    Returns:
        Nats, not above 0.

    Raises:
        TypeError: a logit is not floating point.
        ValueError: a logit is not a scalar, or is NaN.

    Source: Goodfellow et al. (2014), equation 1.

    >>> print(f"{minimax_value(jnp.array(0.0), jnp.array(0.0)):.6f}")
    -1.386294
    """
    _check(real_logit, fake_logit)
    return jax.nn.log_sigmoid(real_logit) + jax.nn.log_sigmoid(-fake_logit)


def smoothed(game: Game, target: int | float) -> Game:
    """The same game with another target for real examples, in the discriminator alone (one-sided label smoothing).

    −t log σ(r) − (1 − t) log σ(−r) in place of −log σ(r); ½ (r − t)² in place of ½ (r − 1)²

    The discriminator rests at D = t on real examples and no longer grows without bound. The generated side and the
    generator stay: a target above 0 there would move the optimum away from the data.

    Args:
        game: `minimax`, `non_saturating` or `least_squares`.
        target: t, in (0, 1]; 1 is the game itself.

    Returns:
        The game.

    Raises:
        ValueError: the game has no target, or `target` is out of range.

    Source: Salimans et al. (2016), section 3.4.

    >>> at_nine_tenths = smoothed(non_saturating, 0.9).discriminator_loss
    >>> print(f"{jax.grad(at_nine_tenths)(jnp.log(9.0), jnp.array(0.0)):.5f}")  # D = 0.9
    0.00000
    """
    if game.at_target is None:
        raise ValueError(
            "this game has no target to move; minimax, non_saturating and least_squares have one"
        )
    if not 0 < target <= 1:
        raise ValueError(f"target must lie in (0, 1]; got {target}")
    return game.at_target(target)


class FDivergence(NamedTuple):
    """What a game needs of a divergence D_f(P ‖ Q) = E_Q[f(p/q)], as functions of a logit v.

    output(v) = f′(eᵛ), conjugate(v) = f*(f′(eᵛ)) = eᵛ f′(eᵛ) − f(eᵛ)

    The two are given apart from each other because composed in floating point they overflow. At v = log p/q the
    variational bound E_P[output] − E_Q[conjugate] is the divergence.

    Args:
        output: what is averaged over data.
        conjugate: what is averaged over generated examples.

    >>> print(kl.output(jnp.array(0.0)), kl.conjugate(jnp.array(0.0)))
    1.0 1.0
    """

    output: Callable[[Array], Array]
    conjugate: Callable[[Array], Array]


kl = FDivergence(lambda v: 1 + v, jnp.exp)
"""KL(P ‖ Q), f(u) = u log u: the generator is punished for data that it misses."""
reverse_kl = FDivergence(lambda v: -jnp.exp(-v), lambda v: v - 1)
"""KL(Q ‖ P), f(u) = −log u: the generator is punished for samples that are not data."""


def f_gan(divergence: FDivergence) -> Game:
    """The game whose value at the optimal discriminator is an f-divergence from the model to the data.

    F = E_{P}[output(r)] − E_{Q}[conjugate(f)], which the discriminator maximises and the generator minimises

    The logits are those of the other games, log p_data/p_model at the optimum: what the paper calls v is this logit
    plus a constant for KL.

    Args:
        divergence: `kl`, `reverse_kl`, or any other.

    Returns:
        The game.

    Raises:
        TypeError: (of its losses) a logit is not floating point.
        ValueError: (of its losses) a logit is not a scalar, or is NaN.

    Source: Nowozin et al. (2016), equations 4 to 6.

    >>> game = f_gan(kl)
    >>> print(game.discriminator_loss(jnp.array(1.0), jnp.array(0.0)))  # −(1 + 1) + exp(0)
    -1.0
    """

    def value(real_logit: Array, fake_logit: Array) -> Array:
        return divergence.output(real_logit) - divergence.conjugate(fake_logit)

    return _game(lambda r, f: -value(r, f), lambda r, f: -divergence.conjugate(f))


def _check(real_logit: Array, fake_logit: Array) -> None:
    check_scalar("real_logit", real_logit)
    check_scalar("fake_logit", fake_logit)
    check_float(real_logit=real_logit, fake_logit=fake_logit)
    check_not_nan(real_logit=real_logit, fake_logit=fake_logit)


def _game(
    discriminator: Loss, generator: Loss, at_target: Callable[[int | float], Game] | None = None
) -> Game:
    def checked(loss: Loss) -> Loss:
        def checked_loss(real_logit: Float[Array, ""], fake_logit: Float[Array, ""]) -> Float[Array, ""]:
            _check(real_logit, fake_logit)
            return loss(real_logit, fake_logit)

        return checked_loss

    return Game(checked(discriminator), checked(generator), at_target)


_log_sigmoid = jax.nn.log_sigmoid


def _logistic(generator: Loss, target: int | float = 1.0) -> Game:
    def discriminator(r: Array, f: Array) -> Array:
        real = _log_sigmoid(r) if target == 1 else target * _log_sigmoid(r) + (1 - target) * _log_sigmoid(-r)
        return -real - _log_sigmoid(-f)

    return _game(discriminator, generator, lambda target: _logistic(generator, target))


def _least_squares(target: int | float = 1.0) -> Game:
    return _game(lambda r, f: (r - target) ** 2 / 2 + f**2 / 2, lambda r, f: (f - 1) ** 2 / 2, _least_squares)


minimax = _logistic(lambda r, f: _log_sigmoid(-f))
non_saturating = _logistic(lambda r, f: -_log_sigmoid(f))
least_squares = _least_squares()
hinge = _game(lambda r, f: jax.nn.relu(1 - r) + jax.nn.relu(1 + f), lambda r, f: -f)
wasserstein = _game(lambda r, f: f - r, lambda r, f: -f)
relativistic = _game(lambda r, f: -_log_sigmoid(r - f), lambda r, f: -_log_sigmoid(f - r))
