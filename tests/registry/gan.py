"""Adversarial games."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from genjax import gan

from .row import INTS, NAN, ONE, TWO, Row, normal

LOGITS = (np.array(0.7), np.array(-0.4))


def losses(game):
    return lambda real, fake: (game.discriminator_loss(real, fake), game.generator_loss(real, fake))


def critic(x):
    return jnp.sum(jnp.sin(x) + x**2)


GAMES = {
    "hinge": gan.hinge,
    "least_squares": gan.least_squares,
    "minimax": gan.minimax,
    "non_saturating": gan.non_saturating,
    "relativistic": gan.relativistic,
    "wasserstein": gan.wasserstein,
}

ROWS = {f"genjax.gan.{name}": Row(losses(game), LOGITS) for name, game in GAMES.items()} | {
    "genjax.gan.f_gan": Row(losses(gan.f_gan(gan.kl)), LOGITS),
    "genjax.gan.smoothed": Row(losses(gan.smoothed(gan.minimax, 0.9)), LOGITS),
    "genjax.gan.kl": Row(lambda v: (gan.kl.output(v), gan.kl.conjugate(v)), (np.array(0.3),)),
    "genjax.gan.reverse_kl": Row(
        lambda v: (gan.reverse_kl.output(v), gan.reverse_kl.conjugate(v)), (np.array(0.3),)
    ),
    "genjax.gan.gradient_penalty": Row(
        lambda x: (
            gan.gradient_penalty(critic, x),
            gan.gradient_penalty(critic, x, target=0.5, one_sided=True),
        ),
        (normal(3),),
    ),
    "genjax.gan.minimax_value": Row(gan.minimax_value, LOGITS),
    "genjax.gan.optimal_logit": Row(gan.optimal_logit, (normal(3), normal(3))),
    "genjax.gan.squared_gradient_norm": Row(partial(gan.squared_gradient_norm, critic), (normal(3),)),
    "genjax.gan.value_at_optimum": Row(
        lambda a, b: gan.value_at_optimum(jax.nn.softmax(a), jax.nn.softmax(b)), (normal(3), normal(3))
    ),
}

RECORDS = {
    "genjax.gan.FDivergence": "tests/gan/test_games.py",
    "genjax.gan.Game": "tests/gan/test_games.py",
}

SCALAR = jnp.zeros(())
STRUCTURE = [
    (gan.minimax_value, (ONE, SCALAR), ValueError, r"real_logit must be a scalar.*\(1,\)"),
    (gan.hinge.generator_loss, (SCALAR, TWO), ValueError, r"fake_logit must be a scalar.*\(2,\)"),
    (gan.minimax.discriminator_loss, (INTS[0], SCALAR), TypeError, "real_logit must be floating point"),
    (partial(gan.squared_gradient_norm, lambda x: x), (TWO,), ValueError, r"critic\(x\) must be a scalar"),
    (partial(gan.gradient_penalty, critic), (INTS,), TypeError, "x must be floating point"),
    (gan.optimal_logit, (ONE, TWO), ValueError, r"log_p_data \(1,\), log_p_model \(2,\)"),
]

VALUES = [
    (gan.minimax_value, (SCALAR, NAN[1]), "fake_logit must not be NaN"),
    (gan.wasserstein.discriminator_loss, (NAN[1], SCALAR), "real_logit must not be NaN"),
    (
        gan.optimal_logit,
        (jnp.array([0.0, -jnp.inf]), jnp.array([0.0, -jnp.inf])),
        "log_p_data - log_p_model must be a number",
    ),
]
