"""The distance of two factors up to a rotation, on which the Fréchet distance of Gaussians rests."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from genjax._matmul import matmul


class Alignment(NamedTuple):
    """The least distance min_Q ‖L − M Q‖²_F, and what is left of each factor: L − M Q and M − L Qᵀ."""

    distance: Float[Array, ""]
    rest_left: Float[Array, "d n"]
    rest_right: Float[Array, "d m"]


def align(left: Float[Array, "d n"], right: Float[Array, "d m"]) -> Alignment:
    """Turn M onto L by the orthogonal Q = U Vᵀ, where Mᵀ L = U Σ Vᵀ (Schönemann, 1966).

    For A = L Lᵀ and B = M Mᵀ the distance is tr(A + B − 2 (A^½ B A^½)^½), which the sum of squares cannot round below
    zero. The narrower factor is widened by columns of zeros.
    """
    (left, left_basis), (right, right_basis) = _reduced(left), _reduced(right)
    num_left, num_right = left.shape[1], right.shape[1]
    widen = lambda factor: jnp.pad(factor, ((0, 0), (0, max(num_left, num_right) - factor.shape[1])))
    left, right = widen(left), widen(right)
    u, _, vt = jnp.linalg.svd(matmul(right.T, left))
    q = matmul(u, vt)
    rest = left - matmul(right, q)
    return Alignment(
        jnp.sum(rest**2),
        _expanded(rest[:, :num_left], left_basis),
        _expanded(-matmul(rest, q.T)[:, :num_right], right_basis),
    )


@jax.custom_jvp
def aligned_distance(left: Float[Array, "d n"], right: Float[Array, "d m"]) -> Float[Array, ""]:
    """The distance of `align`, differentiable however low the ranks: Q is optimal and so counts as constant."""
    return align(left, right).distance


@aligned_distance.defjvp
def _aligned_distance_jvp(primals, tangents):
    (d_left, d_right), aligned = tangents, align(*primals)
    change = jnp.sum(aligned.rest_left * d_left) + jnp.sum(aligned.rest_right * d_right)
    return aligned.distance, 2 * change


def _reduced(factor: Array) -> tuple[Array, Array | None]:
    """A factor F of at most d columns, and a basis Q of orthonormal columns where `factor` was wider: F Qᵀ."""
    if factor.shape[1] <= factor.shape[0]:
        return factor, None
    basis, triangle = jnp.linalg.qr(factor.T)
    return triangle.T, basis


def _expanded(factor: Array, basis: Array | None) -> Array:
    return factor if basis is None else matmul(factor, basis.T)
