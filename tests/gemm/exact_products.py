"""Products of matrices element by element in fractions: what `numfmt.gemm.orders` says, written once more."""

import math
from fractions import Fraction

from numfmt import parse
from numfmt.reference import encode, exact, policy


def rounded(x, spec, mode="nearest_even"):
    fmt = parse(spec)
    return fmt.value(encode(x, fmt, policy(fmt, mode)))


class Sum:
    """One element: terms are pairs of numbers."""

    def __init__(self, row, column, spec, product, mode):
        self.pairs = [(Fraction(float(x)), Fraction(float(y))) for x, y in zip(row, column, strict=True)]
        self.spec, self.product, self.mode = spec, product, mode

    def round(self, x):
        if self.product == "fma32":
            x = rounded(x, "f32")
        return rounded(x, self.spec, self.mode)

    def term(self, k):
        x, y = self.pairs[k]
        return self.round(x * y)

    def plus(self, a, b):
        return self.round(Fraction(a) + Fraction(b))

    def step(self, total, k):
        if self.product == "rounded":
            return self.plus(total, self.term(k))
        x, y = self.pairs[k]
        return self.round(Fraction(total) + x * y)

    def sequential(self, total, ks):
        for k in ks:
            total = self.step(total, k)
        return total

    def pairwise(self, total, ks):
        def half(ks):
            if len(ks) == 1:
                return self.term(ks[0])
            m = math.ceil(len(ks) / 2)
            return self.plus(half(ks[:m]), half(ks[m:]))

        return self.plus(total, half(ks))

    def tree(self, total, ks, width):
        for start in range(0, len(ks), width):
            row = [self.term(k) for k in ks[start : start + width]]
            while len(row) > 1:
                row = [
                    self.plus(*row[i : i + 2]) if i + 1 < len(row) else row[i] for i in range(0, len(row), 2)
                ]
            total = self.plus(total, row[0])
        return total

    def blocked(self, total, ks, size):
        for start in range(0, len(ks), size):
            total = self.plus(total, self.sequential(0, ks[start : start + size]))
        return total

    def split_k(self, total, ks, parts):
        start = 0
        for i in range(parts):
            size = len(ks) // parts + (i < len(ks) % parts)
            if size:
                total = self.plus(total, self.sequential(0, ks[start : start + size]))
            start += size
        return total

    def kahan(self, total, ks):
        lost = 0
        for k in ks:
            y = self.plus(self.term(k), -Fraction(lost))
            t = self.plus(total, y)
            lost = self.plus(self.plus(t, -Fraction(total)), -Fraction(y))
            total = t
        return total

    def exact(self, total, ks):
        return rounded(
            Fraction(total) + sum(self.pairs[k][0] * self.pairs[k][1] for k in ks), self.spec, self.mode
        )


def multiply(a, b, spec, product, order, mode="nearest_even", c=0.0):
    name, _, size = order.rstrip(")").partition("(")
    sizes = [int(size)] if size else []
    result = []
    for row in a:
        sums = [Sum(row, column, spec, product, mode) for column in b.T]
        start = rounded(exact(c), spec)
        result.append([float(getattr(s, name)(start, range(len(row)), *sizes)) for s in sums])
    return result
