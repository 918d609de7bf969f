"""What Adam's two moments are kept in between steps: the table `STATES`, and a caller's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..casting import cast
from ..errors import SpecError, suggestion
from ..registry import parse
from ..spec import split_commas


@dataclass(frozen=True)
class States:
    """The formats of Adam's moments.

    Parameters
    ----------
    name : str
        In tables and figures.
    m, v : spec, Format or dtype
        What `numfmt.cast` takes. v, a mean of squares, is never negative; the format of m, if not given.

    >>> States("mine", "bf16", "e5m2")
    States(name='mine', m='bf16', v='e5m2')
    """

    name: str
    m: Any
    v: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise TypeError(f"the name of states is a string that says something, got {self.name!r}")
        object.__setattr__(self, "m", str(parse(self.m)))
        object.__setattr__(self, "v", self.m if self.v is None else str(parse(self.v)))
        for of in (self.m, self.v):
            cast([[0.0]], of, nan=0)


def state_list(states: Any) -> list[States]:
    """The states of names and specs, without repetition; of None, all of the table.

    >>> [(s.name, s.v) for s in state_list("f32, dynamic blocks, bf16")]
    [('f32', 'f32'), ('dynamic blocks', 'bnb8u[size=256]'), ('bf16', 'bf16')]
    """
    if states is None:
        return list(STATES.values())
    given = states if isinstance(states, Iterable) and not isinstance(states, str) else [states]
    found = [_states(part) for s in given for part in (split_commas(s) if isinstance(s, str) else [s])]
    if not found:
        raise ValueError("a comparison needs at least one kind of states, such as 'f32'; got none")
    kinds = list(dict.fromkeys(found))
    if len({kind.name for kind in kinds}) < len(kinds):
        raise ValueError(f"all states need names of their own, got {', '.join(s.name for s in kinds)}")
    return kinds


def _states(given: Any) -> States:
    if isinstance(given, States):
        return given
    if isinstance(given, str) and given.strip() in STATES:
        return STATES[given.strip()]
    try:
        form = str(parse(given))
    except SpecError as error:
        near = suggestion(given.strip(), STATES) if isinstance(given, str) else ""
        raise SpecError(
            f"{error} Nor is it in the table.{near} Those are: {', '.join(STATES)}", error.spec
        ) from None
    return STATES.get(form) or States(form, form)


def _tensor(of: str) -> str:
    """One scale, the largest magnitude of the tensor."""
    return f"block[of={of},scale=f32]"


# Dettmers et al., "8-bit Optimizers via Block-wise Quantization", ICLR 2022, arXiv 2110.02861, table 3: equal steps
# or a dynamic tree, one scale or one for each block. Blocks of 256 are those of bitsandbytes from 0.44 on.
STATES: dict[str, States] = {
    states.name: states
    for states in (
        States("f32", "f32"),
        States("linear", _tensor("linear8"), _tensor("linear8u")),
        States("linear blocks", "bnb8[of=linear8,size=256]", "bnb8[of=linear8u,size=256]"),
        States("dynamic", _tensor("dyn8"), _tensor("dyn8u")),
        States("dynamic blocks", "bnb8[size=256]", "bnb8u[size=256]"),
        States(
            "dynamic blocks cpu",
            "bnb8[size=256,profile=bitsandbytes_cpu]",
            "bnb8u[size=256,profile=bitsandbytes_cpu]",
        ),
    )
}
