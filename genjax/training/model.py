"""A family at the top of the house: a record of functions of one example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jaxtyping import Array

from genjax.data.views import View
from genjax.likelihood import Kind
from genjax.training.steps import Init, Step

__all__ = ["LogProb", "Model"]


class LogProb(NamedTuple):
    """One way in which a model tells the log-likelihood of an example.

    Args:
        fn: `fn(params, key, stored) -> nats`, or a dictionary of several that share their work; an entry that is no
            scalar is handed to the caller and not reported.
        kind: exact, a lower bound, or an estimate.
        num_test: test examples it is averaged over, evenly spaced; all by default.
        shared: `shared(params)`, what all examples need and is computed once, such as log Z; `fn` then takes it as a
            fourth argument.

    >>> LogProb(lambda params, key, x: -x, Kind.EXACT).given(None)(jax.random.key(0), 2.0)
    -2.0
    """

    fn: Callable[..., Any]
    kind: Kind
    num_test: int | None = None
    shared: Callable[[Any], Any] | None = None

    def given(self, params: Any) -> Callable[[Array, Any], Any]:
        """The function `(key, stored) -> nats` of one set of parameters."""
        extra = () if self.shared is None else (self.shared(params),)
        return lambda key, stored: self.fn(params, key, stored, *extra)


@dataclass(frozen=True)
class Model:
    """What a run needs of a model, whatever its family; everything is a function of ONE example.

    Args:
        name: what reports call it.
        view: how it sees the data.
        init: `init(key, x) -> params`; `x` `[m, *view.shape]` are training examples, for data-dependent starts.
        sample: `sample(params, key) -> x`, one; `sample(params, key, label)` where `num_classes` is given; None of a
            model that generates nothing, such as a classifier.
        loss: `loss(params, key, stored) -> scalar`, or `(scalar, terms)`; `stored` is an example as the data set
            holds it, or the pair of it and its label where `num_classes` is given.
        log_probs: name to `LogProb`, the main one first; empty for an implicit model.
        calls: network calls per sample; `calls(params, key)` counts them where a solver chooses, None where no
            network is called.
        steps: `(init, step)` where training is no descent on `loss`: chains, games.
        validate: `validate(params, validation) -> cost`; by default the mean loss.
        steps_per_call: steps in one dispatch, as `train` takes it.
        num_classes: of a model that is conditional on a label.
        samples: what `sample` gives, in words.

    >>> from genjax.data import Spec, views
    >>> view = views.points(Spec("line", (1,)))
    >>> Model("a point", view, lambda key, x: x[0], lambda params, key: params).num_classes is None
    True
    """

    name: str
    view: View
    init: Callable[..., Any]
    sample: Callable[..., Array] | None = None
    loss: Callable[..., Any] | None = None
    log_probs: Mapping[str, LogProb] = field(default_factory=dict)
    calls: int | Callable[..., Array] | None = 1
    steps: tuple[Init, Step] | None = None
    validate: Callable[..., Array] | None = None
    steps_per_call: int | None = None
    num_classes: int | None = None
    samples: str = "samples"
