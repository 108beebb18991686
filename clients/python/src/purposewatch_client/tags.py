"""Tags: which categories of personal data a field holds, declared once beside the field.

A model is any class with annotated fields: pydantic, dataclass, attrs, SQLAlchemy, Django. Its
tags are read from `Category` in the annotations, from the class attribute
`purposewatch_categories`, from `info` of SQLAlchemy columns, and from `tag`.
"""

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar, get_args, get_origin
from weakref import WeakKeyDictionary

__all__ = [
    "Category",
    "DataSubject",
    "categories_in",
    "categories_of",
    "categories_sent",
    "tag",
]

ATTRIBUTE = "purposewatch_categories"
"""The class attribute that names the categories of fields: `{"email": "user.contact.email"}`."""

COLUMN_INFO = "purposewatch"
"""The key in a SQLAlchemy column's `info` for a category, a `DataSubject`, or several of them."""

_TERM = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
_Model = TypeVar("_Model", bound=type)


@dataclasses.dataclass(frozen=True, slots=True)
class Category:
    """Marks a field that holds data of a category: `Annotated[str, Category("user.name")]`."""

    term: str

    def __post_init__(self) -> None:
        """Refuse what can't be a term of a vocabulary."""
        if _TERM.fullmatch(self.term) is None:
            message = (
                f"`{self.term}` is not a vocabulary term: lower-case letters, digits and `_`, "
                "joined by dots"
            )
            raise ValueError(message)


@dataclasses.dataclass(frozen=True, slots=True)
class DataSubject:
    """Marks the field that identifies the data subject, optionally with the subject's role."""

    role: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldTag:
    """What is known of one field."""

    categories: tuple[str, ...] = ()
    """Those of the field itself."""
    models: tuple[type, ...] = ()
    """The classes with fields of their own that its annotation names."""
    subject: DataSubject | None = None


_declared: "WeakKeyDictionary[type, dict[str, tuple[str, ...]]]" = WeakKeyDictionary()
_read: "WeakKeyDictionary[type, dict[str, FieldTag]]" = WeakKeyDictionary()


def tag(model: _Model, **fields: str | Iterable[str]) -> _Model:
    """Declare the categories of fields of a class that can't be annotated. Returns the class."""
    known = field_tags(model)
    declared = dict(_declared.get(model, {}))
    for name, terms in fields.items():
        _check_known(model, name, known)
        declared[name] = _terms(terms)
    _declared[model] = declared
    _read.clear()  # subclasses inherit the tags
    return model


def field_tags(model: type) -> Mapping[str, FieldTag]:
    """Return all fields of a class in their order, with their tags."""
    found = _read.get(model)
    if found is None:
        found = _read[model] = _read_tags(model)
    return found


