"""Planted bugs, as a table: what a wrong implementation of an operation would answer.

Each row of `MUTANTS` has a `name`, a `text` that says the bug in words, and a function that answers for arrays of
operand codes as an implementation with that bug would, made from right operations of `numfmt.arithmetic`. Two uses:

* an audit: vectors are good if each mutant that `applies` is caught by one of them (`numfmt.testing.audit`);
* a guess: wrong results are compared with what the mutants answer (`suspects`).

A question is a `numfmt.vectors.Request`, one of its rounding modes, and the operands as codes. Numbers become a
question as conversions from float64:

>>> asked = numfmt.vectors.request("cast", "e4m3fn", operands="f64")
>>> x = np.array([1.0625, -1.0625, 1.05, 1.1875])
>>> theirs = numfmt.encode(x, "e4m3fn", rounding="nearest_away")
>>> print(suspects(asked, "nearest_even", (x.view(np.uint64),), theirs)[0])
ties go away from zero: all 2 differences
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import arithmetic
from ..arithmetic import nans
from ..casting import decode
from ..engine.inputs import Input
from ..errors import SpecError
from ..formats.floats import Float
from ..registry import element
from ..vectors import Request
from ..vectors.words import unsigned

Array = np.ndarray[Any, Any]
Operands = tuple[Array, ...]
Answer = tuple[Array, Array]  # codes, flags
INEXACT, UNDERFLOW, OVERFLOW, DIVIDE_BY_ZERO, INVALID = map(np.uint8, arithmetic.FLAGS.values())
ROUNDING = frozenset({"cast", "add", "sub", "mul", "div", "sqrt", "fma", "from_int"})
SUMS = frozenset({"add", "sub", "fma"})
PRODUCTS = frozenset({"cast", "mul", "div", "fma"})  # what can underflow: sums of subnormals are exact
TINY = PRODUCTS | {"add", "sub", "rem"}  # what can be subnormal
COMPARISONS = frozenset({"eq", "le", "lt", "eq_signaling", "le_quiet", "lt_quiet"})


class Question(NamedTuple):
    """One operation in one rounding mode."""

    request: Request
    mode: str

    def right(self, operands: Operands) -> Answer:
        codes, flags = self.request.answer(self.mode, operands)
        return codes, flags

    def choosing(self, mode: str | None = None, **choices: Any) -> Question:
        """The same in another mode, or with other choices."""
        other = replace(self.request, choices={**self.request.choices, **choices})
        return Question(other, mode or self.mode)

    @property
    def form(self) -> Float:
        """The format of the result, of those that ask for it a float."""
        form = self.request.form
        assert isinstance(form, Float)
        return form


Test = Callable[[Question], bool]


class Mutant(NamedTuple):
    """`answer(question, operands)`: wrong codes and flags. `applies(question)`: whether the bug can show at all."""

    name: str
    text: str
    answer: Callable[[Question, Operands], Answer]
    applies: Test


class Suspect(NamedTuple):
    """A mutant that gives some of the wrong results; `spoils`: right ones that it would make wrong."""

    mutant: Mutant
    explained: int
    wrong: int
    spoils: int

    def __str__(self) -> str:
        share = "all" if self.explained == self.wrong else f"{self.explained} of"
        beside = f", but {self.spoils} results that are right contradict it" if self.spoils else ""
        return f"{self.mutant.text}: {share} {self.wrong} differences{beside}"


def applicable(request: Request, mode: str) -> list[Mutant]:
    """The mutants that an operation can have in a mode.

    >>> asked = numfmt.vectors.request("mul", "e4m3fn")
    >>> [m.name for m in applicable(asked, "nearest_even")][:4]
    ['truncates', 'ties_away', 'ties_to_zero', 'ties_to_odd']
    """
    if request.operation.operands is None:
        return []
    question = Question(request, mode)
    return [mutant for mutant in MUTANTS.values() if mutant.applies(question)]


def suspects(
    request: Request, mode: str, operands: Operands, codes: Array, flags: Array | None = None
) -> list[Suspect]:
    """Mutants that explain wrong results, the best first; empty where none does.

    Parameters
    ----------
    request, mode, operands
        The question; operands as codes, 1-D arrays.
    codes, flags : arrays of that length
        What was answered; flags may be unknown.

    Returns
    -------
    list of Suspect : those that give more than half of what is wrong, and spoil less than they explain
    """
    question, theirs = Question(request, mode), _words(question_bits(request), codes, flags)
    right = _words(question_bits(request), *_known(question.right(operands), flags))
    wrong = theirs != right
    found = [_suspect(m, question, operands, theirs, right, flags) for m in applicable(request, mode)]
    total = int(wrong.sum())
    likely = [s for s in found if s is not None and 2 * s.explained > total and s.spoils <= s.explained]
    return sorted(likely, key=lambda s: (-s.explained, s.spoils))


def _suspect(
    mutant: Mutant, question: Question, operands: Operands, theirs: Array, right: Array, flags: Array | None
) -> Suspect | None:
    answered = mutant.answer(question, operands)
    words = _words(question_bits(question.request), *_known(answered, flags))
    wrong = theirs != right
    explained = int(np.count_nonzero(wrong & (words == theirs)))
    spoils = int(np.count_nonzero(~wrong & (words != theirs)))
    return Suspect(mutant, explained, int(wrong.sum()), spoils) if explained else None


def question_bits(request: Request) -> int:
    """Bits of a result."""
    return request.outputs[0].bits


def _known(answer: Answer, flags: Array | None) -> tuple[Array, Array | None]:
    return answer[0], None if flags is None else answer[1]


def _words(bits: int, codes: Array, flags: Array | None) -> Array:
    """Results and flags as things to compare."""
    plain = unsigned(np.asarray(codes), bits)
    if flags is None:
        return plain.astype(np.uint64)
    pairs = np.empty(plain.shape, [("code", np.uint64), ("flags", np.uint8)])
    pairs["code"], pairs["flags"] = plain, flags
    return pairs


# When a mutant applies


def _any(*tests: Test) -> Test:
    return lambda q: any(test(q) for test in tests)


def _all(*tests: Test) -> Test:
    return lambda q: all(test(q) for test in tests)


def _op(*names: str) -> Test:
    return lambda q: q.request.op in names


def _not_op(*names: str) -> Test:
    return lambda q: q.request.op not in names


def _mode(*names: str) -> Test:
    return lambda q: q.mode in names


def _not_mode(*names: str) -> Test:
    return lambda q: q.mode not in names


def _unless(test: Test) -> Test:
    return lambda q: not test(q)


def _nearest(q: Question) -> bool:
    return q.mode.startswith("nearest")


def _chooses(name: str, *values: Any) -> Test:
    """Whether a choice has one of these values; None: it was not made."""
    return lambda q: q.request.choices.get(name) in values


def _is_float(q: Question) -> bool:
    return isinstance(q.request.form, Float)


def _result(has: Callable[[Float], bool]) -> Test:
    """Whether the result is a float, and its format is such."""
    return lambda q: q.request.op in ROUNDING | {"rem"} and _is_float(q) and has(q.form)


def _has_subnormals(fmt: Float) -> bool:
    return fmt.subnormals and fmt.man_bits > 0 and fmt.has_zero


def _reads(has: Callable[[Any], bool]) -> Test:
    """Whether the format of an operand is such."""
    return lambda q: any(map(has, q.request.sources))


def _has_infinity(fmt: Any) -> bool:
    return fmt.infinity() is not None


def _has_negative_zero(fmt: Float) -> bool:
    return fmt.zero() is not None and fmt.zero() != fmt.zero(True)


def _has_special(fmt: Float) -> bool:
    return fmt.special() != fmt.edge()


def _has_payloads(fmt: Float) -> bool:
    """NaNs that differ in more than one bit, so that another is still a NaN."""
    return nans.has_payload(fmt) and fmt.man_bits > 1


def _has_nans(fmt: Float) -> bool:
    """One of each sign."""
    return fmt.nan() != fmt.nan(True)


def _is_any(fmt: Float) -> bool:
    return True


def _is_float_with_subnormals(fmt: Any) -> bool:
    return isinstance(fmt, Float) and _has_subnormals(fmt)


def _can_widen(q: Question) -> bool:
    """Whether there is a format with more bits and exponents."""
    try:
        _wider(q.form, 3)
    except SpecError:
        return False
    return True


def _can_overflow(q: Question) -> bool:
    """Whether operands reach past the step after the last value, where every mode overflows."""
    form = q.request.form
    converts = q.request.op in ("cast", "from_int")
    return not converts or q.request.sources[0].largest >= form.max + (form.step or 0)


def _can_be_invalid(q: Question) -> bool:
    """By a NaN that signals; by infinities; of any numbers."""
    sources, op = q.request.sources, q.request.op
    infinite = op in ("add", "sub", "mul", "fma", "rem") and any(map(_has_infinity, sources))
    loud = op in ("le", "lt", "eq_signaling") and any(fmt.nan() is not None for fmt in sources)
    return infinite or loud or op in ("div", "sqrt", "to_int", "rem") or any(map(nans.has_payload, sources))


ROUNDS = _all(_op(*ROUNDING), _is_float)
TO_INT = _op("to_int")
ROUNDS_AT_ALL = _any(ROUNDS, TO_INT)
EVEN = _all(ROUNDS_AT_ALL, _mode("nearest_even"), _not_op("sqrt"))  # no root is a tie
UNSIGNED = _all(_op("sqrt"), _mode("toward_negative"))  # roots are positive: down is toward zero
CUTS = _any(_mode("toward_zero"), UNSIGNED)
NUMBERS = _not_op("from_int")  # from floats: -0 and NaN too
SUBNORMAL = _all(_result(_has_subnormals), _op(*TINY), _chooses("ftz", None))
UNDERFLOWS = _all(SUBNORMAL, _op(*PRODUCTS))
TINY_IN_TWO_WAYS = _all(
    UNDERFLOWS, _not_op("div"), _not_mode("toward_zero", "to_odd")
)  # no quotient is so near
OVERFLOWS = _all(ROUNDS, _not_op("sqrt"), _can_overflow)
IEEE = _all(OVERFLOWS, _chooses("overflow", None, "ieee"))
WIDENS = _all(ROUNDS, _can_widen)


# Bugs in what is asked: another mode, another policy


def _in_mode(mode: str) -> Callable[[Question, Operands], Answer]:
    return lambda q, operands: q.choosing(mode).right(operands)


def _with(**choices: Any) -> Callable[[Question, Operands], Answer]:
    return lambda q, operands: q.choosing(**choices).right(operands)


OPPOSITE = {"toward_positive": "toward_negative", "toward_negative": "toward_positive"}
DIRECTED = ("toward_zero", "toward_positive", "toward_negative", "to_odd")
OF_MAGNITUDE = {
    "toward_positive": "away_from_zero",
    "toward_negative": "toward_zero",
    "nearest_up": "nearest_away",
}


def _mapped(modes: dict[str, str]) -> Callable[[Question, Operands], Answer]:
    return lambda q, operands: q.choosing(modes[q.mode]).right(operands)


def _other_tininess(q: Question, operands: Operands) -> Answer:
    told = q.request.choices.get("tininess", "after")
    return q.choosing(tininess="before" if told == "after" else "after").right(operands)


# Bugs on the way to the result: bits lost, or rounded twice


def _wider(form: Float, more: int) -> Float:
    """A format with more fraction bits, and exponents enough that nothing happens at its ends."""
    wide = element(f"e{form.exp_bits + 1}m{form.man_bits + more}b{form.bias + (1 << form.exp_bits) // 2}")
    assert isinstance(wide, Float)
    return wide


def _twice(first: str, more: int) -> Callable[[Question, Operands], Answer]:
    """Rounded to a few more bits in one mode, then to the format."""

    def answer(q: Question, operands: Operands) -> Answer:
        wide = str(_wider(q.form, more))
        kept = {name: value for name, value in q.request.choices.items() if name in ("daz", "nan_profile")}
        between = replace(q.request, fmt=wide, choices=kept).answer(first, operands)
        how = {name: value for name, value in q.request.choices.items() if name != "daz"}
        last = replace(q.request, op="cast", operands=(wide,), choices=how)
        codes, flags = last.answer(q.mode, (between[0],))
        return codes, flags | between[1] & ~(UNDERFLOW | OVERFLOW)

    return answer


def _product_rounded(q: Question, operands: Operands) -> Answer:
    """fma as a product and a sum."""
    a, b, c = operands
    formats, kept = q.request.operands, q.request.choices
    first = replace(q.request, op="mul", operands=formats[:2])
    product, before = first.answer(q.mode, (a, b))
    second = replace(q.request, op="add", operands=(q.request.fmt, formats[2]), choices=kept)
    codes, flags = second.answer(q.mode, (product, c))
    return codes, flags | before


def _carry_lost(q: Question, operands: Operands) -> Answer:
    """Where rounding up makes 10.00 of 1.11, the exponent stays. What overflows does so as ever."""
    codes, flags = q.right(operands)
    low = q.choosing("toward_zero").right(operands)[0]
    word, man = codes.dtype.type, q.form.man_bits
    carried = (codes >> word(man) != low >> word(man)) & _finite(codes, q.form)
    return np.where(carried, low & ~word((1 << man) - 1), codes), flags


# Bugs in the result


def _finite(codes: Array, form: Float) -> Array:
    return np.asarray(np.isfinite(decode(codes, form, dtype=np.float64)))


def _nan(codes: Array, form: Float) -> Array:
    return np.asarray(np.isnan(decode(codes, form, dtype=np.float64)))


def _changed(
    where: Callable[[Array, Question], Array], become: Callable[[Array, Question], Array | int]
) -> Callable[[Question, Operands], Answer]:
    """Some codes replaced."""

    def answer(q: Question, operands: Operands) -> Answer:
        codes, flags = q.right(operands)
        other = np.asarray(become(codes, q)).astype(codes.dtype)
        return np.where(where(codes, q), other, codes), flags

    return answer


def _is_minus_zero(codes: Array, q: Question) -> Array:
    return np.asarray(codes == q.form.zero(True))


def _is_number(codes: Array, q: Question) -> Array:
    """Finite and not zero."""
    values = np.asarray(decode(codes, q.form, dtype=np.float64))
    return np.isfinite(values) & (values != 0)


def _exponent_moved(by: int) -> Callable[[Array, Question], Array]:
    def become(codes: Array, q: Question) -> Array:
        size = q.form.bits - q.form.signed
        low = (1 << size) - 1
        wide = codes.astype(np.int64) if q.form.bits < 64 else codes.view(np.int64)
        moved = ((wide & low) + by * (1 << q.form.man_bits)) & low
        return ((wide & ~low) | moved).view(np.uint64)

    return become


def _is_nan(codes: Array, q: Question) -> Array:
    return _nan(codes, q.form)


def _nan_flipped(bit: Callable[[Float], int]) -> Callable[[Array, Question], Array]:
    return lambda codes, q: codes ^ codes.dtype.type(1 << bit(q.form))


def _opposites_positive(q: Question, operands: Operands) -> Answer:
    """x - x has the sign of nearest even in every mode."""
    codes, flags = q.right(operands)
    plain = q.choosing("nearest_even").right(operands)[0]
    return np.where(_is_minus_zero(codes, q), plain, codes), flags


def _invalid_is_infinity(q: Question, operands: Operands) -> Answer:
    """NaN of an invalid operation comes out as what overflow gives."""
    codes, flags = q.right(operands)
    place = codes.dtype.type(q.form.infinity() or 0)
    return np.where((flags & INVALID != 0) & _nan(codes, q.form), place, codes), flags


# Bugs in the exceptions


def _flags(
    change: Callable[[Array, Array, Question, Operands], Array],
) -> Callable[[Question, Operands], Answer]:
    def answer(q: Question, operands: Operands) -> Answer:
        codes, flags = q.right(operands)
        return codes, change(flags, codes, q, operands).astype(np.uint8)

    return answer


def _never(flag: np.uint8) -> Callable[[Question, Operands], Answer]:
    return _flags(lambda flags, *_: flags & ~flag)


def _tiny_when_exact(flags: Array, codes: Array, q: Question, operands: Operands) -> Array:
    values = np.abs(np.asarray(decode(codes, q.form, dtype=np.float64)))
    return flags | UNDERFLOW * ((values > 0) & (values < float(q.form.min_normal)))


def _overflow_alone(flags: Array, codes: Array, q: Question, operands: Operands) -> Array:
    return np.where(flags & OVERFLOW != 0, flags & ~INEXACT, flags)


def _divide_is_invalid(flags: Array, codes: Array, q: Question, operands: Operands) -> Array:
    return np.where(flags & DIVIDE_BY_ZERO != 0, INVALID, flags)


def _quiet(flags: Array, codes: Array, q: Question, operands: Operands) -> Array:
    """Signalling NaNs raise nothing."""
    pairs = zip(operands, q.request.sources, strict=True)
    loud = np.logical_or.reduce([nans.signals(Input(x, fmt)) for x, fmt in pairs])
    return np.where(loud, flags & ~INVALID, flags)


# Bugs of operations that do not round


def _as_patterns(q: Question, operands: Operands) -> Answer:
    """Compared as two's complement integers of the same bits."""
    flags = q.right(operands)[1]
    shift = 64 - q.request.sources[0].bits
    a, b = ((x.astype(np.uint64) << np.uint64(shift)).view(np.int64) for x in operands)
    compare = {"e": np.equal, "le": np.less_equal, "lt": np.less}[
        q.request.op.split("_")[0].replace("eq", "e")
    ]
    return compare(a, b).astype(np.uint8), flags


