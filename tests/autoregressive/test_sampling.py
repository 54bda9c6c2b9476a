"""Samples against the table's probabilities; temperature, completion, and the cache."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import genjax
from genjax.autoregressive import cached_sample, log_prob, negative_log_likelihood, sample
from genjax.nn import CausalTransformer, functional

from .models import KEY, random_table, transformer

TABLE = random_table(4)
KEYS = jax.random.split(jax.random.key(1), 20_000)


def frequencies(draws):
    counts = np.zeros((3, 3, 3))
    np.add.at(counts, tuple(np.asarray(draws).T), 1)
    return counts / len(draws)


def assert_frequencies(draws, p):
    assert (np.abs(frequencies(draws) - p) <= 4 * np.sqrt(p * (1 - p) / len(draws))).all()


def test_samples_have_the_tables_frequencies():
    draws = jax.jit(jax.vmap(lambda key: sample(key, TABLE.logits_fn, 3)))(KEYS)
    assert_frequencies(draws, np.exp(TABLE.log_probs()))


def test_completions_have_the_conditional_frequencies():
    prefix = jnp.array([2])
    draws = jax.jit(jax.vmap(lambda key: sample(key, TABLE.logits_fn, 3, prefix=prefix)))(KEYS)
    p = np.exp(TABLE.log_probs())
    conditional = np.zeros_like(p)
    conditional[2] = p[2] / p[2].sum()
    assert_frequencies(draws, conditional)


def test_a_prefix_of_a_sample_is_completed_to_that_sample_by_its_key():
    params, apply, step, cache = transformer()
    logits_fn = partial(apply, params)
    whole = sample(KEY, logits_fn, 5)
    for m in (2, 5):
        np.testing.assert_array_equal(sample(KEY, logits_fn, 5, prefix=whole[:m]), whole)
        completed = cached_sample(KEY, partial(step, params), cache, 5, prefix=whole[:m].astype(jnp.uint8))
        np.testing.assert_array_equal(completed, whole)
    other = (whole[:2] + 1) % 3
    np.testing.assert_array_equal(sample(KEY, logits_fn, 5, prefix=other)[:2], other)


def test_temperature_divides_the_logits():
    tempered = jax.tree.map(lambda a: a / 0.5, TABLE)
    draw = lambda table, **options: jax.jit(jax.vmap(lambda key: sample(key, table.logits_fn, 3, **options)))(
        KEYS[:500]
    )
    np.testing.assert_array_equal(draw(TABLE, temperature=0.5), draw(tempered))
    np.testing.assert_array_equal(draw(TABLE, temperature=1.0), draw(TABLE))
    assert (draw(TABLE, temperature=jnp.array(2.0)) != draw(TABLE)).any()


def test_the_limit_at_temperature_zero_is_the_most_probable_level_each_time():
    greedy = []
    for table in TABLE.logits:
        greedy.append(int(jnp.argmax(table[tuple(greedy)])))
    for temperature in (1e-3, 1e-30):
        draw = lambda key, t=temperature: sample(key, TABLE.logits_fn, 3, temperature=t)
        draws = jax.jit(jax.vmap(draw))(KEYS[:50])
        np.testing.assert_array_equal(draws, jnp.tile(jnp.array(greedy), (50, 1)))


@pytest.mark.parametrize("num_classes", [None, 2])
def test_cached_steps_give_the_rows_of_the_whole_network(num_classes):
    params, apply, step, cache = transformer(num_classes=num_classes)
    label = () if num_classes is None else (jnp.array(1),)
    x = jnp.array([2, 0, 1, 1, 0])
    tokens = jnp.append(0, x[:-1])
    advance = lambda cache, at: step(params, cache, *at, *label)
    _, rows = jax.jit(lambda cache: jax.lax.scan(advance, cache, (tokens, jnp.arange(5))))(cache)
    np.testing.assert_allclose(rows, apply(params, x, *label), rtol=1e-4, atol=1e-5)
    ignored = step(params, cache, jnp.array(2), jnp.array(0), *label)[1]
    np.testing.assert_array_equal(ignored, step(params, cache, jnp.array(0), jnp.array(0), *label)[1])


def test_cached_draws_are_the_uncached_draws():
    params, apply, step, cache = transformer()
    whole = jax.jit(jax.vmap(lambda key: sample(key, partial(apply, params), 5, temperature=0.8)))(KEYS[:200])
    cached = jax.jit(
        jax.vmap(lambda key: cached_sample(key, partial(step, params), cache, 5, temperature=0.8))
    )(KEYS[:200])
    np.testing.assert_array_equal(cached, whole)
    assert len(np.unique(whole, axis=0)) > 50


@pytest.mark.slow
@pytest.mark.parametrize("length", [16, 64])
def test_a_token_costs_one_position_and_not_the_sequence(length):
    """A cached step costs the n-th part of the whole network's call, within a tenth: nothing is computed twice."""
    params, apply, step, cache = transformer(length)
    zero = jnp.array(0)
    flops = lambda fn, *args: jax.jit(fn).lower(*args).compile().cost_analysis()["flops"]
    whole = flops(apply, params, jnp.zeros(length, int))
    np.testing.assert_allclose(flops(step, params, cache, zero, zero), whole / length, rtol=0.1)


