"""What a run measured, as a typed record: every number stands here once, and every page and table is made from it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

import numpy as np

from genjax.training.options import fits

__all__ = ["CHECKLIST", "SCHEMA_VERSION", "Quantity", "Section", "Summary", "quantity"]

SCHEMA_VERSION = 2

CHECKLIST = (
    "Objective",
    "Likelihood",
    "Quality",
    "Diversity and mode collapse",
    "Controls",
    "Cost",
    "Timesteps",
)
"""What every report answers, in this order."""


@dataclass(frozen=True)
class Quantity:
    """One measured number, with all that is needed to read it.

    Args:
        per_seed: the value of every seed, or the one value of what has no seeds.
        unit: of the values, such as "nats".
        kind: how it stands to the truth: "exact", "upper bound", "lower bound", "estimate"; empty for a measurement.
        of: the variable it is a likelihood of, or the space a distance is measured in.
        over_test: of every seed, the standard error over test examples.
        baseline: what to compare the mean with, in the same unit.
        baseline_of: what the baseline is.
        note: what it means, in a few words.

    >>> print(Quantity((87.3, 87.5), "nats"))
    87.40 ± 0.10 nats
    """

    per_seed: tuple[float, ...]
    unit: str = ""
    kind: str = ""
    of: str = ""
    over_test: tuple[float, ...] | None = None
    baseline: float | None = None
    baseline_of: str = ""
    note: str = ""

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.per_seed))

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean over seeds; None for one value."""
        if len(self.per_seed) < 2:
            return None
        return float(np.std(self.per_seed, ddof=1) / math.sqrt(len(self.per_seed)))

    @property
    def interval(self) -> float | None:
        """Half the width of the 95 % interval of the mean over seeds, by Student's factor; None for one value."""
        error = self.standard_error
        return None if error is None else student_factor(len(self.per_seed)) * error

    @property
    def test_error(self) -> float | None:
        """The standard error over test examples, averaged over seeds: the same examples, so it does not shrink."""
        return None if self.over_test is None else float(np.mean(self.over_test))

    def __str__(self) -> str:
        return self.mark + self.number + (f" {self.unit}" if self.unit else "")

    @property
    def mark(self) -> str:
        """How the number stands to the truth, as a sign before it."""
        return {"upper bound": "≤ ", "lower bound": "≥ ", "estimate": "≈ "}.get(self.kind, "")

    @property
    def number(self) -> str:
        """The mean and its standard error, to two digits of the error; no unit."""
        error = self.standard_error
        if not error or not math.isfinite(error):
            return format_number(self.mean)
        if error < 1e-6:
            return f"{self.mean:.7g} ± {error:.1g}"
        decimals = max(0, 1 - math.floor(math.log10(error)))
        return f"{self.mean:,.{decimals}f} ± {error:,.{decimals}f}"


def student_factor(num_seeds: int) -> float:
    """How many standard errors of a mean over seeds make its 95 % interval, either side.

    The 97.5 % quantile of Student's t of n − 1 degrees: the seeds' own spread is uncertain where they are few. The
    factor 1.96 of the normal law would cover 81 % of 3 seeds.

    >>> f"{student_factor(3):.2f} {student_factor(1000):.2f}"
    '4.30 1.96'
    """
    from scipy.special import stdtrit  # scipy comes with jax

    return float(stdtrit(num_seeds - 1, 0.975))


def spread_in_words(num_seeds: int) -> str:
    """What a ± after a number is.

    >>> print(spread_in_words(3))
    ± is the standard error over 3 seeds; times 4.30 (Student's factor) it is a 95 % interval.
    """
    if num_seeds < 2:
        return "One seed has no ± over seeds."
    return (
        f"± is the standard error over {num_seeds} seeds; times {student_factor(num_seeds):.2f} (Student's factor) "
        "it is a 95 % interval."
    )


