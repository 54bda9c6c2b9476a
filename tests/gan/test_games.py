"""Each game's losses against their equations in float64, what a bug in them looks like, and their optimum."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from genjax import gan
from genjax.densities import normal_log_prob
from genjax.divergences import kl_categorical

log_sigmoid = special.log_expit
REFERENCE = {
    "minimax": (lambda r, f: -log_sigmoid(r) - log_sigmoid(-f), lambda r, f: log_sigmoid(-f)),
    "non_saturating": (lambda r, f: -log_sigmoid(r) - log_sigmoid(-f), lambda r, f: -log_sigmoid(f)),
    "least_squares": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda r, f: (f - 1) ** 2 / 2),
    "hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
    "wasserstein": (lambda r, f: f - r, lambda r, f: -f),
    "relativistic": (lambda r, f: -log_sigmoid(r - f), lambda r, f: -log_sigmoid(f - r)),
}
SLOPES = {  # of the discriminator's loss in (r, f), and of the generator's in (r, f)
    "minimax": lambda r, f: (-special.expit(-r), special.expit(f), 0 * r, -special.expit(f)),
    "non_saturating": lambda r, f: (-special.expit(-r), special.expit(f), 0 * r, -special.expit(-f)),
    "least_squares": lambda r, f: (r - 1, f, 0 * r, f - 1),
    "hinge": lambda r, f: (-1.0 * (r < 1), 1.0 * (f > -1), 0 * r, -np.ones_like(f)),
    "wasserstein": lambda r, f: (-np.ones_like(r), np.ones_like(f), 0 * r, -np.ones_like(f)),
    "relativistic": lambda r, f: (
        -special.expit(f - r),
        special.expit(f - r),
        special.expit(r - f),
        -special.expit(r - f),
    ),
}
GRID = np.array([-300, -40, -20, -3, -0.375, 0, 0.75, 2, 20, 40, 300])
R, F = (a.ravel() for a in np.meshgrid(GRID, GRID))


@functools.cache
def program(name):
    """Losses of both players and their slopes."""
    game = getattr(gan, name)

    def one(r, f):
        d, slope_d = jax.value_and_grad(game.discriminator_loss, (0, 1))(r, f)
        g, slope_g = jax.value_and_grad(game.generator_loss, (0, 1))(r, f)
        return d, g, *slope_d, *slope_g

    return jax.jit(jax.vmap(one))


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_losses_and_slopes_are_those_of_the_equations_however_sure_a_player_is(name):
    results = program(name)(jnp.asarray(R, jnp.float32), jnp.asarray(F, jnp.float32))
    expected = *(loss(R, F) for loss in REFERENCE[name]), *SLOPES[name](R, F)
    for value, truth in zip(results, expected, strict=True):
        # What is below the least normal float32 may be 0. The digits of the grid leave r − f exact.
        np.testing.assert_allclose(value, truth, rtol=1e-6, atol=1e-37)


def test_statement_s05_of_the_minimax_value():
    logit = lambda d: jnp.log(d) - jnp.log1p(-d)
    real, fake = logit(jnp.array([0.9, 0.8, 0.7])), logit(jnp.array([0.2, 0.3, 0.4]))
    mean = lambda loss: jax.vmap(loss)(real, fake).mean()
    np.testing.assert_allclose(mean(gan.minimax.discriminator_loss), 0.5919410, atol=1e-6)
    np.testing.assert_allclose(mean(gan.minimax_value), -0.5919410, atol=1e-6)
    np.testing.assert_allclose(mean(gan.minimax.generator_loss), -0.3635480, atol=1e-6)
    np.testing.assert_allclose(mean(gan.non_saturating.generator_loss), 1.2432338, atol=1e-6)


@given(st.floats(-20, 20), st.floats(-20, 20), st.floats(-5, 5))
def test_only_the_relativistic_game_ignores_a_shift_of_both_logits(r, f, shift):
    with jax.enable_x64(True):
        before, after = (jnp.array([x, y]) for x, y in ((r, f), (r + shift, f + shift)))
        for loss in gan.relativistic[:2]:
            np.testing.assert_allclose(loss(*before), loss(*after), rtol=1e-9, atol=1e-12)
        # The others judge a real example for itself.
        np.testing.assert_allclose(
            gan.minimax_value(*after), log_sigmoid(r + shift) + log_sigmoid(-f - shift), rtol=1e-9
        )


@pytest.mark.parametrize("target", [0.6, 0.9, 1.0])
def test_smoothing_moves_the_target_of_real_examples_and_nothing_else(target):
    real, fake = jnp.array(0.3), jnp.array(-1.2)
    for game, rest in (
        (gan.minimax, special.logit(target)),
        (gan.non_saturating, special.logit(target)),
        (gan.least_squares, target),
    ):
        moved = gan.smoothed(game, target)
        slope = jax.grad(moved.discriminator_loss)
        if np.isfinite(rest):
            np.testing.assert_allclose(slope(jnp.float32(rest), fake), 0, atol=1e-6)
        for before, after in ((game.discriminator_loss, moved.discriminator_loss),):
            np.testing.assert_allclose(*(jax.grad(loss, 1)(real, fake) for loss in (before, after)))
        assert moved.generator_loss(real, fake) == game.generator_loss(real, fake)
    cross_entropy = -target * log_sigmoid(0.3) - (1 - target) * log_sigmoid(-0.3) - log_sigmoid(1.2)
    smooth = gan.smoothed(gan.minimax, target).discriminator_loss(real, fake)
    np.testing.assert_allclose(smooth, cross_entropy, rtol=1e-6)
    squares = gan.smoothed(gan.least_squares, target).discriminator_loss(real, fake)
    np.testing.assert_allclose(squares, (0.3 - target) ** 2 / 2 + 0.72, rtol=1e-6)


def test_a_game_without_a_target_cannot_be_smoothed():
    with pytest.raises(ValueError, match="no target to move"):
        gan.smoothed(gan.hinge, 0.9)
    with pytest.raises(ValueError, match=r"target must lie in \(0, 1\]; got 1.5"):
        gan.smoothed(gan.minimax, 1.5)


P, Q = np.array([0.1, 0.2, 0.4, 0.2, 0.1]), np.array([0.5, 0.1, 0.1, 0.1, 0.2])
# f(u) = u log u − (u + 1) log((u + 1) / 2), whose divergence is 2 JS, written by its derivative and its conjugate.
TWO_JS = gan.FDivergence(
    lambda v: jnp.log(2.0) + jax.nn.log_sigmoid(v), lambda v: -jnp.log(2.0) - jax.nn.log_sigmoid(-v)
)
DIVERGENCES = {
    "kl": (gan.kl, lambda: kl_categorical(jnp.asarray(P), jnp.asarray(Q))),
    "reverse_kl": (gan.reverse_kl, lambda: kl_categorical(jnp.asarray(Q), jnp.asarray(P))),
    "two_js": (TWO_JS, lambda: gan.value_at_optimum(jnp.asarray(P), jnp.asarray(Q)) + jnp.log(4.0)),
}


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_the_f_gan_is_its_divergence_at_the_optimal_logit_and_below_it_elsewhere(name, x64):
    divergence, truth = DIVERGENCES[name]
    game = gan.f_gan(divergence)

    def value(logits):
        loss = lambda r, f: -game.discriminator_loss(r, f)
        return jnp.einsum("i,ij,j->", P, jax.vmap(jax.vmap(loss, (None, 0)), (0, None))(logits, logits), Q)

    best = gan.optimal_logit(jnp.log(P), jnp.log(Q))
    np.testing.assert_allclose(value(best), truth(), rtol=1e-12)
    np.testing.assert_allclose(jax.grad(value)(best), np.zeros(5), atol=1e-12)
    noise = np.random.default_rng(0).normal(size=(20, 5))
    assert (jax.vmap(value)(best[None] + noise) < truth()).all()


def test_the_game_of_two_js_is_the_minimax_game_up_to_log_4(x64):
    game, r, f = gan.f_gan(TWO_JS), jnp.array(0.7), jnp.array(-0.4)
    shift = game.discriminator_loss(r, f) - gan.minimax.discriminator_loss(r, f)
    np.testing.assert_allclose(shift, -np.log(4), rtol=1e-12)
    np.testing.assert_allclose(
        *(jax.grad(g.generator_loss, 1)(r, f) for g in (game, gan.minimax)), rtol=1e-12
    )


@given(st.floats(1e-6, 10), st.floats(1e-6, 10))
def test_statement_s06_the_optimal_discriminator_is_a_maximum_and_ascent_reaches_it(a, b):
    with jax.enable_x64(True):
        value = lambda logit: a * jax.nn.log_sigmoid(logit) + b * jax.nn.log_sigmoid(-logit)
        best = gan.optimal_logit(jnp.log(jnp.array(a)), jnp.log(jnp.array(b)))
        np.testing.assert_allclose(jax.nn.sigmoid(best), a / (a + b), rtol=1e-12)
        np.testing.assert_allclose(jax.grad(value)(best), 0, atol=1e-12)
        curvature = jax.grad(jax.grad(value))(best)
        assert curvature < 0
        np.testing.assert_allclose(curvature, -a * b / (a + b), rtol=1e-9)
        # Of the value as a function of D itself: −a/D² − b/(1 − D)².
        of_d = lambda d: a * jnp.log(d) + b * jnp.log1p(-d)
        assert jax.grad(jax.grad(of_d))(jax.nn.sigmoid(best)) < 0


def test_gradient_ascent_on_logits_reaches_the_optimal_discriminator(x64):
    """On the points of two Gaussians, whose log-densities differ by a line."""
    x = jnp.linspace(-3.0, 3.0, 13)
    log_p = jax.vmap(lambda x: normal_log_prob(x, jnp.array(0.5), jnp.array(0.0)))(x)
    log_q = jax.vmap(lambda x: normal_log_prob(x, jnp.array(-0.5), jnp.array(0.0)))(x)
    p, q = jnp.exp(log_p), jnp.exp(log_q)

    def value(logits):
        real = jax.vmap(gan.minimax_value)(logits, jnp.zeros_like(logits)) + jnp.log(2.0)
        fake = jax.vmap(gan.minimax_value)(jnp.zeros_like(logits), logits) + jnp.log(2.0)
        return jnp.sum(p * real + q * fake)

    # Steps of the inverse curvature at the start, for each point.
    rate = 4 / (p + q)
    logits = jax.lax.fori_loop(
        0, 2000, lambda i, logits: logits + rate * jax.grad(value)(logits), jnp.zeros_like(x)
    )
    np.testing.assert_allclose(logits, gan.optimal_logit(log_p, log_q), atol=1e-9)
    np.testing.assert_allclose(logits, x, atol=1e-9)


def test_statement_s07_the_value_at_the_optimum():
    p = jnp.array(P, jnp.float32)
    for q, value in ((Q, -1.0934007), ([0.12, 0.18, 0.38, 0.22, 0.10], -1.3841246), (P, -1.3862944)):
        q = jnp.array(q, jnp.float32)
        np.testing.assert_allclose(gan.value_at_optimum(p, q), value, atol=1e-6)
        best = gan.optimal_logit(jnp.log(p), jnp.log(q))
        real, fake = jax.nn.log_sigmoid(best), jax.nn.log_sigmoid(-best)
        np.testing.assert_allclose(jnp.sum(p * real + q * fake), value, atol=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=6))
def test_the_value_at_the_optimum_lies_between_minus_log_4_and_0(pairs):
    p, q = (np.array(column) + 1e-3 for column in zip(*pairs, strict=True))
    with jax.enable_x64(True):
        value = gan.value_at_optimum(jnp.asarray(p / p.sum()), jnp.asarray(q / q.sum()))
        assert -np.log(4) <= value <= 1e-12
