"""Two players in one step: who moves what, on which data, and that a game trains and resumes as one player does."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax import expectation, gan
from genjax.training import Player, TrainState, fit, make_game_step, make_step, with_ema, with_snapshots
from genjax.training.lazily import lazily

pytestmark = pytest.mark.usefixtures("standard_promotion")

DATA = jnp.asarray(np.random.default_rng(0).normal((1.0, -1.0), size=(60, 2)), jnp.float32)


def critic(params, x):
    return params["w"] @ jnp.tanh(params["v"] @ x)


def pair(role, params, key, x):
    """The loss of one player, of one real example and one generated one: shifted noise."""
    fake = params["generator"] + jax.random.normal(key, x.shape)
    logits = (critic(params["critic"], x), critic(params["critic"], fake))
    return getattr(gan.non_saturating, f"{role}_loss")(*logits)


def loss(role):
    return lambda params, key, batch: expectation(partial(pair, role, params))(key, batch)


def r1(params, key, batch):
    return 0.5 * jax.vmap(partial(gan.squared_gradient_norm, partial(critic, params["critic"])))(batch).mean()


def params(seed=0):
    k1, k2 = jax.random.split(jax.random.key(seed))
    net = {"w": jax.random.normal(k1, (8,)), "v": jax.random.normal(k2, (8, 2))}
    return {"critic": net, "generator": jnp.zeros(2)}


def players(**of_critic):
    return {
        "critic": Player(loss("discriminator"), optax.adam(1e-2, b1=0.5), **of_critic),
        "generator": Player(loss("generator"), optax.adam(3e-3, b1=0.5)),
    }


PLAIN = make_game_step(players())
LAZY = make_game_step(players(repeats=3, penalty=r1, penalty_every=4))


def run(game, state, num_steps, key=0):
    return fit(jax.random.key(key), game[1], state, DATA, num_steps=num_steps, batch_size=12)


def assert_same_bits(a, b):
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)


def test_each_player_moves_its_own_against_the_newest_others():
    """A step written out: the critic on its loss, then the generator against the critic that has moved."""
    state, key = PLAIN[0](params()), jax.random.key(7)
    batch = DATA[:12]
    moved, metrics = PLAIN[1](state, key, batch)
    expected = params()
    for number, (name, role, rate) in enumerate(
        (("critic", "discriminator", 1e-2), ("generator", "generator", 3e-3))
    ):
        key_loss = jax.random.split(jax.random.fold_in(key, number))[0]
        of = lambda own, all_params, name=name, role=role, k=key_loss: loss(role)(
            all_params | {name: own}, k, batch
        )
        value, gradient = jax.value_and_grad(of)(expected[name], expected)
        optimizer = optax.adam(rate, b1=0.5)
        updates, _ = optimizer.update(gradient, optimizer.init(expected[name]))
        expected = expected | {name: optax.apply_updates(expected[name], updates)}
        np.testing.assert_allclose(metrics[f"{name}_loss"], value, rtol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (moved.params, expected)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert int(moved.step) == 1
    norms = [metrics["critic_gradient_norm"], metrics["generator_gradient_norm"]]
    np.testing.assert_allclose(metrics["gradient_norm"], np.linalg.norm(norms), rtol=1e-6)
    assert metrics["loss"] == metrics["critic_loss"]


def test_moves_of_a_step_see_different_parts_of_the_batch():
    seen = lambda params, key, batch: (jnp.sum(params["a"] * batch), {"mean": jnp.mean(batch)})
    once = lambda params, key, batch: params["b"] * jnp.mean(batch)
    still = {"a": Player(seen, optax.sgd(1.0), repeats=3), "b": Player(once, optax.sgd(1.0))}
    init, step = make_game_step(still)
    state, metrics = step(init({"a": jnp.zeros(()), "b": jnp.zeros(())}), jax.random.key(0), jnp.arange(6.0))
    np.testing.assert_allclose(state.params["a"], -15.0)  # −(0 + 1) − (2 + 3) − (4 + 5)
    np.testing.assert_allclose(state.params["b"], -0.5)  # one move, on the first part
    np.testing.assert_allclose(metrics["a_mean"], 4.5)  # of the last move
    with pytest.raises(ValueError, match=r"equal parts.* 3 moves of a step; got 7 examples"):
        step(state, jax.random.key(0), jnp.arange(7.0))


@pytest.mark.parametrize("game", [PLAIN, pytest.param(LAZY, marks=pytest.mark.slow)], ids=["plain", "lazy"])
@pytest.mark.parametrize("split", [1, 6])
def test_a_game_in_pieces_is_the_game_in_one(game, split):
    whole, _ = run(game, game[0](params()), 12)
    first, _ = run(game, game[0](params()), split)
    second, _ = run(game, first, 12 - split)
    assert_same_bits(second, whole)


def test_seeds_side_by_side_are_the_seeds_alone():
    states = [LAZY[0](params(seed)) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    keys = jax.random.split(jax.random.key(1), 3)
    together, metrics = jax.vmap(lambda key, s: fit(key, LAZY[1], s, DATA, num_steps=9, batch_size=12))(
        keys, stacked
    )
    alone, of_one = fit(keys[2], LAZY[1], states[2], DATA, num_steps=9, batch_size=12)
    for a, b in zip(*map(jax.tree.leaves, (together.params, alone.params)), strict=True):
        np.testing.assert_allclose(a[2], b, rtol=1e-4, atol=1e-6)
    used = np.asarray(of_one["critic_penalty"]) > 0
    np.testing.assert_array_equal(used, np.arange(9) % 4 == 0)
    np.testing.assert_allclose(metrics["critic_penalty"][2], of_one["critic_penalty"], rtol=1e-4)


def test_a_penalty_at_every_step_is_a_term_of_the_loss():
    free = lambda params, key, batch: 0.0 * jnp.sum(params["critic"]["w"])
    game = make_game_step({"critic": Player(free, optax.sgd(0.1), penalty=r1)})
    whole = make_step(lambda own, key, batch: r1({"critic": own}, key, batch), optax.sgd(0.1))
    start = params()["critic"]
    a, metrics = game[1](game[0]({"critic": start}), jax.random.key(0), DATA[:12])
    b, expected = whole[1](whole[0](start), jax.random.key(0), DATA[:12])
    for x, y in zip(*map(jax.tree.leaves, (a.params["critic"], b.params)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(metrics["loss"], expected["loss"], rtol=1e-6)
    np.testing.assert_allclose(metrics["critic_penalty"], expected["loss"], rtol=1e-6)


def test_a_lazy_penalty_counts_for_the_steps_between():
    penalties = []
    for every in (1, 4):
        game = make_game_step(players(penalty=r1, penalty_every=every))
        _, metrics = game[1](game[0](params()), jax.random.key(0), DATA[:12])
        penalties.append(metrics["critic_penalty"])
    np.testing.assert_allclose(penalties[1], 4 * penalties[0], rtol=1e-6)


def test_seeds_that_are_not_due_get_zeros_though_others_are():
    due, x = jnp.array([True, False, True]), jnp.arange(3.0)
    np.testing.assert_allclose(
        jax.vmap(lambda d, x: lazily(jnp.exp, d, x))(due, x), jnp.exp(x) * due, rtol=1e-6
    )


def test_a_lazy_penalty_costs_nothing_between_its_uses_of_all_seeds():
    """The program's branch is a condition on one number and not a choice between two results."""
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), LAZY[0](params()))
    keys = jax.random.split(jax.random.key(0), 2)
    batch = jnp.stack([DATA[:12]] * 2)
    jaxpr = str(jax.make_jaxpr(jax.vmap(LAZY[1]))(stacked, keys, batch))
    assert jaxpr.count("cond[") == 3  # one for each move of the critic


