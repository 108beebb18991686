"""Observes which fields of an instance are read or written, and adds their categories."""

import json
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, Protocol, TypeVar, cast

from purposewatch_client.tags import categories_in, categories_of, field_tags

_Instance = TypeVar("_Instance")
_DUMPS_OBJECT = frozenset({"model_dump", "dict"})
_DUMPS_TEXT = frozenset({"model_dump_json", "json"})
_LIBRARIES = frozenset({"pydantic", "sqlalchemy", "django"})


class TakesCategories(Protocol):
    """What an open access is to an observer."""

    def add(self, *categories: str) -> object:
        """Add categories to the access."""


def observe(instance: _Instance, access: TakesCategories) -> _Instance:
    """Return a stand-in for the instance that adds the categories of the fields that are used.

    Reading or writing a tagged field adds its categories to the access, also in the instance's own
    methods and in a tagged instance that it holds. What can't be told apart counts as all fields:
    tagged instances in lists and mappings, `vars()`, `str()`, iteration, and methods of the
    library that the class is made with. Of pydantic's serialisation, the fields in the result
    count.

    `isinstance` takes the stand-in for the instance; `is`, `dataclasses.asdict` and libraries in C
    do not: give those the instance itself, and name the categories.
    """
    return cast("_Instance", _Observed(instance, access))


class _Observed:
    __slots__ = ("__weakref__", "_purposewatch_access", "_purposewatch_instance")

    def __init__(self, instance: object, access: TakesCategories) -> None:
        object.__setattr__(self, "_purposewatch_instance", instance)
        object.__setattr__(self, "_purposewatch_access", access)

    def __getattribute__(self, name: str) -> Any:
        instance = object.__getattribute__(self, "_purposewatch_instance")
        access = object.__getattribute__(self, "_purposewatch_access")
        if name == "__dict__":
            access.add(*categories_of(instance))
        value = getattr(instance, name)
        if name.startswith("__"):
            return value
        known = field_tags(type(instance)).get(name)
        if known is not None:
            if known.categories:
                access.add(*known.categories)
            return _wrapped(value, access)
        if isinstance(value, MethodType) and value.__self__ is instance:
            return _method(self, instance, access, value)
        prop = getattr(type(instance), name, None)
        if isinstance(prop, property) and prop.fget is not None:
            return prop.fget(self)  # so that the fields that it reads are observed
        return _wrapped(value, access)

    def __setattr__(self, name: str, value: object) -> None:
        instance = object.__getattribute__(self, "_purposewatch_instance")
        setattr(instance, name, value)
        known = field_tags(type(instance)).get(name)
        if known is not None and known.categories:
            object.__getattribute__(self, "_purposewatch_access").add(*known.categories)

    def __iter__(self) -> Any:
        instance = object.__getattribute__(self, "_purposewatch_instance")
        object.__getattribute__(self, "_purposewatch_access").add(*categories_of(instance))
        return iter(instance)

    def __eq__(self, other: object) -> bool:
        return bool(object.__getattribute__(self, "_purposewatch_instance") == _bare(other))

    def __hash__(self) -> int:
        return hash(object.__getattribute__(self, "_purposewatch_instance"))

    def __str__(self) -> str:
        instance = object.__getattribute__(self, "_purposewatch_instance")
        object.__getattribute__(self, "_purposewatch_access").add(*categories_of(instance))
        return str(instance)

    __repr__ = __str__


def _method(
    observed: _Observed, instance: object, access: TakesCategories, method: MethodType
) -> Callable[..., Any]:
    """Return a method whose own reads are observed, or whose result is."""
    name = method.__name__
    if hasattr(type(instance), "model_fields") and name in _DUMPS_OBJECT | _DUMPS_TEXT:

        def dump(*arguments: Any, **options: Any) -> Any:
            result = method(*arguments, **options)
            held = json.loads(result) if name in _DUMPS_TEXT else result
            access.add(*categories_in(type(instance), held))
            return result

        return dump
    if method.__func__.__module__.partition(".")[0] in _LIBRARIES:
        access.add(*categories_of(instance))
        return method
    return MethodType(method.__func__, observed)


def _wrapped(value: Any, access: TakesCategories) -> Any:
    if isinstance(value, (list, tuple, set, frozenset)):
        _add_held(value, access)
    elif isinstance(value, Mapping):
        _add_held(value.values(), access)
    elif _is_tagged(value):
        return _Observed(value, access)
    return value


def _add_held(values: Iterable[object], access: TakesCategories) -> None:
    for each in values:
        if _is_tagged(each):
            access.add(*categories_of(each))


def _is_tagged(value: object) -> bool:
    cls = type(value)
    return cls.__module__ != "builtins" and not callable(value) and bool(categories_of(cls))


def _bare(value: object) -> object:
    if type(value) is _Observed:
        return object.__getattribute__(value, "_purposewatch_instance")
    return value
