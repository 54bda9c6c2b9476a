"""The game that can be solved: its optimum, and whether gradient play converges or cycles as the theory says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import gan
from genjax.oracles import DiscreteGan

P = np.array([0.1, 0.2, 0.4, 0.2, 0.1])
Q = np.array([0.5, 0.1, 0.1, 0.1, 0.2])
CURVED = {
    "minimax": gan.minimax,
    "non_saturating": gan.non_saturating,
    "least_squares": gan.least_squares,
    "relativistic": gan.relativistic,
    "kl": gan.f_gan(gan.kl),
    "reverse_kl": gan.f_gan(gan.reverse_kl),
}
STRAIGHT = {"wasserstein": gan.wasserstein, "hinge": gan.hinge}


def equilibrium(name):
    """A table of equal logits, and the model that is the data."""
    return jnp.full(5, 0.5 if name == "least_squares" else 0.0), jnp.log(P)


def spectrum(name, game):
    velocity = lambda flat: jnp.concatenate(DiscreteGan(jnp.asarray(P)).velocity(game, flat[:5], flat[5:]))
    jacobian = jax.jacobian(velocity)(jnp.concatenate(equilibrium(name)))
    return np.linalg.eigvals(np.asarray(jacobian))


@pytest.mark.parametrize("name", [*CURVED, *STRAIGHT])
def test_nobody_moves_at_the_equilibrium(name, x64):
    game = (CURVED | STRAIGHT)[name]
    d, g = DiscreteGan(jnp.asarray(P)).velocity(game, *equilibrium(name))
    np.testing.assert_allclose(np.concatenate([d, g]), 0, atol=1e-12)


def test_the_best_discriminator_is_the_optimal_logit_and_its_value_is_that_of_js(x64):
    oracle = DiscreteGan(jnp.asarray(P))
    q = jnp.asarray(Q)
    best = oracle.optimal_logits(q)
    for name in ("minimax", "non_saturating", "kl", "reverse_kl"):
        loss = lambda logits, name=name: oracle.losses(CURVED[name], logits, q).discriminator
        np.testing.assert_allclose(jax.grad(loss)(best), 0, atol=1e-12)
        assert (np.linalg.eigvalsh(jax.hessian(loss)(best)) > 0).all()
    np.testing.assert_allclose(
        -oracle.losses(gan.minimax, best, q).discriminator, oracle.value_at_optimum(q), rtol=1e-12
    )
    np.testing.assert_allclose(oracle.value_at_optimum(q), -1.0934007, atol=1e-6)
    # Against its best answer the generator's descent leads to the data: the least value is −log 4.
    cost = lambda theta: oracle.value_at_optimum(jax.nn.softmax(theta))
    theta = jax.lax.fori_loop(0, 3000, lambda i, t: t - 4 * jax.grad(cost)(t), jnp.log(q))
    np.testing.assert_allclose(jax.nn.softmax(theta), P, atol=1e-6)
    np.testing.assert_allclose(cost(theta), -np.log(4), atol=1e-10)


@pytest.mark.parametrize("name", sorted(CURVED))
def test_a_curved_game_spirals_in(name, x64):
    """The discriminator's loss is strictly convex at the equilibrium (Nagarajan and Kolter, 2017).

    Constants added to a table change nothing: of θ always, of D where only differences count.
    """
    real = np.sort(spectrum(name, CURVED[name]).real)
    free = 2 if name == "relativistic" else 1
    assert (real[: 10 - free] < -1e-3).all()
    np.testing.assert_allclose(real[10 - free :], 0, atol=1e-9)


@pytest.mark.parametrize("name", sorted(STRAIGHT))
def test_a_straight_game_cycles(name, x64):
    """Its loss is linear in the logits at the equilibrium: nothing damps the turning."""
    values = spectrum(name, STRAIGHT[name])
    np.testing.assert_allclose(values.real, 0, atol=1e-9)
    assert (np.sort(np.abs(values.imag))[2:] > 0.05).all()


def orbit(name, game, num_steps, size):
    """How far play is from the equilibrium, after small steps of the classical Runge–Kutta rule from close to it."""
    oracle = DiscreteGan(jnp.asarray(P))
    start = equilibrium(name)
    nudge = 1e-3 * np.array([0.3, -0.5, 0.1, 0.4, -0.3])
    field = lambda state: oracle.velocity(game, *state)
    move = lambda state, by, k: jax.tree.map(lambda s, v: s + by * v, state, k)

    def step(state, _):
        k1 = field(state)
        k2 = field(move(state, size / 2, k1))
        k3 = field(move(state, size / 2, k2))
        k4 = field(move(state, size, k3))
        total = jax.tree.map(lambda a, b, c, d: (a + 2 * b + 2 * c + d) / 6, k1, k2, k3, k4)
        state = move(state, size, total)
        return state, jnp.sum((jax.nn.softmax(state[1]) - P) ** 2) + jnp.sum((state[0] - start[0]) ** 2)

    return jax.lax.scan(step, (start[0] + nudge, start[1]), None, num_steps)[1]


def test_play_follows_its_spectrum(x64):
    curved = orbit("non_saturating", gan.non_saturating, 3000, 0.5)
    assert curved[-1] < 1e-6 * curved[0]
    straight = orbit("wasserstein", gan.wasserstein, 3000, 0.5)
    turns = straight[-1000:]
    assert turns.max() > 0.5 * straight[:1000].max()  # as far out as before, turn after turn


@pytest.mark.parametrize("weight", [0.0, 0.3, 3.0])
def test_a_penalty_on_the_slope_damps_the_game_of_two_points(weight, x64):
    """The Dirac-GAN of Mescheder et al. (2018): data at 0, a model at θ, a critic ψ x.

    Play turns with ±i/2 and stays out; with R1 the eigenvalues are −γ/2 ± √(γ²/4 − 1/4), γ ‖∇c‖²/2 at the data.
    """

    def velocity(state):
        def discriminator(psi):
            critic = lambda x: psi * x
            loss = gan.non_saturating.discriminator_loss(critic(0.0 * psi), critic(state[1]))
            return loss + weight / 2 * gan.squared_gradient_norm(critic, jnp.zeros(()))

        generator = lambda theta: gan.non_saturating.generator_loss(jnp.zeros(()), state[0] * theta)
        return -jnp.stack([jax.grad(discriminator)(state[0]), jax.grad(generator)(state[1])])

    values = np.sort_complex(np.linalg.eigvals(np.asarray(jax.jacobian(velocity)(jnp.zeros(2)))))
    root = np.sqrt(complex(weight**2 / 4 - 0.25))
    np.testing.assert_allclose(values, np.sort_complex([-weight / 2 - root, -weight / 2 + root]), atol=1e-9)
