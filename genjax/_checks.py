"""Errors that quote both sides, eagerly and, through `checked`, under `jit`."""

import functools
import numbers
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental import checkify

from genjax import _guard as _guard  # also when the other project's __init__ won the installation

__all__ = ["checked"]

P = ParamSpec("P")
T = TypeVar("T")

# Part of jit's cache key: a function traced without the checks is traced anew with them. Outside
# `checked` no check enters a program, because a checkify effect costs every dispatch 0.1 ms.
_checking = jax.make_user_context(False)


def checked(fn: Callable[P, T]) -> Callable[P, T]:
    """Compile `fn` so that faults of value raise `ValueError` under `jit` too.

    A NaN, a level outside its range or a probability below zero raises where the library meets it on
    concrete input, and gives NaN under `jit`, which cannot raise. `checked(fn)` is `jit(fn)` that raises.

    What is mapped by `jax.vmap` (and so by `genjax.expectation`), differentiated, or carried by a scan is not
    concrete either, without `jit` too. "NaN under `jit`" holds there: of the faulty example, and of every mean that
    it enters.

    Args:
        fn: a function of arrays (bind callables and options by closure or `functools.partial`).

    Returns:
        A function of the same arguments and value.

    Raises:
        ValueError: a fault of value in any genjax function that `fn` calls.

    >>> import jax.numpy as jnp
    >>> from genjax.densities import standard_normal_log_prob
    >>> checked(standard_normal_log_prob)(jnp.array([0.0, jnp.nan]))
    Traceback (most recent call last):
        ...
    jax...JaxRuntimeError: x must not be NaN; got nan at flat position 1 (`check` failed)
    """
    compiled = jax.jit(checkify.checkify(fn))

    @functools.wraps(fn)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with _checking(True):
            error, value = compiled(*args, **kwargs)
        error.throw()
        return value

    return wrapper


def check_same_shape(**arrays: Any) -> None:
    """Raise ValueError, quoting every shape, unless all shapes agree."""
    shapes = {name: jnp.shape(array) for name, array in arrays.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"shapes must agree: {_listed(shapes)}")


def check_scalar(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is one number: a batch belongs to `jax.vmap`."""
    if jnp.shape(value) != ():
        raise ValueError(
            f"{name} must be a scalar, of shape (); got shape {jnp.shape(value)}. "
            f"genjax functions take one example: map a batch with jax.vmap"
        )


def check_float(**arrays: Any) -> None:
    """Raise TypeError, quoting the dtype, unless every array is floating point."""
    for name, array in arrays.items():
        dtype = jnp.result_type(array)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(f"{name} must be floating point; got {dtype}")


def check_full_precision(**arrays: Any) -> None:
    """Raise TypeError, quoting the dtype, unless every array is float32 or float64."""
    check_float(**arrays)
    for name, array in arrays.items():
        dtype = jnp.result_type(array)
        if jnp.finfo(dtype).bits < 32:
            raise TypeError(
                f"{name} must be float32 or float64: the computation needs its digits; got {dtype}"
            )


def check_keeps_dtype(x: Any, **values: Any) -> None:
    """Raise TypeError, quoting both dtypes, where arithmetic with a value would widen x, which a chain carries on."""
    kept = jnp.result_type(x)
    for name, value in values.items():
        dtype = jnp.result_type(value)
        if jnp.promote_types(kept, dtype) != kept:
            raise TypeError(
                f"{name} must not be wider than x, or x would change its dtype: {name} {dtype}, x {kept}"
            )


def check_integer(**arrays: Any) -> None:
    """Raise TypeError, quoting the dtype, unless every array is integer."""
    for name, array in arrays.items():
        dtype = jnp.result_type(array)
        if not jnp.issubdtype(dtype, jnp.integer):
            raise TypeError(f"{name} must be integer; got {dtype}")


def check_key(key: Any) -> None:
    """Raise unless `key` is one typed key, as `jax.random.key` makes it."""
    dtype = getattr(key, "dtype", type(key).__name__)
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise TypeError(f"key must be a typed key from jax.random.key; got {dtype}")
    if key.shape != ():
        raise ValueError(f"key must be one key, of shape (); got shape {key.shape}")


def check_count(**counts: Any) -> None:
    """Raise unless every count is an integer, Python's or NumPy's, of at least one.

    A NumPy integer has a width and a dtype: where a count enters arithmetic, take `int(count)`.
    """
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, numbers.Integral):
            raise TypeError(f"{name} must be a Python int; got {type(count).__name__}")
        if count < 1:
            raise ValueError(f"{name} must be at least 1; got {count}")


def check_values(name: str, array: Any, valid: Any, expected: str) -> None:
    """Raise ValueError quoting the first value that is not `valid` (see `checked` for `jit`)."""
    message = f"{name} must {expected}; got {{value}} at flat position {{position}}"
    if not isinstance(valid, Tracer) and not isinstance(array, Tracer):
        valid = np.asarray(valid)  # NumPy, because a concrete check should compile nothing
        if not valid.all():
            position = int(np.argmin(valid))
            raise ValueError(message.format(value=np.ravel(array)[position], position=position))
    elif _checking.value and valid.size:
        position = jnp.argmin(jnp.ravel(valid))
        value = jnp.ravel(array)[position]
        checkify.check(jnp.all(valid), message, value=value, position=position)


def check_not_nan(**arrays: Any) -> None:
    """Raise ValueError quoting the place of the first NaN (see `checked` for `jit`)."""
    for name, array in arrays.items():
        if not isinstance(array, Tracer):
            check_values(name, array, ~np.isnan(array), "not be NaN")
        elif _checking.value:
            check_values(name, array, ~jnp.isnan(array), "not be NaN")


def _listed(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())
