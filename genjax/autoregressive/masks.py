"""Binary masks that make a feed-forward network autoregressive."""

from collections.abc import Sequence
from itertools import pairwise

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from genjax._checks import check_count, check_key

__all__ = ["made_masks", "random_degrees", "sequential_degrees"]

Degrees = tuple[tuple[int, ...], ...]


def sequential_degrees(num_inputs: int, hidden: Sequence[int]) -> Degrees:
    """Degrees of hidden units spread evenly: every layer serves all conditionals alike, without a draw.

    m(k) = 1 + ⌊k (n − 1) / H⌋ for unit k = 0..H−1 of a layer of width H

    Args:
        num_inputs: n, the length of the sequence.
        hidden: the widths H of the hidden layers.

    Returns:
        For each hidden layer a tuple of degrees in 1..n−1: a unit of degree m sees the first m inputs of the order.

    Raises:
        TypeError: a count is no integer.
        ValueError: a count is below 1.

    Source: the regular counterpart of Germain et al. (2015), section 4.1.

    >>> sequential_degrees(4, (3, 6))
    ((1, 2, 3), (1, 1, 2, 2, 3, 3))
    """
    highest = _highest_degree(num_inputs, hidden)
    return tuple(tuple(1 + k * highest // int(width) for k in range(width)) for width in hidden)


def random_degrees(key: PRNGKeyArray, num_inputs: int, hidden: Sequence[int]) -> Degrees:
    """Degrees of hidden units drawn uniformly, each layer's not below the least of the layer before.

    m^l(k) ~ U{min_j m^{l−1}(j), …, n − 1}

    Args:
        key: one key, not traced: degrees are part of a network's structure.
        num_inputs: n, the length of the sequence.
        hidden: the widths of the hidden layers.

    Returns:
        For each hidden layer a tuple of degrees in 1..n−1: a unit of degree m sees the first m inputs of the order.

    Raises:
        TypeError: the key is not typed, or a count is no integer.
        ValueError: a count is below 1.

    Source: Germain et al. (2015), sections 4.1 and 4.2.

    >>> [len(layer) for layer in random_degrees(jax.random.key(0), 4, (3, 6))]
    [3, 6]
    """
    check_key(key)
    highest, lowest, layers = _highest_degree(num_inputs, hidden), 1, []
    with jax.ensure_compile_time_eval():  # a module may be built inside a trace
        for layer, width in enumerate(hidden):
            drawn = jax.random.randint(jax.random.fold_in(key, layer), (width,), lowest, highest + 1)
            layers.append(tuple(np.asarray(drawn).tolist()))
            lowest = min(layers[-1])
    return tuple(layers)


def made_masks(
    num_inputs: int, degrees: Sequence[Sequence[int]], *, order: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Masks of a network whose output for an input sees only the inputs that come before it in an order.

    Input and output d have degree m(d), the place of d in the order counted from 1; a hidden unit of degree m sees
    the first m inputs. M_{jk} = 1 where m(k) ≥ m(j) into a hidden layer, and where m(k) > m(j) into the outputs.

    Args:
        num_inputs: n, the length of the sequence.
        degrees: of each hidden layer's units, in 1..n−1 (`sequential_degrees`, `random_degrees`). Without hidden
            layers, `()`, the one mask is that of direct connections from input to output.
        order: the input that comes first, the one after it, and so on; `0, 1, …, n − 1` by default.

    Returns:
        Boolean NumPy arrays `[fan in, fan out]`, one per layer; kernels are multiplied by them.

    Raises:
        TypeError: `num_inputs` is no integer.
        ValueError: `order` is no permutation of 0..n−1, or a degree is out of range.

    Source: Germain et al. (2015), section 4.

    >>> first, last = made_masks(3, [(1, 2)])
    >>> (first.astype(int) @ last.astype(int)).tolist()                # paths from each input to each output
    [[0, 1, 2], [0, 0, 1], [0, 0, 0]]
    """
    highest = _highest_degree(num_inputs, ())
    num_inputs = int(num_inputs)
    order = range(num_inputs) if order is None else order
    if sorted(order) != list(range(num_inputs)):
        raise ValueError(f"order must be a permutation of 0..{num_inputs - 1}; got {tuple(order)}")
    if not all(1 <= m <= highest for layer in degrees for m in layer):
        raise ValueError(f"degrees must lie in 1..{highest}; got {tuple(map(tuple, degrees))}")
    ends = 1 + np.argsort(order)
    layers = [ends, *map(np.asarray, degrees)]
    hidden = [j[:, None] <= k[None] for j, k in pairwise(layers)]
    return [*hidden, layers[-1][:, None] < ends[None]]


def _highest_degree(num_inputs: int, hidden: Sequence[int]) -> int:
    check_count(num_inputs=num_inputs)
    for width in hidden:
        check_count(hidden=width)
    return max(int(num_inputs) - 1, 1)  # of one input nothing is seen: its units stay without an output
