"""Names of timings and serving stacks, resolved on the host."""

from __future__ import annotations

from splitmodel.errors import check_choice
from splitmodel.iteration.instance import STACKS
from splitmodel.iteration.interpolated_timing import Interpolated
from splitmodel.iteration.roofline_timing import Roofline
from splitmodel.iteration.timing import Timing
from splitmodel.specs.semantics import Semantics
from splitmodel.units import Scalar

TIMINGS = ("roofline", "interpolated")


def choose_timing(timing: str | Timing | None, semantics: Semantics) -> Timing:
    """The timing of that name; without one, that of the semantics.

    Raises:
        InputError: for an unknown name.
    """
    if isinstance(timing, Timing):
        return timing
    name = check_choice("timing", semantics.timing if timing is None else timing, TIMINGS)
    if name == "roofline":
        return Roofline()
    return Interpolated(mixed_factor=semantics.mixed_factor or 0.0)


def lone_requests(timing: Timing, semantics: Semantics, prompt_tokens: Scalar) -> Scalar:
    """Decoding requests at which the decode step of a request alone is read, by prompt size.

    One; but the authors' simulator reads its interpolated curve at x = prompt tokens.
    """
    by_prompt = semantics.reference_decode_at_prompt and isinstance(timing, Interpolated)
    return prompt_tokens if by_prompt else 0.0 * prompt_tokens + 1.0


def check_stack(stack: str | None) -> None:
    """Raise InputError for a serving stack of unknown name; None leaves the choice open."""
    if stack is not None:
        check_choice("stack", stack, STACKS)