def _zeros_differ(q: Question, operands: Operands) -> Answer:
    """-0 counts as less than +0."""
    codes, flags = q.right(operands)
    a, b = (np.asarray(decode(x, f)) for x, f in zip(operands, q.request.sources, strict=True))
    zeros = (a == 0) & (b == 0) & (np.signbit(a) != np.signbit(b))
    less = np.signbit(a) & (q.request.op[0] == "l")
    return np.where(zeros, less.astype(np.uint8), codes), flags


def _nan_is_equal(q: Question, operands: Operands) -> Answer:
    codes, flags = q.right(operands)
    a, b = (np.asarray(decode(x, f)) for x, f in zip(operands, q.request.sources, strict=True))
    return np.where(np.isnan(a) & np.isnan(b), np.uint8(1), codes), flags


def _first_of_zeros(q: Question, operands: Operands) -> Answer:
    """Zeros of two signs: the first operand."""
    codes, flags = q.right(operands)
    a, b = (np.asarray(decode(x, f)) for x, f in zip(operands, q.request.sources, strict=True))
    return np.where((a == 0) & (b == 0), operands[0].astype(codes.dtype), codes), flags


def _low_bits(q: Question, operands: Operands) -> Answer:
    """Out of range: the low bits of the integer, as if it had been wider, and no exception."""
    wide = min(2 * q.request.form.bits, 63)
    larger = replace(q.request, fmt=f"int{wide}").answer(q.mode, operands)
    codes, flags = q.right(operands)
    word = codes.dtype.type
    cut = larger[0].astype(np.uint64) & np.uint64((1 << q.request.form.bits) - 1)
    lost = (flags & INVALID != 0) & (larger[1] & INVALID == 0)
    return np.where(lost, cut.astype(word), codes), np.where(lost, larger[1], flags)


