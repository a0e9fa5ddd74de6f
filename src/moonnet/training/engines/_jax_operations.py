"""Operations of a traced function, replaced by equal ones that XLA computes faster within a loop on a CPU."""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from jax.extend.core.primitives import conv_general_dilated_p, random_bits_p, threefry2x32_p

from moonnet.training.engines._jax_convolutions import faster_convolution
from moonnet.training.engines._jax_random_bits import faster_random_bits, faster_threefry

# Primitive -> what takes inputs and settings of an operation, and returns a faster function of the inputs or None
_FASTER: dict[Any, Callable[..., Callable[..., Any] | None]] = {
    conv_general_dilated_p: faster_convolution,
    random_bits_p: faster_random_bits,
    threefry2x32_p: faster_threefry,
}


def with_faster_operations(traced: ClosedJaxpr) -> ClosedJaxpr:
    """Return a traced function with faster operations; the same object if that changes nothing."""
    rewritten: ClosedJaxpr = _rewritten(traced)
    return rewritten


def _rewritten(value: Any) -> Any:
    """Return a parameter of an operation, with all functions in it rewritten; the same object without a change."""
    if isinstance(value, ClosedJaxpr) and value.jaxpr is not value:  # it is from JAX 0.12 on
        jaxpr = _rewritten(value.jaxpr)
        return value if jaxpr is value.jaxpr else value.replace(jaxpr=jaxpr)
    if isinstance(value, Jaxpr):
        equations = [_rewritten_equation(equation) for equation in value.eqns]
        is_same = all(new is old for new, old in zip(equations, value.eqns, strict=True))
        return value if is_same else value.replace(eqns=equations)
    if type(value) in (tuple, list):
        items = [_rewritten(item) for item in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else type(value)(items)
    return value


def _rewritten_equation(equation: JaxprEqn) -> JaxprEqn:
    inputs = [variable.aval for variable in equation.invars]
    find_faster = _FASTER.get(equation.primitive)
    if find_faster and (faster := find_faster(*inputs, **equation.params)):
        # A single equation, which calls the function
        (call,) = jax.make_jaxpr(jax.jit(faster))(*inputs).eqns
        return _rewritten_equation(call.replace(invars=equation.invars, outvars=equation.outvars))
    settings = {name: _rewritten(value) for name, value in equation.params.items()}
    is_same = all(settings[name] is value for name, value in equation.params.items())
    return equation if is_same else equation.replace(params=settings)
