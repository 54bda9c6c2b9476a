"""Measure a trained model on test data: one way for every family, so that the same name means the same number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from genjax.data.dataset import Dataset, evenly_spaced
from genjax.likelihood import Kind, Likelihood, bits_per_dim
from genjax.report.samples import compare, draw
from genjax.report.summary import Quantity, Section, Summary, quantity, spread_in_words
from genjax.training.evaluate import map_examples, map_seeds
from genjax.training.experiment import Run, Trained, examples
from genjax.training.model import LogProb, Model

__all__ = ["Measured", "likelihood_rows", "measure", "summarize"]

NUM_REAL = 2000
"""Test examples that samples are compared with: nearest neighbours compare all pairs."""


class Measured(NamedTuple):
    """What was measured of a model.

    Args:
        log_probs: name to nats of every seed and test example, `[s, n]` (or more axes).
        samples: of every seed, as the model makes them, `[s, m, *view.shape]`.
        real: test examples as pictures and metrics see them, `[k, d]`.
        train: training examples, as many as samples are compared, `[m, d]`.
        sections: of the checklist: likelihood, quality, diversity, cost.
        warnings: what the numbers say went wrong.
    """

    log_probs: Mapping[str, Array]
    samples: Array
    real: Float[Array, "k d"]
    train: Float[Array, "m d"]
    sections: Mapping[str, Section]
    warnings: Sequence[str]


def measure(
    model: Model, trained: Trained, data: Dataset, key: PRNGKeyArray, *, num_samples: int
) -> Measured:
    """Measure likelihood, quality, diversity and cost on test data, of every seed.

    Args:
        model: what was trained.
        trained: its parameters.
        data: the data set.
        key: one key.
        num_samples: samples per seed.

    Returns:
        `Measured`.
    """
    view = model.view
    key_test, key_sample, key_real, key_train, key_calls = jax.random.split(key, 5)
    log_probs, rows = {}, {}
    for i, (name, log_prob) in enumerate(model.log_probs.items()):
        print(f"measuring {name} of {_num_test(log_prob, data)} test examples", flush=True)
        nats = _log_probs(model, log_prob, trained, data, jax.random.fold_in(key_test, i))
        several = nats if isinstance(nats, dict) else {name: nats}
        log_probs |= several
        for each, nats in several.items():
            if nats.ndim == 2:
                rows |= likelihood_rows(each, nats, log_prob.kind, view.of, view.shape, view.num_levels)

    print(f"drawing {num_samples} samples per seed", flush=True)
    samples, seconds = draw(model, trained.params, key_sample, num_samples)
    show = lambda key, part, n: _shown(model, key, evenly_spaced(part, n))
    real = show(key_real, data.test, NUM_REAL)
    # Samples and training data are compared with test data at equal numbers.
    m = min(num_samples, len(real), len(data.train))
    train = show(key_train, data.train, m)
    fake = jax.vmap(jax.vmap(view.show))(samples[:, :m])
    quality, diversity, warnings = compare(fake, real, train, of=view.of, what=model.samples)
    sections = {
        "Likelihood": Section(_likelihood_text(model), rows),
        "Quality": quality,
        "Diversity and mode collapse": diversity,
        "Cost": _cost(model, trained, key_calls, seconds, num_samples),
    }
    return Measured(log_probs, samples, real, train, sections, warnings)


def summarize(
    run: Run,
    model: Model,
    trained: Trained,
    measured: Measured,
    *,
    objective: str,
    controls: str = "None: the model is unconditional.",
    timesteps: str = "Not applicable: this model has no timesteps.",
    rows: Mapping[str, Mapping[str, Quantity]] | None = None,
    warnings: Sequence[str] = (),
) -> Summary:
    """Put what was measured, and what a script adds, into one record.

    Args:
        run: the run.
        model: what was trained.
        trained: its parameters.
        measured: from `measure`.
        objective: what was minimised and what its value says.
        controls: what a user of the model can choose.
        timesteps: how the loss depends on the timestep.
        rows: heading to further rows, appended.
        warnings: further warnings.

    Returns:
        `Summary`.
    """
    seeds = len(trained.selected_step)
    sections = dict(measured.sections) | {
        "Objective": Section(
            f"{objective} Parameters were selected on validation data; every number is of test data. "
            f"{spread_in_words(seeds)}",
            {"selected step": quantity(trained.selected_step, note="of the best validation")},
        ),
        "Controls": Section(controls),
        "Timesteps": Section(timesteps),
    }
    for heading, more in (rows or {}).items():
        sections[heading] = Section(sections[heading].text, {**sections[heading].rows, **more})
    content = run.folder.read_config()
    provenance = content["provenance"] | {
        "run": content["id"],
        "config": content["config"] | {name: getattr(run.options, name) for name in run.options.measuring},
        "num_params": trained.num_params,
        "seeds": seeds,
    }
    told = (*_single_seed(seeds), *measured.warnings, *warnings)
    return Summary(content["family"], model.name, content["data"]["name"], sections, told, provenance)


def likelihood_rows(
    name: str,
    log_probs: Any,
    kind: Kind,
    of: str,
    shape: Sequence[int],
    num_levels: int | None,
) -> dict[str, Quantity]:
    """Rows of the negative log-likelihood in nats, and in bits per dimension where the data are discrete.

    Of dequantised pixels the nats are those of the grey levels, −log p(x) + d log K, and bound them from above.

    Args:
        name: of the log-likelihood, such as "log p(x)".
        log_probs: nats of every seed and test example, `[s, n]`.
        kind: of the log-likelihood.
        of: what it is a likelihood of.
        shape: of one example.
        num_levels: as in `bits_per_dim`; None for real data, which has no bits.

    Returns:
        The rows.

    >>> rows = likelihood_rows("log p(x)", [[-1.0, -3.0]], Kind.EXACT, "two bits", (2,), 1)
    >>> [(name, str(row)) for name, row in rows.items()]
    [('−log p(x)', '2 nats'), ('−log p(x) per dimension', '1.443 bits/dim')]
    """
    log_probs, d = np.asarray(log_probs, float), math.prod(shape)
    if num_levels is not None and num_levels > 1:
        log_probs, kind = log_probs - d * math.log(num_levels), Kind.LOWER_BOUND
    errors = log_probs.std(axis=1, ddof=1) / math.sqrt(log_probs.shape[1])
    records = [
        Likelihood(nats=float(mean), num_dims=d, kind=kind, standard_error=float(error))
        for mean, error in zip(log_probs.mean(axis=1), errors, strict=True)
    ]
    words = {Kind.EXACT: "exact", Kind.LOWER_BOUND: "upper bound", Kind.ESTIMATE: "estimate"}[kind]
    more = {"kind": words, "of": of, "note": f"over {log_probs.shape[1]:,} test examples"}
    rows = {
        f"−{name}": quantity(
            [-r.nats for r in records], "nats", over_test=[r.standard_error for r in records], **more
        )
    }
    if num_levels is not None:
        bits = lambda nats: np.asarray([bits_per_dim(value, d, num_levels=1) for value in nats], float)
        rows[f"−{name} per dimension"] = quantity(
            bits([-r.nats for r in records]),
            "bits/dim",
            over_test=bits([r.standard_error for r in records]),
            **more,
        )
    return rows


def _num_test(log_prob: LogProb, data: Dataset) -> int:
    return len(data.test) if log_prob.num_test is None else min(log_prob.num_test, len(data.test))


def _log_probs(model: Model, log_prob: LogProb, trained: Trained, data: Dataset, key: PRNGKeyArray) -> Any:
    chosen = jax.tree.map(
        lambda leaf: jnp.asarray(evenly_spaced(leaf, _num_test(log_prob, data))),
        examples(model, data, "test"),
    )
    keys = jax.random.split(key, len(trained.selected_step))
    if log_prob.shared is None:
        return map_seeds(log_prob.fn, trained.params, keys, chosen, doing="measuring")
    # What all examples share, such as an enumeration, fills the machine: one seed after the other.
    in_turn = lambda params, keys, chosen: jax.lax.map(
        lambda pair: map_examples(log_prob.given(pair[0]), pair[1], chosen), (params, keys)
    )
    return jax.jit(in_turn)(trained.params, keys, chosen)


def _shown(model: Model, key: PRNGKeyArray, stored: Any) -> Float[Array, "n d"]:
    """Examples of the data set as the model sees them, in the space of pictures and metrics."""
    one = lambda key, stored: model.view.show(model.view.observe(key, stored))
    return jax.jit(jax.vmap(one))(jax.random.split(key, len(stored)), jnp.asarray(stored))


def _likelihood_text(model: Model) -> str:
    if not model.log_probs:
        return "None: the model is implicit, it has samples and no likelihood."
    text = f"Negative log-likelihood of test data, the {model.view.of}."
    if model.view.num_levels is not None and model.view.num_levels > 1:
        text += " The density is of dequantised pixels, and bounds the probability of the levels (Jensen)."
    if any(log_prob.kind is Kind.ESTIMATE for log_prob in model.log_probs.values()):
        text += " The estimate approaches the true value from above as its samples grow."
    return text


def _cost(model: Model, trained: Trained, key: PRNGKeyArray, seconds: float, num_samples: int) -> Section:
    seeds = len(trained.selected_step)
    rows = {
        "parameters": quantity(trained.num_params),
        "training time": quantity(trained.seconds, "s", note=f"{seeds} seeds side by side, with compilation"),
        "steps per second": quantity(trained.steps_per_second, "1/s", note=f"{seeds} seeds side by side"),
    }
    calls: Any = model.calls
    if callable(calls):
        keys = jax.random.split(key, (seeds, min(num_samples, 100)))
        counts = jax.jit(jax.vmap(jax.vmap(calls, (None, 0))))(trained.params, keys)
        rows["network calls per sample"] = quantity(counts.mean(axis=1), note="counted; the solver chooses")
    elif calls is not None:
        rows["network calls per sample"] = quantity(calls)
    per_thousand = 1000 * seconds / (seeds * num_samples)
    rows["time for 1,000 samples"] = quantity(per_thousand, "s", note="once compiled")
    return Section("Training and sampling.", rows)


def _single_seed(seeds: int) -> list[str]:
    return ["One seed: the spread between trainings is not known."] if seeds == 1 else []