def test_the_average_is_of_every_player_and_starts_at_the_initial_parameters():
    init, step = with_ema(*PLAIN, 0.5)
    state = init(params())
    moved, _ = step(state, jax.random.key(0), DATA[:12])
    for start, new, mean in zip(
        *map(jax.tree.leaves, (params(), moved.inner.params, moved.params)), strict=True
    ):
        np.testing.assert_allclose(mean, (start + new) / 2, rtol=1e-6)


@pytest.mark.slow
def test_snapshots_are_of_the_parameters_at_their_steps_and_change_nothing_else():
    draw = lambda params: params["generator"]
    game = with_snapshots(*PLAIN, draw, every=4, num=2)
    whole, _ = run(game, game[0](params()), 13)
    plain, _ = run(PLAIN, PLAIN[0](params()), 13)
    assert_same_bits(whole.inner, plain)
    for place, steps in enumerate((4, 8)):
        at, _ = run(PLAIN, PLAIN[0](params()), steps)
        np.testing.assert_allclose(whole.taken[place], at.params["generator"], rtol=1e-6)
    first, _ = run(game, game[0](params()), 6)
    second, _ = run(game, first, 7)
    assert_same_bits(second, whole)
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), game[0](params()))
    keys = jnp.stack([jax.random.key(0)] * 2)
    both, _ = jax.vmap(lambda k, s: fit(k, game[1], s, DATA, num_steps=5, batch_size=12))(keys, stacked)
    np.testing.assert_allclose(both.taken[1, 0], whole.taken[0], rtol=1e-4)


@pytest.mark.slow
def test_a_generator_finds_the_mean_of_the_data():
    game = make_game_step(players(penalty=r1, penalty_every=2))
    state, _ = run(game, game[0](params()), 3000)
    np.testing.assert_allclose(state.params["generator"], DATA.mean(0), atol=0.15)


def test_faults_of_a_game_are_named():
    with pytest.raises(ValueError, match="at least one player; got none"):
        make_game_step({})
    with pytest.raises(ValueError, match=r"critic\.repeats must be at least 1; got 0"):
        make_game_step({"critic": Player(loss("discriminator"), optax.sgd(1.0), repeats=0)})
    assert isinstance(PLAIN[0](params()).players["critic"], TrainState)
