"""Every format there is: families of spellings, and names. A new format registers itself here."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from . import spec as specs
from .errors import SpecError, suggestion
from .format import Format
from .scaled import ScaledFormat


class Option(NamedTuple):
    """One `key=value` of a family: the values allowed, or a pattern of them with its description,
    and the one taken when it is left out. A bare `key` turns on what is off by default."""

    choices: tuple[str, ...]
    default: str | None = None
    pattern: str = ""

    def allows(self, value: str) -> bool:
        return bool(re.fullmatch(self.pattern, value)) if self.pattern else value in self.choices


def integer(default: str | None = None) -> Option:
    """An option that takes any integer."""
    return Option(("an integer",), default, r"[+-]?\d+")


class Family(NamedTuple):
    pattern: re.Pattern[str]
    build: Callable[..., Format | ScaledFormat]
    options: dict[str, Option]
    examples: tuple[str, ...]


FAMILIES: list[Family] = []
SCALED_FAMILIES: list[Family] = []
RECIPES: dict[str, tuple[str, ...]] = {}  # name of a scaled format: other names
NAMES: dict[str, str] = {}  # canonical name -> spelling
ALIASES: dict[str, str] = {}  # other name -> canonical name
_AMBIGUOUS = {
    "fp8": "e4m3fn e5m2 e4m3 e3m4 e4m3fnuz e5m2fnuz",
    "fp6": "e3m2fn e2m3fn",
    "fp4": "e2m1fn fp4_bnb",
    "bf8": "e5m2 e5m2fnuz",
    "mxfp6": "mxfp6_e2m3 mxfp6_e3m2",
    "fp24": "pxr24",
}
for _short, _others in {
    "fp8": ("f8", "float8", "hf8"),
    "fp6": ("f6", "float6"),
    "fp4": ("f4", "float4"),
}.items():
    _AMBIGUOUS |= dict.fromkeys(_others, _AMBIGUOUS[_short])


Build = TypeVar("Build", bound=Callable[..., Format])


def family(pattern: str, options: dict[str, Option], examples: tuple[str, ...]) -> Callable[[Build], Build]:
    """Register a family: `build(match, spec, **options)` for names that match the whole pattern.

    The examples are the parameters of the law tests; each matches exactly one family.
    """

    def register(build: Build) -> Build:
        FAMILIES.append(Family(re.compile(pattern), build, options, examples))
        return build

    return register


def scaled_family(
    pattern: str, options: dict[str, Option], examples: tuple[str, ...]
) -> Callable[[Any], Any]:
    """Register a family of scaled formats, as `family` does; an option without a default comes as None."""

    def register(build: Any) -> Any:
        SCALED_FAMILIES.append(Family(re.compile(pattern), build, options, examples))
        return build

    return register


class Scaling(NamedTuple):
    """What makes a scaled format of an element format: its options, and `build(of, spec, **options)`
    with None for each that is not given."""

    options: dict[str, Option]
    build: Callable[..., ScaledFormat]


SCALINGS: list[Scaling] = []


def scaling(options: dict[str, Option]) -> Callable[[Any], Any]:
    """Register what builds scaled formats: it gets the options that a family does not know itself."""

    def register(build: Any) -> Any:
        SCALINGS.append(Scaling(options, build))
        return build

    return register


class Lowered(NamedTuple):
    """The kind of loop that rounds, its parameters, and the least magnitude word that the policy
    may refuse."""

    kind: str
    parameters: Any
    guard: int


class Reading(NamedTuple):
    """The loop that reads codes, and its parameters."""

    loop: str
    parameters: Any


LOWERINGS: dict[type[Format], Any] = {}


def lowering(family: type[Format]) -> Callable[[Any], Any]:
    """Register what lowers a family's formats to the parameters of its loops."""

    def register(lowered: Any) -> Any:
        LOWERINGS[family] = lowered
        return lowered

    return register


def name(canonical: str, spelling: str, *aliases: str) -> None:
    """Give a spelling a name of its own."""
    NAMES[canonical] = spelling
    ALIASES.update(dict.fromkeys(aliases, canonical))


def list_formats() -> list[str]:
    """Every registered name, those of scaled formats last.

    >>> list_formats()[:5]
    ['f64', 'f32', 'tf32', 'f16', 'bf16']
    """
    return [*NAMES, *RECIPES]


def examples() -> list[str]:
    """Names and examples of every family: what the laws are tested on."""
    return list(NAMES) + [e for f in FAMILIES for e in f.examples if e not in NAMES]