def categories_of(model: object, fields: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the categories of a class or an instance, each once, in the order of the fields.

    `fields` restricts it to some of them; `address.city` is a field of the model in `address`.
    Raises `ValueError` for a field that the class does not have.
    """
    cls = model if isinstance(model, type) else type(model)
    if fields is None:
        return tuple(dict.fromkeys(_all_of(cls, ())))
    found: dict[str, None] = {}
    for path in fields:
        found.update(dict.fromkeys(_of_path(cls, path)))
    return tuple(found)


def categories_in(model: type, data: object) -> tuple[str, ...]:
    """Return the categories of the fields that plain data holds, such as a parsed JSON body.

    `data` is what instances were serialised to, by field name or alias, at any depth: a key that
    no field has may be an envelope, and is searched. `None` and empty values count: they tell
    something about the person as well.
    """
    return tuple(dict.fromkeys(_present(model, data)))


def categories_sent(instance: object, **options: Any) -> tuple[str, ...]:
    """Return the categories that `instance.model_dump(**options)` contains, for pydantic models.

    `options` are those of `model_dump`: `include`, `exclude`, `exclude_unset`, `exclude_none`, …
    """
    dump: Any = getattr(instance, "model_dump", None)
    if dump is None:
        message = f"`{type(instance).__name__}` has no `model_dump`; use `categories_of`"
        raise TypeError(message)
    return categories_in(type(instance), dump(**options))


def _all_of(model: type, seen: tuple[type, ...]) -> Iterator[str]:
    if model in seen:  # a model that contains itself
        return
    for found in field_tags(model).values():
        yield from found.categories
        for nested in found.models:
            yield from _all_of(nested, (*seen, model))


def _of_path(model: type, path: str) -> Iterator[str]:
    name, _, rest = path.partition(".")
    known = field_tags(model)
    _check_known(model, name, known)
    found = known[name]
    yield from found.categories
    if not rest:
        for nested in found.models:
            yield from _all_of(nested, ())
        return
    owners = [each for each in found.models if rest.partition(".")[0] in field_tags(each)]
    if not owners:
        message = f"`{model.__name__}.{name}` has no field `{rest}`"
        raise ValueError(message)
    for nested in owners:
        yield from _of_path(nested, rest)


def _present(model: type, data: object) -> Iterator[str]:
    if isinstance(data, Mapping):
        aliases = _aliases(model)
        known = field_tags(model)
        for key, value in data.items():
            found = known.get(aliases.get(key, key)) if isinstance(key, str) else None
            if found is None:  # an envelope, perhaps
                yield from _present(model, value)
                continue
            yield from found.categories
            for nested in found.models:
                yield from _present(nested, value)
    elif isinstance(data, (list, tuple, set, frozenset)):
        for each in data:
            yield from _present(model, each)


def _aliases(model: type) -> dict[str, str]:
    """Return the fields by the names that they have in pydantic's serialised form."""
    fields: Mapping[str, Any] = getattr(model, "model_fields", {})
    return {
        alias: name
        for name, field in fields.items()
        if (alias := field.serialization_alias or field.alias) is not None
    }


def _check_known(model: type, name: str, known: Mapping[str, FieldTag]) -> None:
    if name in known:
        return
    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean `{near[0]}`?" if near else ""
    message = f"`{model.__name__}` has no field `{name}`{meant}"
    raise ValueError(message)


def _read_tags(model: type) -> dict[str, FieldTag]:
    """Read the tags from every place, the later ones adding to the earlier."""
    found: dict[str, FieldTag] = {}
    for name, annotation in _annotations(model):
        found[name] = tag_of_marks(_marks(annotation))
    for name, field in _fields_of_library(model):
        found[name] = merged_tags(found.get(name, FieldTag()), field)
    for base in reversed(model.__mro__):
        attribute: Mapping[str, str | Iterable[str]] = base.__dict__.get(ATTRIBUTE, {})
        for name, terms in (*attribute.items(), *_declared.get(base, {}).items()):
            _check_known(model, name, found)
            found[name] = merged_tags(found[name], FieldTag(_terms(terms)))
    return found


def _fields_of_library(model: type) -> Iterator[tuple[str, FieldTag]]:
    """Yield the fields of pydantic, SQLAlchemy and Django, with what is declared on them."""
    pydantic: Any = getattr(model, "model_fields", None)
    if isinstance(pydantic, Mapping):
        for name, field in pydantic.items():
            yield name, tag_of_marks([*field.metadata, *_marks(field.annotation)])
        for name, field in getattr(model, "model_computed_fields", {}).items():
            yield name, tag_of_marks(_marks(field.return_type))
    mapper: Any = getattr(model, "__mapper__", None)
    if mapper is not None and hasattr(mapper, "column_attrs"):
        for attribute in mapper.column_attrs:
            infos = [getattr(column, "info", {}) for column in attribute.columns]
            yield (
                attribute.key,
                tag_of_marks(each for info in infos for each in column_marks(info)),
            )
    options: Any = getattr(model, "_meta", None)
    if hasattr(options, "get_fields") and hasattr(options, "concrete_fields"):
        for field in options.get_fields():
            yield field.name, FieldTag()


def column_marks(info: Mapping[str, Any]) -> list[object]:
    """Return the marks in the `info` of a SQLAlchemy column."""
    stated = info.get(COLUMN_INFO, ())
    several = stated if isinstance(stated, (list, tuple)) else (stated,)
    return [Category(each) if isinstance(each, str) else each for each in several]


def _annotations(model: type) -> Iterator[tuple[str, Any]]:
    for base in reversed(model.__mro__):
        if base.__module__.startswith(("pydantic.", "sqlalchemy.", "django.")):
            continue
        for name, annotation in inspect.get_annotations(base).items():
            if not name.startswith("__") and name != ATTRIBUTE:
                yield name, _evaluated(base, name, annotation)


def _evaluated(owner: type, name: str, annotation: Any) -> Any:
    """Return an annotation with the names in it resolved, also those within brackets.

    One that can't be resolved here, as a relationship's is, holds no tag unless it says so.
    """
    holder = types.SimpleNamespace(__annotations__={name: annotation})
    names = vars(sys.modules[owner.__module__]) if owner.__module__ in sys.modules else {}
    try:
        return typing.get_type_hints(holder, names, dict(vars(owner)), include_extras=True)[name]
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        if "Category(" in str(annotation) or "DataSubject(" in str(annotation):
            message = (
                f"the tag of `{owner.__qualname__}.{name}` can't be read: {error}; import the "
                "names of the annotation at the top of the module"
            )
            raise TypeError(message) from None
        return Any


def _marks(annotation: Any) -> Iterator[object]:
    """Yield every mark and every class that an annotation contains, at any depth."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        yield from _marks(inner)
        yield from metadata
    elif isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from _marks(each)


def tag_of_marks(marks: Iterable[object]) -> FieldTag:
    found = FieldTag()
    for mark in marks:
        if isinstance(mark, Category):
            found = merged_tags(found, FieldTag((mark.term,)))
        elif isinstance(mark, DataSubject):
            found = merged_tags(found, FieldTag(subject=mark))
        elif isinstance(mark, type) and _has_fields(mark):
            found = merged_tags(found, FieldTag(models=(mark,)))
    return found


def _has_fields(cls: type) -> bool:
    """Whether a class can be part of a model. A row of another table is not."""
    return any(
        hasattr(cls, name)
        for name in ("model_fields", "__dataclass_fields__", "__attrs_attrs__", ATTRIBUTE)
    )


def merged_tags(one: FieldTag, other: FieldTag) -> FieldTag:
    return FieldTag(
        tuple(dict.fromkeys((*one.categories, *other.categories))),
        tuple(dict.fromkeys((*one.models, *other.models))),
        other.subject or one.subject,
    )


def _terms(terms: str | Iterable[str]) -> tuple[str, ...]:
    several = (terms,) if isinstance(terms, str) else terms
    return tuple(Category(each).term for each in several)
