"""Annealed importance sampling: unbiased weights, bounds on their sides, errors that mean what they say."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.energy import bracket_warnings
from genjax.energy import (
    AnnealedRun,
    Bracket,
    LogPartition,
    annealed_bracket,
    annealed_importance_sampling,
    geometric_path,
    metropolis_langevin,
)
from genjax.oracles import EnumerableEnergy

MEAN, STD = 1.0, 2.0  # of the model N(μ, σ²); the base is N(0, 1)
LOG_Z = 0.5 * np.log(2 * np.pi) + np.log(STD)
BASE_LOG_Z = 0.5 * np.log(2 * np.pi)
path = geometric_path(lambda x: x**2 / 2, lambda x: ((x - MEAN) / STD) ** 2 / 2)


def exact_move(key, x, beta):
    """A fresh draw of p_β, a Gaussian of precision 1 − β + β/σ²: the best transition there is."""
    precision = 1 - beta + beta / STD**2
    return beta * MEAN / STD**2 / precision + jax.random.normal(key) / jnp.sqrt(precision)


def langevin_move(key, x, beta):
    return metropolis_langevin(key, lambda x: path(x, beta), x, step_size=0.7).x


def brackets(num_seeds, num_chains, num_betas, move=exact_move):
    def one(key):
        key_base, key_model, key_run = jax.random.split(key, 3)
        x_base = jax.random.normal(key_base, (num_chains,))
        x_model = MEAN + STD * jax.random.normal(key_model, (num_chains,))
        betas = jnp.linspace(0.0, 1.0, num_betas)
        return annealed_bracket(key_run, path, move, x_base, x_model, betas, base_log_z=BASE_LOG_Z)

    return jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), num_seeds))


def z_score(values, truth):
    return (np.mean(values) - truth) / (np.std(values, ddof=1) / np.sqrt(len(values)))


def test_one_step_is_plain_importance_sampling():
    x = jnp.linspace(-2.0, 3.0, 7)
    run = annealed_importance_sampling(jax.random.key(0), path, exact_move, x, jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(run.log_weights, x**2 / 2 - ((x - MEAN) / STD) ** 2 / 2, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("move", [exact_move, langevin_move])
def test_weights_are_unbiased_both_ways(move):
    # With three temperatures only, so that a chain is far from equilibrium: unbiasedness does not need it.
    n, betas = 40_000, jnp.array([0.0, 0.5, 1.0])
    key_x, key_forward, key_reverse = jax.random.split(jax.random.key(1), 3)
    noise = jax.random.normal(key_x, (n,))
    forward = annealed_importance_sampling(key_forward, path, move, noise, betas)
    assert abs(z_score(np.exp(forward.log_weights), STD)) < 4
    # Reversed it runs from the wide density to the narrow one, whose weights are bounded.
    reverse = annealed_importance_sampling(key_reverse, path, move, MEAN + STD * noise, betas[::-1])
    assert abs(z_score(np.exp(reverse.log_weights), 1 / STD)) < 4


def test_weights_are_unbiased_on_an_enumerable_model():
    couplings = jnp.array([[0.0, 1.5, -1.0], [0.0, 0.0, 0.8], [0.0, 0.0, 0.0]])
    spins = lambda x: 2 * x.astype(jnp.float32) - 1
    energy = lambda x: -spins(x) @ couplings @ spins(x) + 0.3 * spins(x)[0]
    model = EnumerableEnergy.tabulate(energy, (2, 2, 2))
    enumerable_path = geometric_path(lambda x: jnp.zeros(()), energy)

    def flip(key, x, beta):
        key_site, key_accept = jax.random.split(key)
        site = jax.random.randint(key_site, (), 0, 3)
        y = x.at[site].set(1 - x[site])
        change = enumerable_path(y, beta) - enumerable_path(x, beta)
        return jnp.where(jnp.log(jax.random.uniform(key_accept)) < -change, y, x)

    n, betas = 20_000, jnp.linspace(0.0, 1.0, 6)
    log_z0 = 3 * np.log(2)
    x_base = jax.random.randint(jax.random.key(0), (n, 3), 0, 2)
    forward = annealed_importance_sampling(jax.random.key(1), enumerable_path, flip, x_base, betas)
    assert abs(z_score(np.exp(forward.log_weights + log_z0), np.exp(model.log_partition().log_z))) < 4
    x_model = model.sample(jax.random.key(2), n)
    reverse = annealed_importance_sampling(jax.random.key(3), enumerable_path, flip, x_model, betas[::-1])
    assert abs(z_score(np.exp(reverse.log_weights - log_z0), np.exp(-model.log_partition().log_z))) < 4
    # The weighted ends of the chains follow the model.
    weights = jax.nn.softmax(forward.log_weights)
    np.testing.assert_allclose(weights @ forward.x.astype(jnp.float32), model.moments()[0], atol=0.03)


def test_the_runs_bound_log_z_on_their_sides_and_close_as_the_temperatures_grow():
    gaps = []
    for num_betas in (4, 16, 64):
        ends = brackets(1000, 1, num_betas)  # one chain: the bias is largest
        assert z_score(ends.lower.log_z, LOG_Z) < 3
        assert z_score(ends.upper.log_z, LOG_Z) > -3
        gaps.append(float(jnp.mean(ends.gap)))
        if num_betas == 4:  # the bias is there to see, on the right side
            assert z_score(ends.lower.log_z, LOG_Z) < -4
            assert z_score(ends.upper.log_z, LOG_Z) > 4
    # Independent draws at each of K temperatures leave weights of variance O(1/K), and a gap in proportion.
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


def test_the_standard_error_is_the_spread_over_seeds():
    ends = brackets(600, 100, 8)
    for value, error in ends:
        np.testing.assert_allclose(jnp.mean(error), jnp.std(value), rtol=0.12)  # 4 / √(2 · 600)


def test_a_chain_that_leaves_the_support_has_weight_zero_and_keeps_it():
    half_line = geometric_path(lambda x: x**2 / 2, lambda x: jnp.where(x > 0, x**2 / 2, jnp.inf))
    move = lambda key, x, beta: jnp.where(beta > 0, jnp.abs(jax.random.normal(key)), x)
    x = jax.random.normal(jax.random.key(0), (4000,))
    run = annealed_importance_sampling(jax.random.key(1), half_line, move, x, jnp.linspace(0.0, 1.0, 5))
    np.testing.assert_array_equal(jnp.isneginf(run.log_weights), x < 0)
    log_z, error = run.log_partition(base_log_z=BASE_LOG_Z)
    assert abs(log_z - (BASE_LOG_Z + np.log(0.5))) < 4 * error
    np.testing.assert_allclose(run.effective_sample_size, jnp.sum(x > 0), rtol=1e-4)


def narrow(num_seeds, num_chains, num_betas, move):
    """Brackets of log Z of N(0, 0.1²) from N(0, 1), and its truth."""
    std = 0.1
    path = geometric_path(lambda x: x**2 / 2, lambda x: (x / std) ** 2 / 2)
    exact = lambda key, x, beta: jax.random.normal(key) / jnp.sqrt(1 - beta + beta / std**2)
    langevin = lambda key, x, beta: metropolis_langevin(key, lambda x: path(x, beta), x, step_size=0.01).x

    def one(key):
        key_base, key_model, key_run = jax.random.split(key, 3)
        x_base, x_model = (jax.random.normal(k, (num_chains,)) for k in (key_base, key_model))
        betas = jnp.linspace(0.0, 1.0, num_betas)
        transition = exact if move == "exact" else langevin
        return annealed_bracket(
            key_run, path, transition, x_base, std * x_model, betas, base_log_z=BASE_LOG_Z
        )

    ends = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), num_seeds))
    return ends, BASE_LOG_Z + np.log(std)


@pytest.mark.slow
def test_a_bracket_whose_errors_are_too_small_says_so_and_one_that_mixes_does_not():
    n, seeds = 500, 40
    covers = lambda end, log_z: np.mean(abs(end.log_z - log_z) < 1.96 * end.error)
    ends, log_z = narrow(seeds, n, 20, "langevin")
    assert covers(ends.upper, log_z) < 0.5  # where it should be 0.95
    assert not ends.errors_hold(n).any()
    ends, log_z = narrow(seeds, n, 200, "exact")
    assert covers(ends.upper, log_z) > 0.85
    assert covers(ends.lower, log_z) > 0.85
    assert np.mean(ends.errors_hold(n)) > 0.9


def test_the_effective_share_is_that_of_the_weights():
    run = annealed_importance_sampling(
        jax.random.key(0),
        path,
        exact_move,
        jax.random.normal(jax.random.key(1), (50,)),
        jnp.array([0.0, 1.0]),
    )
    end = run.log_partition(base_log_z=0.0)
    exact = end._replace(error=jnp.zeros(()))
    for bracket in (Bracket(end, exact), Bracket(exact, end)):
        np.testing.assert_allclose(bracket.effective_share(50), run.effective_sample_size / 50, rtol=1e-5)
    assert Bracket(exact, exact).errors_hold(50)
    nan = end._replace(error=jnp.array(jnp.nan))
    assert not Bracket(nan, exact).errors_hold(50)  # what is not known is not vouched for


def test_the_report_warns_of_brackets_by_what_they_say_and_by_what_is_known():
    end = lambda log_z, error: LogPartition(jnp.array(log_z), jnp.array(error))
    of = lambda lower, upper: bracket_warnings(jnp.zeros(2), Bracket(lower, upper), 500)
    sharp = end([-0.01, -0.01], [0.01, 0.01])
    assert of(sharp, end([0.01, 0.01], [0.01, 0.01])) == []
    for upper in (
        end([0.01, 0.5], [0.01, 0.01]),
        end([0.01, 0.1], [0.01, 0.15]),
    ):  # a gap; few chains that count
        (told,) = of(sharp, upper)
        assert "annealed chains of 1 of 2 seeds do not mix" in told
        assert "--temperatures" in told
    (told,) = of(sharp, end([-0.04, 0.01], [0.01, 0.01]))
    assert "misses log Z" in told


def test_equal_weights_are_all_effective_at_any_size():
    for log_w in (-1e4, 0.0, 7.0):
        run = AnnealedRun(jnp.full(3, log_w, jnp.float32), jnp.zeros(3))
        assert run.effective_sample_size == 3
