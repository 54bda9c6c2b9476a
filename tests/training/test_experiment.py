"""A run from its options: their bounds, its keys, its optimizer, all seeds of a model."""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.data import Dataset, views
from genjax.faults import UsageError
from genjax.training import Model, Options, Run, make_optimizer, open_run
from genjax.training.options import Count, Positive, check_options
from genjax.training.run import RunFolder

pytestmark = pytest.mark.usefixtures("standard_promotion")


@dataclass(frozen=True)
class Tiny(Options):
    steps: Count = 6
    batch_size: Count = 4
    seeds: Count = 2
    validate_every: Count = 2
    learning_rate: Positive = 0.1
    sizes: tuple[Count, ...] = (1,)


DATA = Dataset("line", *[np.arange(8.0, dtype=np.float32)[:, None]] * 3)


def init(key, x):
    return jax.random.normal(key)


def loss(params, key, stored):
    return jnp.sum((params - stored) ** 2)


MODEL = Model("a point", views.points(DATA), init, lambda params, key: params[None], loss)


def trained(tmp_path, **options):
    return open_run("point", Tiny(out=tmp_path, **options), DATA).train(MODEL, DATA)


def test_an_accumulated_update_is_the_update_of_the_mean_gradient():
    single, double = (make_optimizer(Tiny(accumulate=n, steps=4 * n)) for n in (1, 2))
    gradients = jnp.array([1.0, -3.0, 2.0, 5.0])
    params = {"w": jnp.zeros(())}
    by_pairs, state = params, double.init(params)
    for g in gradients:
        updates, state = double.update({"w": g}, state, by_pairs)
        by_pairs = optax.apply_updates(by_pairs, updates)
    at_once, state = params, single.init(params)
    for g in gradients.reshape(2, 2).mean(1):
        updates, state = single.update({"w": g}, state, at_once)
        at_once = optax.apply_updates(at_once, updates)
    np.testing.assert_allclose(by_pairs["w"], at_once["w"], rtol=1e-6)


def test_the_moving_average_is_what_is_selected(tmp_path):
    plain = trained(tmp_path / "plain")
    averaged = trained(tmp_path / "averaged", ema=0.9)
    keys = Run(RunFolder(tmp_path), Tiny()).keys
    starts = jax.vmap(init, (0, None))(jax.vmap(jax.random.split)(keys.init)[:, 0], None)
    # Data lie above the start and every step moves up, so the average lags behind.
    assert (plain.params > averaged.params).all()
    assert (averaged.params > starts).all()


def test_seeds_resume_where_they_stopped(tmp_path):
    whole = trained(tmp_path / "whole")
    trained(tmp_path / "cut")
    again = trained(tmp_path / "cut", resume=True)
    np.testing.assert_array_equal(again.params, whole.params)
    assert again.steps_per_second == 0


def test_a_start_from_data_sees_training_examples(tmp_path):
    from_data = replace(MODEL, init=lambda key, x: jnp.max(x))
    run = open_run("point", Tiny(out=tmp_path, learning_rate=1e-30), DATA)
    np.testing.assert_allclose(run.train(from_data, DATA).params, 7.0)


def test_every_purpose_has_its_own_key():
    keys = Run(RunFolder(Path()), Tiny(seeds=3)).keys
    data = [tuple(row.tolist()) for key in keys for row in np.reshape(jax.random.key_data(key), (-1, 2))]
    assert len(set(data)) == len(data) == 3 + 3 + 3
    other = Run(RunFolder(Path()), Tiny(seed=1)).keys
    assert (jax.random.key_data(other.init[0]) != jax.random.key_data(keys.init[0])).any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 0}, "--steps must be at least 1"),
        ({"steps": 2**31}, "--steps must be at least 1 and at most"),
        (
            {"learning_rate": float("nan")},
            "--learning-rate must be at least 1e-37 and at most 1e\\+37; got nan",
        ),
        ({"learning_rate": float("inf")}, "--learning-rate must be at least 1e-37 .*; got inf"),
        ({"learning_rate": 1e39}, "--learning-rate must be .*; got 1e\\+39"),
        ({"clip": 1e-50}, "--clip must be at least 1e-37 .*; got 1e-50"),
        ({"ema": 1.0}, "--ema must be at least 0 and below 1; got 1.0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"seed": 2**32}, "--seed must be at least 0"),
        ({"patience": 0}, "--patience must be at least 1"),
        ({"weight_decay": -0.1}, "--weight-decay must be at least 0"),
        ({"accumulate": 7}, "--accumulate must be at most --steps, or no update is made; got 7 and 6"),
        ({"sizes": (3, 0)}, "--sizes must be at least 1"),
    ],
)
def test_options_out_of_range_are_named(changed, message):
    with pytest.raises(UsageError, match=message):
        check_options(Tiny(**changed))
    check_options(Tiny())
