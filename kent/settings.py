"""What a setting may be: declared as the type of its argument or field, and held here."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, wraps
from numbers import Integral
from typing import Annotated, Any, get_type_hints

import numpy as np
import torch
from pydantic import BeforeValidator, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError
from torch import Tensor

STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)
"""No word is read as a number, and no number as a word or truth value; 3 may stand for 3.0."""


def _read_integer(value: object) -> object:
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _read_array(value: object) -> object:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        if value.dtype.itemsize > 8:
            raise ValueError(f"an array of numbers that torch knows (found: {value.dtype})")
        value = torch.from_numpy(np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    if not isinstance(value, Tensor):
        return value
    if value.layout != torch.strided or value.is_meta or value.is_quantized:
        raise ValueError(f"a plain array (found: {value.dtype}, {value.layout}, on {value.device})")
    return value


def _read_tokens(value: object) -> object:
    tokens = _read_array(value)
    if not isinstance(tokens, Tensor):
        return tokens
    kinds = tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool
    if tokens.ndim != 2 or 0 in tokens.shape or kinds:
        raise ValueError(f"integer token ids [n, length] (found: {tokens.dtype} {[*tokens.shape]})")
    return tokens.long()


def _read_percent(value: object) -> object:
    if isinstance(value, int | float) and 0 < value < 1:
        raise ValueError(f"in percent, from 0 to 100: for {value:g} write {100 * value:g}")
    return value


LARGEST = 2**63 - 1
Whole = Annotated[int, BeforeValidator(_read_integer), Field(ge=0, le=LARGEST)]
Count = Annotated[int, BeforeValidator(_read_integer), Field(ge=1, le=LARGEST)]
Several = Annotated[int, BeforeValidator(_read_integer), Field(ge=2, le=LARGEST)]
Seed = Annotated[int, BeforeValidator(_read_integer), Field(ge=0, lt=2**32)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=1e-6, le=1e6)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]
Percent = Annotated[float, BeforeValidator(_read_percent), Field(ge=0, le=100)]
Array = Annotated[Tensor, BeforeValidator(_read_array)]
"""A tensor, or a NumPy array of numbers, which becomes one."""
TokenIds = Annotated[Tensor, BeforeValidator(_read_tokens)]
"""Token ids [n, length] in an array of whole numbers, at least one."""


def checked(function: Callable) -> Callable:
    """Have a function refuse an argument not of its declared type: a ValueError that names it.

    A type may carry a range, and may read a value as what it stands for (NumPy's integers and
    arrays). Arguments that are missing or unknown are a TypeError, as in any call.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*arguments, **named):
        given = signature.bind(*arguments, **named)
        given.arguments |= _hold(_declare(function), given.arguments)
        return function(*given.args, **given.kwargs)

    return call


def check_fields(instance: object) -> None:
    """Have a frozen dataclass hold its fields as their types read them; ValueError as `checked`."""
    given = {field.name: getattr(instance, field.name) for field in fields(instance)}
    for name, value in _hold(_declare(type(instance)), given).items():
        object.__setattr__(instance, name, value)


def check(declared: Mapping[str, object], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that have a declared type, as it reads them; ValueError as `checked`."""
    return _hold({name: _adapt(kind) for name, kind in declared.items()}, values)


def _hold(declared: Mapping[str, TypeAdapter], values: Mapping[str, Any]) -> dict[str, Any]:
    found, wrong = {}, []
    for name in declared.keys() & values.keys():
        try:
            found[name] = declared[name].validate_python(values[name])
        except ValidationError as error:
            wrong.append(f"{name} must be {_say(error)}, not {_show(values[name])}")
    if wrong:
        raise ValueError("; ".join(sorted(wrong)))
    return found


def _say(error: ValidationError) -> str:
    """What was wanted instead, as the declared type has it or the ValueError of its reader says."""
    found = []
    for each in error.errors():
        lead = "Value error, " if each["type"] == "value_error" else "Input should be "
        kind, _, wanted = each["msg"].partition(lead)
        found.append(wanted or f"whole ({kind})")
    return " or ".join(dict.fromkeys(found))


def _show(value: object) -> str:
    """The beginning of what a value looks like; a tensor's kind, since some cannot be shown."""
    return f"a tensor of {value.dtype}" if isinstance(value, Tensor) else f"{value!r:.80}"


@cache
def _declare(owner: Callable) -> dict[str, TypeAdapter]:
    """The declared types of a function's arguments or a dataclass's fields, made ready once."""
    declared = get_type_hints(owner, include_extras=True)
    packed = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    given = inspect.signature(owner).parameters
    names = [name for name in given if name in declared and given[name].kind not in packed]
    return {name: _adapt(declared[name]) for name in names}


def _adapt(declared: object) -> TypeAdapter:
    if is_dataclass(declared):  # pydantic lets no settings be given for one
        return TypeAdapter(InstanceOf[declared])
    return TypeAdapter(declared, config=STRICT)


def check_text(text: object, place: str) -> str:
    """The text; ValueError, naming `place`, for what is none, or holds half of a surrogate pair.

    JSON can spell such a half and Python hold it; UTF-8 and tokenizers do not take it.
    """
    if not isinstance(text, str):
        raise ValueError(f"{place}: a text is wanted, not {text!r:.80}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"character {error.start} of the text is {text[error.start]!a}"
        remedy = "half of a surrogate pair: write it whole, or leave it out"
        raise ValueError(f"{place}: {half}, {remedy}") from error
    return text