def test_faults_of_value_raise_eagerly_and_leave_minus_one_under_jit():
    flat = lambda x: jnp.zeros((2, 3))
    broken = lambda x: jnp.zeros((2, 3)).at[1, 0].set(jnp.nan)
    faults = {
        "temperature must be positive; got 0.0": lambda t, p: sample(KEY, flat, 2, temperature=t * 0),
        "temperature must be positive; got -1.0": lambda t, p: sample(KEY, flat, 2, temperature=-t),
        r"prefix must lie in 0..2; got 3 at flat position 0": lambda t, p: sample(KEY, flat, 2, prefix=p),
        "levels drawn must come from logits that are not NaN": lambda t, p: sample(KEY, broken, 2),
    }
    arguments = (jnp.array(1.0), jnp.array([3]))
    for message, call in faults.items():
        with pytest.raises(ValueError, match=message):
            call(*arguments)
        with pytest.raises(ValueError, match=message):
            genjax.checked(call)(*arguments)
        drawn = jax.jit(call)(*arguments)
        assert (drawn == -1).any()
        assert jnp.isnan(jax.jit(partial(log_prob, flat))(drawn))  # a level that no likelihood accepts


def test_levels_that_are_ruled_out_are_never_drawn():
    logits_fn = lambda x: jnp.array([[0.0, -jnp.inf, 0.0]] * 3)
    for temperature in (0.1, 1.0, 10.0):
        draw = lambda key, t=temperature: sample(key, logits_fn, 3, temperature=t)
        draws = jax.jit(jax.vmap(draw))(KEYS[:100])
        assert set(np.unique(draws)) == {0, 2}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("prefix", [None, jnp.zeros(7, int)])
def test_a_sequence_longer_than_the_cache_is_refused(compiled, prefix):
    build = lambda rngs: CausalTransformer(5, 3, width=4, num_layers=1, num_heads=1, rngs=rngs)
    init, _ = functional(build)
    _, step = functional(build, method=CausalTransformer.step)
    _, empty_cache = functional(build, method=CausalTransformer.empty_cache)
    params = init(KEY)

    def draw(length):
        kept = None if prefix is None else prefix[: length - 1]
        run = lambda key: cached_sample(key, partial(step, params), empty_cache(params), length, prefix=kept)
        return (jax.jit(run) if compiled else run)(KEY)

    assert draw(5).shape == (5,)
    with pytest.raises(ValueError, match="the cache holds a sequence of 5; got position 7, counted from 0"):
        draw(8)


@pytest.mark.parametrize("score", [log_prob, negative_log_likelihood])
def test_an_empty_sequence_is_refused(score):
    with pytest.raises(ValueError, match=r"x must hold at least one level; got shape \(0,\)"):
        score(lambda x: jnp.zeros((0, 3)), jnp.zeros(0, int))
