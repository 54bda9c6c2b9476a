"""Runs side by side: what may stand in one column, and what is called best."""

import numpy as np

from genjax.report import CHECKLIST, Section, Summary, comparison, quantity


def run(model, **rows):
    sections = {heading: Section("") for heading in CHECKLIST}
    for heading, entries in rows.items():
        sections[heading] = Section("", entries)
    return Summary("family", model, "digits", sections)


def nll(values, kind="exact", of="grey levels"):
    return quantity(values, "nats", kind=kind, of=of)


def cells(table, name):
    (i,) = [i for i, column in enumerate(table.columns) if column.name == name]
    return [row[i] for row in table.rows]


def test_likelihoods_of_one_variable_share_a_column_whatever_they_are_called():
    table = comparison(
        [
            run(
                "a",
                Likelihood={
                    "−ELBO": nll([87.0, 88.0], "upper bound"),
                    "−log p(x), 10 samples": nll([83.0], "estimate"),
                },
            ),
            run("b", Likelihood={"−log p(x)": nll([82.0, 83.0])}),
            run("c", Likelihood={"−log p(x)": nll([25.0, 26.0], of="black-and-white pixels")}),
        ]
    )
    columns = [(c.name, c.of) for c in table.columns]
    assert columns == [
        ("negative log-likelihood", "grey levels"),
        ("negative log-likelihood", "black-and-white pixels"),
    ]
    first, second, third = table.rows
    assert (
        first[0].quantity.mark + first[0].quantity.number == "≤ 87.50 ± 0.50"
    )  # the main one, not the estimate
    assert second[0].name == "−log p(x)"
    assert first[1] is second[1] is third[0] is None
    assert third[1] is not None


def test_best_is_told_only_where_intervals_part_and_nothing_is_a_bound():
    clear = comparison(
        [
            run(m, Likelihood={"−log p(x)": nll(v)})
            for m, v in (("a", [80.0, 80.1, 80.2]), ("b", [82.0, 82.1, 82.2]))
        ]
    )
    assert [cell.best for cell in cells(clear, "negative log-likelihood")] == [True, False]
    close = comparison(
        [run(m, Likelihood={"−log p(x)": nll(v)}) for m, v in (("a", [80.0, 83.0]), ("b", [82.0, 82.2]))]
    )
    assert not any(cell.best for cell in cells(close, "negative log-likelihood"))
    bound = comparison(
        [
            run("a", Likelihood={"−ELBO": nll([80.0, 80.2], "upper bound")}),
            run("b", Likelihood={"−log p(x)": nll([82.0, 82.2])}),
        ]
    )
    assert not any(cell.best for cell in cells(bound, "negative log-likelihood"))
    recall = comparison(
        [
            run(m, Quality={"recall, x": quantity(v, of="x")})
            for m, v in (("a", [0.5, 0.51, 0.5]), ("b", [0.9, 0.91, 0.9]))
        ]
    )
    assert [cell.best for cell in cells(recall, "recall, x")] == [False, True]


def test_one_run_is_best_of_nothing():
    table = comparison([run("a", Likelihood={"−log p(x)": nll([80.0, 80.2])})])
    assert not cells(table, "negative log-likelihood")[0].best


def marks(*runs_of_seeds):
    table = comparison([run(str(i), Likelihood={"a": nll(v)}) for i, v in enumerate(runs_of_seeds)])
    return [cell.best for cell in cells(table, "negative log-likelihood")]


def test_the_best_must_part_from_every_other_run_and_not_from_the_next_alone():
    sharp, next_best, wide = [80.0, 80.1, 80.2], [82.0, 82.1, 82.2], [70.0, 83.0, 97.0]
    assert marks(sharp, next_best) == [True, False]
    assert marks(sharp, next_best, wide) == [False] * 3
    assert marks(sharp, next_best, [90.0]) == [False] * 3  # one seed has no interval
    assert marks(sharp, next_best, [float("nan")] * 3) == [False] * 3


def test_few_seeds_need_their_own_factor_to_cover_and_to_tell_runs_apart():
    """Of normal seeds the interval covers the mean in 95 %, ± 1.96 standard errors of 3 seeds in 81 %."""
    rng = np.random.default_rng(0)
    n = 4000
    for num_seeds in (2, 3, 5, 10):
        rows = [quantity(values) for values in rng.normal(size=(n, num_seeds))]
        covered = np.mean([abs(row.mean) < row.interval for row in rows])
        assert abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / n), num_seeds
        if num_seeds == 3:
            normal = np.mean([abs(row.mean) < 1.96 * row.standard_error for row in rows])
            assert abs(normal - 0.81) < 0.03
    assert quantity([1.0]).interval is None
    told = np.mean([any(marks(*seeds)) for seeds in rng.normal(size=(1000, 2, 3))])
    assert told < 0.05  # runs of one law


def test_a_baseline_is_told_once_where_all_runs_have_the_same():
    beside = {"of": "grey levels", "baseline_of": "training data"}
    quality = lambda value, baseline: quantity([value, value + 1], baseline=baseline, **beside)
    table = comparison(
        [
            run(name, Quality={"Fréchet distance": quality(1.0, 0.5), "precision": quality(0.5, baseline)})
            for name, baseline in (("a", 0.9), ("b", 0.8))
        ]
    )
    by_name = {column.name: table.baseline(i) for i, column in enumerate(table.columns)}
    assert by_name["Fréchet distance"].baseline == 0.5
    assert by_name["precision"] is None
