"""Vectors against exact arithmetic, and what operands they hold."""

import itertools
import math

import numpy as np
import pytest

import numfmt
from numfmt import arithmetic, parse, reference, vectors
from numfmt.arithmetic import exactly, exceptions
from numfmt.errors import SpecError
from numfmt.format import is_special
from numfmt.vectors.choosing import WHOLE, Chosen, shaped, targets, telling

EXACT = {"add": exactly.add, "sub": exactly.sub, "mul": exactly.mul, "div": exactly.div, "sqrt": exactly.sqrt,
         "fma": exactly.fma, "cast": exactly.identity, "from_int": exactly.identity}  # fmt: skip


def expected(request, mode, codes):
    """Code and exceptions of one row, by rationals alone."""
    values = [fmt.value(code) for fmt, code in zip(request.sources, codes, strict=True)]
    policy = reference.policy(request.form, mode, None, None if request.form.nan() is not None else "max")
    exact = EXACT[request.op](*values, zero=-0.0 if mode == "toward_negative" else 0.0)
    if request.op == "cast" and exact != exact:  # NaN keeps its sign
        exact = math.copysign(math.nan, -1.0 if codes[0] >> (request.sources[0].bits - 1) else 1.0)
    code = reference.encode(exact, request.form, policy)
    if is_special(exact):
        flags = exceptions.of_special(exact, tuple(values))
    else:
        flags = exceptions.of_finite(exact, code, request.form, policy, 0, "after")
    loud = any(
        math.isnan(v) and signals(f, c) for v, f, c in zip(values, request.sources, codes, strict=True)
    )
    return code & ((1 << request.form.bits) - 1), flags | 16 * loud


def signals(fmt, code):
    return arithmetic.nans.has_payload(fmt) and not code >> (fmt.man_bits - 1) & 1


CASES = [
    ("mul", "e4m3fn", {}), ("add", "e5m2", {}), ("sub", "e3m4", {}), ("div", "e4m3fnuz", {}), ("fma", "e4m3", {}),
    ("sqrt", "bf16", {}), ("cast", "e5m2", {"operands": "f16"}), ("cast", "e2m1fn", {}), ("from_int", "bf16", {}),
    ("mul", "f16", {"operands": ("e4m3fn", "e5m2")}), ("fma", "f32", {}), ("add", "f16", {}), ("from_int", "f32", {"operands": "int64", "count": 2000}),
    ("cast", "f16", {"operands": "f64", "count": 5000}),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["nearest_even", "toward_negative", "to_odd"])
@pytest.mark.parametrize(("op", "fmt", "how"), CASES, ids=[f"{c[0]}-{c[1]}-{i}" for i, c in enumerate(CASES)])
def test_results_are_exact_ones_rounded_once(op, fmt, how, mode):
    found = vectors.generate(op, fmt, rounding=mode, **how)
    some = found.take(np.random.default_rng(1).choice(len(found), 300, replace=False))
    for i in range(len(some)):
        codes = [int(x[i]) for x in some.operands]
        wanted = expected(found.request, mode, codes)
        assert (int(some["result"][i]), int(some["flags"][i])) == wanted, [hex(c) for c in codes]


def test_integers_of_64_bits_are_rounded_once():
    """2**62 + 2**38 + 1 lies above the tie of float32; as float64 it would be the tie."""
    x = np.array([2**62 + 2**38 + 1, -(2**62) - 2**38 - 1, 2**53 + 1])
    codes = arithmetic.convert(x, "f32", codes=True, operands="int64")
    assert codes.tolist() == numfmt.encode(x, "f32").tolist()
    assert codes.tolist() != numfmt.encode(x.astype(float), "f32").tolist()
    double, flags = arithmetic.convert(x, "f64", codes=True, operands="int64", flags=True)
    assert double[2] == np.float64(2.0**53).view(np.uint64)
    assert flags.tolist() == [1, 1, 1]


@pytest.mark.parametrize("profile", ["x86", "arm", "riscv"])
def test_to_int(profile):
    found = vectors.generate("to_int", "int8", operands="bf16", profile=profile, rounding="rtz")
    assert len(found) == 1 << 16
    lost = {"x86": (-128, -128, -128), "arm": (0, 127, -128), "riscv": (127, 127, -128)}[profile]
    value = numfmt.decode(found["a"], "bf16", dtype=np.float64)
    for v, result, flags in zip(value, found["result"].view(np.int8), found["flags"], strict=True):
        if math.isnan(v) or not -129 < v < 128:
            kind = 0 if math.isnan(v) else 1 if v > 0 else 2
            assert (result, flags) == (lost[kind], 16)
        else:
            assert (result, flags) == (math.trunc(v), v != math.trunc(v))
    quiet = vectors.generate("to_int", "int8", operands="bf16", profile=profile, rounding="rtz", exact=False)
    assert set(quiet["flags"].tolist()) == {0, 16}


def test_comparisons_and_extremes():
    for op, test in (
        ("eq", lambda a, b: a == b),
        ("le", lambda a, b: a <= b),
        ("lt_quiet", lambda a, b: a < b),
    ):
        found = vectors.generate(op, "e5m2")
        a, b = (numfmt.decode(x, "e5m2") for x in found.operands)
        assert np.array_equal(found["result"].astype(bool), test(a, b))
        signalling = (found["a"] & 0x7F == 0x7D) | (found["b"] & 0x7F == 0x7D)
        loud = (np.isnan(a) | np.isnan(b)) if op == "le" else signalling
        assert np.array_equal(found["flags"] == 16, loud)
    found = vectors.generate("min", "e4m3fn", variant="number")
    a, b = (numfmt.decode(x, "e4m3fn") for x in found.operands)
    assert np.array_equal(numfmt.decode(found["result"], "e4m3fn"), np.fmin(a, b), equal_nan=True)


