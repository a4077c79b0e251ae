"""Integrals of functions with jumps or kinks where a switch changes its sign, by Gauss-Legendre between switches."""

from collections.abc import Callable, Sequence

import numpy as np

Integrand = Callable[[np.ndarray], np.ndarray]
_nodes, _weights = np.polynomial.legendre.leggauss(20)
BISECTION_STEPS = 40
_t = (_nodes + 1) / 2
UNIT_NODES = _t**3 * (10 - 15 * _t + 6 * _t**2)  # in (0, 1), dense at the ends, where an inner integral may have a root
UNIT_WEIGHTS = 15 * (_t * (1 - _t)) ** 2 * _weights


def _split_at_switches(edges: np.ndarray, switch: Integrand) -> np.ndarray:
    """Add to each panel the point at which the switch changes its sign (or an end of the panel), by bisection."""
    left, right = edges[..., :-1], edges[..., 1:]
    low = left + 1e-12 * (right - left)  # at the edge itself the switch may still have its value to the left
    high = right
    below = switch(low) > 0
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        same_sign = (switch(middle) > 0) == below
        low, high = np.where(same_sign, middle, low), np.where(same_sign, high, middle)
    split_edges = np.empty((*edges.shape[:-1], 2 * edges.shape[-1] - 1))
    split_edges[..., ::2], split_edges[..., 1::2] = edges, (low + high) / 2
    return split_edges


def _panel_integral(value: Integrand, edges: np.ndarray) -> np.ndarray:
    """The integral over the last axis of panels."""
    width = np.diff(edges)[..., None]
    points = edges[..., :-1, None] + width * UNIT_NODES  # (..., panels, nodes)
    return (value(points) * width * UNIT_WEIGHTS).sum((-2, -1))


def line_integral(value: Integrand, switches: Sequence[Integrand], *, density: Integrand, edges: np.ndarray) -> float:
    r"""The integral of value times density over a line.

    .. math:: \int v(x) f(x) \, dx

    Args:
        value: (n,) -> (n,); smooth except where a switch changes its sign, and at the edges.
        switches: (n,) -> (n,), each changing its sign at most once between two edges.
        density: smooth between the edges.
        edges: (k,) increasing, the panels of the composite rule.

    Returns:
        The integral, to about 12 digits where the panels resolve the density.

    >>> def step(x):
    ...     return 1.0 * (x > 0.3)
    >>> round(line_integral(step, [lambda x: x - 0.3], density=np.ones_like, edges=np.array([0.0, 1.0])), 12)
    0.7

    Source: composite Gauss-Legendre rule, nodes moved by t -> t^3 (10 - 15t + 6t^2).
    """

    def flat(function: Integrand) -> Integrand:
        return lambda x: function(x.ravel()).reshape(x.shape)

    for switch in switches:
        edges = _split_at_switches(edges, flat(switch))
    return float(_panel_integral(lambda x: flat(value)(x) * density(x), edges))


def plane_integral(value: Integrand, switches: Sequence[Integrand], *, density: Integrand, edges: np.ndarray) -> float:
    r"""The integral of value times density over a square, for switches that are monotone in |x_2|.

    .. math:: \int\!\!\int v(x_1, x_2) f(x_1, x_2) \, dx_2 \, dx_1

    A boundary between two actions may appear, with growing x_1, only at x_2 = 0; there the inner integral has
    the singularity of a square root, which the nodes resolve.

    Args:
        value: (n, 2) -> (n,); smooth except where a switch changes its sign, and at the edges.
        switches: (n, 2) -> (n,), each changing its sign at most once between two edges of x_2.
        density: (n, 2) -> (n,), smooth.
        edges: (k,) increasing, the panels along either axis; 0 among them.

    Returns:
        The integral, to about 10 digits where the panels resolve the density; to 7 where the value jumps along a
        boundary that ends just outside a panel.

    >>> def disc(x):
    ...     return 1.0 * (1 - x[:, 0] ** 2 - x[:, 1] ** 2)
    >>> edges = np.linspace(-2, 2, 5)
    >>> round(plane_integral(lambda x: 1.0 * (disc(x) > 0), [disc], density=lambda x: 1.0, edges=edges), 7)
    3.1415927

    Source: iterated composite Gauss-Legendre rule.
    """

    def slice_at(function: Integrand, u: np.ndarray) -> Integrand:
        def slice_values(v: np.ndarray) -> np.ndarray:
            x = np.stack(np.broadcast_arrays(u, v), axis=-1)
            return np.broadcast_to(function(x.reshape(-1, 2)), v.size).reshape(v.shape)

        return slice_values

    def axis(function: Integrand) -> Integrand:
        return lambda u: function(np.stack([u, np.zeros_like(u)], axis=-1))

    def inner(u: np.ndarray) -> np.ndarray:
        panels = np.broadcast_to(edges, (*u.shape, len(edges)))
        for switch in switches:
            panels = _split_at_switches(panels, slice_at(switch, u[..., None]))
        u = u[..., None, None]
        return _panel_integral(lambda v: slice_at(value, u)(v) * slice_at(density, u)(v), panels)

    outer = edges
    for switch in switches:
        outer = _split_at_switches(outer, axis(switch))
        outer = outer[np.diff(outer, prepend=-np.inf) > 1e-9]  # most panels hold no switch
    return float(_panel_integral(inner, outer))