def scaled_examples() -> list[str]:
    """Names and examples of scaled formats: what the laws of blocks are tested on."""
    return list(RECIPES) + [e for f in SCALED_FAMILIES for e in f.examples if e not in RECIPES]


def parse(spec: Any) -> Format | ScaledFormat:
    """The format of a spec string, or of a NumPy, ml_dtypes or torch dtype.

    Parameters
    ----------
    spec : str, Format, ScaledFormat, dtype or scalar type
        `name` or `name[key=value,...]`; case and blanks do not matter.

    Raises
    ------
    SpecError : the name or an option means nothing; the message says what would.

    >>> parse("fp16") == parse("e5m10") == parse(np.float16)
    True
    """
    if isinstance(spec, (Format, ScaledFormat)):
        return spec
    return _parse_text(spec if isinstance(spec, str) else _dtype_name(spec))


def element(spec: Any) -> Format:
    """`parse` where only an element format will do."""
    form = parse(spec)
    if isinstance(form, ScaledFormat):
        raise TypeError(f"'{form}' is a scaled format; this takes an element format, such as '{form.of}'")
    return form


def _dtype_name(dtype: Any) -> str:
    """The name of a dtype object; torch's print as `torch.float8_e4m3fn`."""
    module = type(dtype).__module__.split(".")[0]
    if module == "torch":
        return str(dtype).removeprefix("torch.")
    import numpy as np

    if isinstance(dtype, (np.dtype, type)):
        try:
            return str(np.dtype(dtype).name)
        except TypeError:
            pass
    raise SpecError(f"a format is a spec string or a dtype, got {type(dtype).__name__}: {dtype!r}", "")


@lru_cache(maxsize=1024)
def _parse_text(text: str) -> Format | ScaledFormat:
    spec = specs.read(text)
    canonical = ALIASES.get(spec.name, spec.name)
    spelling = NAMES.get(canonical, canonical)
    for fam in FAMILIES:
        match = fam.pattern.fullmatch(spelling)
        if match:
            return _built(fam, match, spec)
    for fam in SCALED_FAMILIES:
        match = fam.pattern.fullmatch(spec.name)
        if match:
            return fam.build(match, text, **_options(spec, fam.options))
    raise _unknown(text, spec.name)


def _options(spec: specs.Spec, known: dict[str, Option]) -> dict[str, str | None]:
    """The options given, and the defaults of the others."""
    names = [key for key, _ in spec.options]
    if len(set(names)) < len(names):
        raise SpecError(f"{spec.text!r}: an option is given twice", spec.text)
    given = {key: _allowed(spec, key, value, known) for key, value in spec.options}
    return {key: given.get(key, option.default) for key, option in known.items()}


def _built(fam: Family, match: re.Match[str], spec: specs.Spec) -> Format | ScaledFormat:
    names = {key for key, _ in spec.options}
    scaling = next((s for s in SCALINGS if s.options.keys() & names - fam.options.keys()), None)
    chosen = _options(spec, fam.options | (scaling.options if scaling else {}))
    own = {key: chosen.pop(key) for key in fam.options}
    missing = next((key for key, value in own.items() if value is None), None)
    if missing:
        raise SpecError(f"{spec.text!r}: {missing}= is needed, as in '{fam.examples[0]}'", spec.text)
    form = fam.build(match, spec.text, **own)
    return scaling.build(form, spec.text, **chosen) if scaling else form


def _allowed(spec: specs.Spec, key: str, value: str, known: dict[str, Option]) -> str:
    if key not in known:
        takes = f"It takes: {', '.join(known)}" if known else "It takes none"
        raise SpecError(f"{spec.text!r}: unknown option {key!r}.{suggestion(key, known)} {takes}", spec.text)
    option = known[key]
    if not value and option.default == "off":
        return "on"
    if not value:
        raise SpecError(f"{spec.text!r}: {key!r} should be key=value", spec.text)
    if not option.allows(value):
        raise SpecError(f"{spec.text!r}: {key} is {' or '.join(option.choices)}, got {value!r}", spec.text)
    return value


def _unknown(text: str, plain: str) -> SpecError:
    if plain in _AMBIGUOUS:
        choices = ", ".join(map(repr, _AMBIGUOUS[plain].split()))
        return SpecError(f"{plain!r} does not say which format is meant. Choose one of: {choices}", text)
    near = suggestion(plain, dict.fromkeys([*examples(), *ALIASES, *scaled_examples()]))
    return SpecError(f"unknown format {text.strip()!r}.{near} numfmt.list_formats() lists all of them.", text)
