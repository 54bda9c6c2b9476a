"""What the scripts share: options to optimizer, all seeds of a model, the report's fixed entries."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from genjax.training import Options, make_optimizer, train_seeds
from genjax.training.report import CHECKLIST, Entry, write_report
from genjax.training.run import RunFolder

pytestmark = pytest.mark.usefixtures("standard_promotion")


@dataclass(frozen=True)
class Tiny(Options):
    steps: int = 6
    batch_size: int = 4
    seeds: int = 2
    validate_every: int = 2
    learning_rate: float = 0.1


DATA = jnp.arange(8.0)


def init(key):
    return jax.random.normal(key)


def loss(params, key, example):
    return (params - example) ** 2


def trained(tmp_path, **options):
    return train_seeds(RunFolder(tmp_path), Tiny(**options), init, loss, DATA, DATA)


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
    starts = jax.vmap(init)(jax.vmap(jax.random.split)(jax.random.split(jax.random.key(0), 2))[:, 0])
    # Data lie above the start and every step moves up, so the average lags behind.
    assert (plain.params > averaged.params).all()
    assert (averaged.params > starts).all()


def test_seeds_resume_where_they_stopped(tmp_path):
    whole = trained(tmp_path / "whole")
    folder = tmp_path / "cut"
    trained(folder)
    run, config = RunFolder(folder), replace(Tiny(), resume=True)
    again = train_seeds(run, config, init, loss, DATA, DATA)
    np.testing.assert_array_equal(again.params, whole.params)
    assert again.steps_per_second == 0


def test_a_report_has_every_entry_of_the_checklist(tmp_path):
    entries = {heading: Entry(f"about {heading}") for heading in CHECKLIST}
    write_report(RunFolder(tmp_path), title="A run", entries=entries, figures={})
    page = (tmp_path / "report.html").read_text()
    places = [page.index(f"about {heading}") for heading in CHECKLIST]
    assert places == sorted(places)
    del entries["Cost"]
    with pytest.raises(ValueError, match=r"a report has the entries Objective, .*; got Objective, "):
        write_report(RunFolder(tmp_path), title="A run", entries=entries, figures={})