def _nan_to_zero(q: Question, operands: Operands) -> Answer:
    codes, flags = q.right(operands)
    nan = np.isnan(np.asarray(decode(operands[0], q.request.sources[0])))
    return np.where(nan, codes.dtype.type(0), codes), flags


def _bug(name: str, text: str, answer: Callable[[Question, Operands], Answer], *applies: Test) -> Mutant:
    return Mutant(name, text, answer, _all(*applies))


MUTANTS = {
    mutant.name: mutant
    for mutant in (
        _bug("truncates", "results are truncated, not rounded", _in_mode("toward_zero"), ROUNDS_AT_ALL, _unless(CUTS)),
        _bug("ties_away", "ties go away from zero", _in_mode("nearest_away"), EVEN),
        _bug("ties_to_zero", "ties go toward zero", _in_mode("nearest_zero"), EVEN),
        _bug("ties_to_odd", "ties go to the odd neighbour", _in_mode("nearest_odd"), EVEN),
        _bug("ties_up", "half is added to the signed number: ties go toward positive", _in_mode("nearest_up"), EVEN),
        _bug("rounds_away", "any inexact result grows", _in_mode("away_from_zero"), ROUNDS_AT_ALL, _not_mode("away_from_zero"), _unless(_all(_op("sqrt"), _mode("toward_positive")))),
        _bug("always_nearest", "the mode is ignored: nearest even", _in_mode("nearest_even"), ROUNDS_AT_ALL, _not_mode("nearest_even")),
        _bug("directions_swapped", "up and down are swapped", _mapped(OPPOSITE), ROUNDS_AT_ALL, _mode(*OPPOSITE)),
        _bug("sign_ignored", "the direction is taken of the magnitude", _mapped(OF_MAGNITUDE), ROUNDS_AT_ALL, _mode(*OF_MAGNITUDE), _not_op("sqrt")),
        _bug("sticky_lost", "bits below the guard and round bits are lost: there is no sticky bit", _twice("toward_zero", 2), WIDENS, _unless(CUTS)),
        _bug("guard_lost", "all bits below the guard bit are lost", _twice("toward_zero", 1), WIDENS, _unless(CUTS)),
        _bug("double_rounding", "rounded twice: to three more bits first", _twice("nearest_even", 3), WIDENS),
        _bug("product_rounded", "the product is rounded before the sum", _product_rounded, ROUNDS, _op("fma")),
        _bug("carry_lost", "the carry of rounding up into the exponent is lost", _carry_lost, WIDENS, _unless(CUTS), _unless(_all(_op("sqrt"), _nearest))),
        _bug("operands_flushed", "subnormal operands are taken for zero", _with(daz=True), NUMBERS, _reads(_is_float_with_subnormals), _chooses("daz", None, False)),
        _bug("results_flushed", "subnormal results become zero", _with(ftz="after"), SUBNORMAL, _not_op("rem")),
        _bug("results_flushed_before", "results become zero that are tiny before they are rounded", _with(ftz="before"), SUBNORMAL, _not_op("rem")),
        _bug("minus_zero_lost", "-0 becomes +0", _changed(_is_minus_zero, lambda codes, q: q.form.zero() or 0), _result(_has_negative_zero), NUMBERS),
        _bug("zero_sums_positive", "opposite numbers add to +0 in every mode", _opposites_positive, _result(_has_negative_zero), _op(*SUMS), _mode("toward_negative")),
        _bug("overflow_to_max", "overflow gives the largest value", _with(overflow="saturate"), IEEE, _result(_has_special), _not_mode("toward_zero", "to_odd")),
        _bug("overflow_to_infinity", "overflow gives infinity in every mode", _with(overflow="infinity"), IEEE, _result(_has_infinity), _mode(*DIRECTED)),
        _bug("bias_high", "the exponent is one too high", _changed(_is_number, _exponent_moved(1)), _result(_is_any)),
        _bug("bias_low", "the exponent is one too low", _changed(_is_number, _exponent_moved(-1)), _result(_is_any)),
        _bug("nan_payload", "the lowest payload bit of NaN is another", _changed(_is_nan, _nan_flipped(lambda f: 0)), _result(_has_payloads), NUMBERS),
        _bug("nan_signals", "a NaN result is not quiet", _changed(_is_nan, _nan_flipped(lambda f: f.man_bits - 1)), _result(_has_payloads), NUMBERS),
        _bug("nan_sign", "the sign of NaN is another", _changed(_is_nan, _nan_flipped(lambda f: f.bits - 1)), _result(_has_nans), NUMBERS),
        _bug("invalid_is_infinity", "an invalid operation gives infinity", _invalid_is_infinity, _result(_has_infinity), NUMBERS),
        _bug("inexact_never", "inexact is never raised", _never(INEXACT), ROUNDS_AT_ALL),
        _bug("underflow_never", "underflow is never raised", _never(UNDERFLOW), UNDERFLOWS),
        _bug("overflow_never", "overflow is never raised", _never(OVERFLOW), OVERFLOWS),
        _bug("invalid_never", "invalid is never raised", _never(INVALID), _can_be_invalid),
        _bug("divide_by_zero_never", "divide by zero is never raised", _never(DIVIDE_BY_ZERO), _op("div")),
        _bug("divide_is_invalid", "division by zero is called invalid", _flags(_divide_is_invalid), _op("div")),
        _bug("other_tininess", "tininess is detected at the other end of rounding", _other_tininess, TINY_IN_TWO_WAYS),
        _bug("tiny_when_exact", "underflow is raised for exact subnormal results", _flags(_tiny_when_exact), SUBNORMAL),
        _bug("overflow_alone", "overflow comes without inexact", _flags(_overflow_alone), OVERFLOWS),
        _bug("signalling_ignored", "a signalling NaN raises nothing", _flags(_quiet), _reads(nans.has_payload)),
        _bug("as_patterns", "bit patterns are compared as integers", _as_patterns, _op(*COMPARISONS)),
        _bug("zeros_differ", "-0 is less than +0", _zeros_differ, _op(*COMPARISONS)),
        _bug("nan_equals_nan", "NaN is equal to NaN", _nan_is_equal, _op("eq", "le", "eq_signaling", "le_quiet")),
        _bug("zeros_alike", "zeros of two signs: the first operand is taken", _first_of_zeros, _op("min", "max")),
        _bug("integer_wraps", "a number out of range gives its low bits", _low_bits, TO_INT),
        _bug("nan_to_zero", "NaN becomes the integer 0", _nan_to_zero, TO_INT, _chooses("profile", "x86", "riscv")),
    )
}  # fmt: skip