def test_all_operands_of_small_formats_in_order():
    found = vectors.generate("mul", "e4m3fn", rounding="rne,rtz")
    assert len(found) == 2 << 16
    assert np.array_equal(found["a"][: 1 << 16], np.arange(1 << 16) >> 8)
    assert np.array_equal(found["b"][: 1 << 16], np.arange(1 << 16) & 255)
    assert np.array_equal(found.modes, np.arange(2 << 16) >> 16)
    assert [len(Chosen(vectors.request(op, "f16"))) == 1 << 16 for op in ("sqrt", "add")] == [True, False]
    assert len(Chosen(vectors.request("cast", "bf16", operands="tf32"))) == WHOLE // 2


@pytest.mark.parametrize("op", ["add", "fma", "cast", "div"])
def test_hard_operands_come_first_and_once(op):
    chosen = Chosen(vectors.request(op, "f32"))
    rows = np.stack([x.astype(np.uint64) for x in chosen.hard])
    assert np.unique(rows, axis=1).shape == rows.shape
    n = chosen.hard[0].size
    assert all(np.array_equal(x[:n], y) for x, y in zip(chosen.codes(0, n + 5), chosen.hard, strict=True))


@pytest.mark.parametrize("count", [7, 1000, 300_000])
@pytest.mark.parametrize(("op", "fmt"), [("fma", "f32"), ("mul", "e4m3fn"), ("add", "f16"), ("cast", "int8")])
def test_chunks_do_not_matter(op, fmt, count):
    chosen = Chosen(vectors.request(op, fmt, count=count))
    n = len(chosen)
    whole = chosen.codes(0, n)
    cuts = sorted({0, 1, n // 3, n // 2 + 1, n})
    parts = [chosen.codes(a, b) for a, b in itertools.pairwise(cuts)]
    for i, x in enumerate(whole):
        assert x.size == n
        assert np.array_equal(np.concatenate([part[i] for part in parts]), x)


def test_a_seed_chooses_operands_alone():
    one, same, other = (vectors.generate("add", "f32", seed=seed, count=200_000) for seed in (0, 0, 1))
    assert np.array_equal(one["a"], same["a"])
    assert not np.array_equal(one["a"], other["a"])


@pytest.mark.parametrize("fmt", ["f16", "bf16", "f32", "e4m3fn", "e8m0fnu", "int8", "q3.4", "f64"])
def test_telling_codes_hold_the_ends(fmt):
    form = parse(fmt)
    codes = set(telling(form).tolist())
    wanted = {form.edge(), form.edge(True), form.infinity(), form.nan(), form.zero()} - {None}
    assert {c & ((1 << form.bits) - 1) for c in wanted} <= codes
    assert shaped(form).max() < 1 << form.bits


def test_targets_hold_ties_and_ends():
    found = set(targets(parse("e4m3fn")).tolist())
    assert {448.0, 464.0, 2.0**-9, 2.0**-10, 1.0625, 0.0} <= found
    assert np.isfinite(targets(parse("f64"))).all()


def ties(found):
    """How many vectors change between nearest modes: ties."""
    away = found.request.answer("nearest_away", found.operands)[0]
    return np.count_nonzero(away != found.request.answer("nearest_zero", found.operands)[0])


@pytest.mark.parametrize(("op", "fmt"), [("add", "f32"), ("mul", "f32"), ("fma", "f32"), ("cast", "e4m3fn"), ("cast", "f16"), ("from_int", "f32")])  # fmt: skip
def test_there_are_ties(op, fmt):
    assert ties(vectors.generate(op, fmt)) > 100


BAD = [
    (("mull", "f16"), {}, "Did you mean 'mul'"),
    (("mul", "f61"), {}, "unknown format 'f61'"),
    (("mul", "f16"), {"rounding": "up"}, "unknown rounding mode"),
    (("mul", "f16"), {"rounding": "sr"}, "deterministic modes"),
    (("mul", "f16"), {"operands": ("f16",) * 3}, "has 2 operands"),
    (("mul", "f16"), {"variant": "x86"}, "mul has no variant"),
    (("lt", "f16"), {"ftz": "after"}, "lt has no ftz"),
    (("mul", "f16"), {"ftz": "later"}, "unknown ftz"),
    (("mul", "f16"), {"speed": 3}, "unknown choice 'speed'"),
    (("mul", "f16"), {"count": 0}, "count is an integer from 1"),
    (("mul", "f16"), {"seed": -1}, "seed is an integer from 0"),
    (("mul", "f16"), {"daz": "yes"}, "daz is True or False"),
    (("mul", "e2m1fn"), {"overflow": "infinity"}, "has no infinity"),
]


@pytest.mark.parametrize(("given", "how", "message"), BAD)
def test_bad_requests(given, how, message):
    with pytest.raises((SpecError, ValueError), match=message):
        vectors.generate(*given, **how)


def test_a_request_survives_json():
    asked = vectors.request(
        "fma", "bf16", operands=("e4m3fn", "e5m2", "bf16"), rounding="rne,rup", daz=True, seed=3
    )
    assert vectors.of_dict(asked.to_dict()) == asked