def format_number(value: int | float) -> str:
    """Four significant digits, and whole numbers whole.

    >>> format_number(12345.0), format_number(0.98765), format_number(3.0)
    ('12,345', '0.9877', '3')
    """
    if math.isfinite(value) and (value == round(value) or abs(value) >= 1e4) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def quantity(values: Any, unit: str = "", **more: Any) -> Quantity:
    """A `Quantity` from arrays.

    Args:
        values: one number per seed, `[s]`, or one number.
        unit: of the values.
        **more: further fields; `over_test` may be an array too.

    Returns:
        `Quantity`.

    >>> quantity(np.array([1.0, 3.0]), "s").mean
    2.0
    """
    floats = lambda array: tuple(np.asarray(array, float).reshape(-1).tolist())
    if more.get("over_test") is not None:
        more["over_test"] = floats(more["over_test"])
    return Quantity(floats(values), unit, **more)


@dataclass(frozen=True)
class Section:
    """The answer to one heading of the checklist.

    Args:
        text: what was measured and how to read it, or in one line why it does not apply.
        rows: name to quantity. A name means the same variable, space and unit in every run.
    """

    text: str
    rows: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """All that a run measured.

    Args:
        family: the recipe's name.
        model: what was trained.
        data: the data set.
        sections: one for each heading of `CHECKLIST`.
        warnings: what went wrong, in sentences.
        provenance: command, commit, versions, device, checksums, configuration.

    >>> sections = {heading: Section("Not measured.") for heading in CHECKLIST}
    >>> summary = Summary("vae", "a VAE", "digits", sections)
    >>> Summary.from_json(summary.to_json()) == summary
    True
    """

    family: str
    model: str
    data: str
    sections: Mapping[str, Section]
    warnings: Sequence[str] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.sections) != set(CHECKLIST):
            raise ValueError(
                f"a summary has the sections {', '.join(CHECKLIST)}; got {', '.join(self.sections)}"
            )

    @property
    def rows(self) -> Iterator[tuple[str, str, Quantity]]:
        """Every quantity as `(heading, name, quantity)`, in the order of the checklist."""
        for heading in CHECKLIST:
            for name, row in self.sections[heading].rows.items():
                yield heading, name, row

    @property
    def main(self) -> tuple[str, Quantity] | None:
        """The number to read first: the first likelihood, or where there is none the first measure of quality."""
        for heading in ("Likelihood", "Quality"):
            for name, row in self.sections[heading].rows.items():
                return name, row
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the mean and the standard error of every quantity written out for other programs."""

        def plain(row: Quantity) -> dict[str, Any]:
            return asdict(row) | {"mean": row.mean, "standard_error": row.standard_error}

        sections = {
            heading: {
                "text": self.sections[heading].text,
                "rows": {name: plain(row) for name, row in self.sections[heading].rows.items()},
            }
            for heading in CHECKLIST
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "family": self.family,
            "model": self.model,
            "data": self.data,
            "sections": sections,
            "warnings": list(self.warnings),
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Summary":
        """Read what `to_json` wrote.

        Raises:
            ValueError: another schema version, or a part is missing or has another form.
        """
        try:
            if content["schema_version"] != SCHEMA_VERSION:
                raise ValueError(
                    f"the summary has schema version {content['schema_version']}; "
                    f"this version of the library reads {SCHEMA_VERSION}"
                )
            sections = {
                heading: Section(
                    section["text"], {name: _quantity(row) for name, row in section["rows"].items()}
                )
                for heading, section in content["sections"].items()
            }
            warnings, provenance = tuple(content["warnings"]), content["provenance"]
            family, model, data = (content[name] for name in ("family", "model", "data"))
            texts = (family, model, data, *warnings, *(section.text for section in sections.values()))
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a text is none")
            if not isinstance(provenance.get("seeds", 1), int):
                raise TypeError(f"seeds is {provenance['seeds']}")
            return cls(family, model, data, sections, warnings, provenance)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"the summary is not one of a run: {type(error).__name__}: {error}") from error


def _quantity(row: Mapping[str, Any]) -> Quantity:
    row = {name: value for name, value in row.items() if name not in ("mean", "standard_error")}
    if row.get("baseline") is not None:
        row["baseline"] = float(row["baseline"])  # which may be text, because JSON has no NaN
    read = quantity(row.pop("per_seed"), **row)
    hints = get_type_hints(Quantity)
    wrong = [f"{name} is {value}" for name, value in vars(read).items() if not fits(value, hints[name])]
    if wrong or not read.per_seed or read.over_test == ():
        raise TypeError("; ".join(wrong) or "a quantity has no values")
    return read
