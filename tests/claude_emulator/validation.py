"""Requests checked as strictly as the API does, with models made from the SDK's own TypedDicts.

`TypeAdapter(MessageCreateParams)` would let nearly everything pass: iterables are validated lazily, unknown
keys are ignored, and response models are members of the content union. So the TypedDicts are walked and
made into strict models that forbid extras; a newer SDK makes a newer emulator.
"""

import collections.abc
import types
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, Required, Union, cast, get_args, get_origin, is_typeddict

import typing_extensions
from anthropic.types import message_count_tokens_params, message_create_params
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, create_model

_Type = Any
_REQUIRED = {Required, typing_extensions.Required}
_OPTIONAL = {NotRequired, typing_extensions.NotRequired}
_WRAPPERS = {Annotated} | _REQUIRED | _OPTIONAL


def problem_of(body: object, *, counting: bool = False) -> str | None:
    """What is wrong with the shape of the body, as `messages.0.content: Field required`; None if nothing is."""
    try:
        _request_model(counting=counting).model_validate(body)
    except ValidationError as error:
        deepest = max(error.errors(), key=lambda each: len(each["loc"]))
        return f"{_place(deepest['loc'])}: {deepest['msg']}"
    return None


def _origin(hint: _Type) -> _Type:
    return get_origin(hint)


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location if not str(step).startswith(("list[", "strict", "function-")))


@cache
def _request_model(*, counting: bool) -> type[BaseModel]:
    if counting:
        return _model(message_count_tokens_params.MessageCountTokensParams)
    base = _model(message_create_params.MessageCreateParamsBase)
    return create_model("Request", __base__=base, stream=(bool, False))


@cache
def _model(typed_dict: _Type) -> type[BaseModel]:
    hints = typing_extensions.get_type_hints(typed_dict, include_extras=True)
    fields: dict[str, Any] = {}
    for name, hint in hints.items():
        # `__required_keys__` misses what is said in postponed annotations
        wrapper = _origin(hint)
        required = wrapper in _REQUIRED or (typed_dict.__total__ and wrapper not in _OPTIONAL)
        converted = _converted(_bare(hint))
        # an optional key may be absent; that it may be null is for its type to say
        fields[f"f_{name}"] = (converted, Field(alias=name) if required else Field(default=None, alias=name))
    return create_model(
        typed_dict.__name__, __config__=ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True), **fields
    )


def _bare(hint: _Type) -> _Type:
    while _origin(hint) in _WRAPPERS or isinstance(hint, typing_extensions.TypeAliasType):
        hint = hint.__value__ if isinstance(hint, typing_extensions.TypeAliasType) else get_args(hint)[0]
    return hint


def _converted(hint: _Type) -> _Type:
    hint = _bare(hint)
    origin, arguments = _origin(hint), get_args(hint)
    if is_typeddict(hint) or typing_extensions.is_typeddict(hint):
        return dict[str, object] if hint.__name__ == "InputSchemaTyped" else _model(hint)
    if origin in {Union, types.UnionType}:
        return _union(arguments)
    if origin is Literal or origin is None:
        return hint
    if origin in {dict, collections.abc.Mapping}:
        return dict[str, object]
    return list[_converted(arguments[0])]  # type: ignore[misc]  # Iterable, Sequence, List, SequenceNotStr


def _union(members: tuple[_Type, ...]) -> _Type:
    converted = list(dict.fromkeys(_converted(member) for member in _flat(members)))
    models = [member for member in converted if isinstance(member, type) and issubclass(member, BaseModel)]
    others = [member for member in converted if member not in models]
    merged = [_discriminated(models)] if len(models) > 1 else models
    return Union[tuple(merged + others)]  # noqa: UP007 made at run time


def _flat(members: tuple[_Type, ...]) -> list[_Type]:
    """The members of unions within unions, without the response models, which no request should hold."""
    flat: list[_Type] = []
    for member in map(_bare, members):
        if _origin(member) in {Union, types.UnionType}:
            flat.extend(_flat(get_args(member)))
        elif not (isinstance(member, type) and not is_typeddict(member) and issubclass(member, BaseModel)):
            flat.append(member)
    return flat


def _discriminated(models: list[type[BaseModel]]) -> _Type:
    """By `type`, or by `role` where there is no type; a member whose `type` may be absent takes what has none."""
    key = "type" if "f_type" in models[0].model_fields else "role"
    absent = "?"
    tagged: list[_Type] = []
    for model in models:
        field = model.model_fields[f"f_{key}"]
        tagged += [Annotated[model, Tag(tag)] for tag in _literals(field.annotation)]
        if not field.is_required():
            tagged.append(Annotated[model, Tag(absent)])

    def tag_of(value: object) -> str | None:
        if not isinstance(value, Mapping):
            return None
        found = cast("Mapping[str, object]", value).get(key)
        return absent if found is None else str(found)

    return Annotated[Union[tuple(tagged)], Discriminator(tag_of)]  # noqa: UP007 made at run time


def _literals(annotation: _Type) -> list[str]:
    if _origin(annotation) is Literal:
        return list(get_args(annotation))
    return [tag for argument in get_args(annotation) for tag in _literals(argument)]
