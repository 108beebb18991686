"""Tags: the categories of a model's fields, declared once."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import attrs
import pytest
from pydantic import BaseModel, Field, computed_field
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from purposewatch_client import (
    Category,
    DataSubject,
    categories_in,
    categories_of,
    categories_sent,
    observe,
    tag,
)

EMAIL, NAME, CITY = "user.contact.email", "user.name", "user.contact.address.city"


class Address(BaseModel):
    city: Annotated[str, Category(CITY)]
    floor: int = 0


class PydanticMember(BaseModel):
    id: int
    email: Annotated[str, Category(EMAIL), Field(serialization_alias="mail")]
    name: Annotated[str, Category(NAME)] | None = None
    addresses: list[Address] = []
    home: Address | None = None

    def greeting(self) -> str:
        return f"Dear {self.name}"

    @computed_field
    def initial(self) -> Annotated[str, Category(NAME)]:
        return (self.name or "-")[0]

    @property
    def domain(self) -> str:
        return self.email.partition("@")[2]


@dataclass
class DataclassMember:
    id: int
    email: Annotated[str, Category(EMAIL)]
    name: "Annotated[str, Category(NAME)] | None" = None
    addresses: list[Address] = field(default_factory=list)
    home: Address | None = None


@attrs.define
class AttrsMember:
    id: int
    email: Annotated[str, Category(EMAIL)]
    name: Annotated[str | None, Category(NAME)] = None
    addresses: list[Address] = attrs.field(factory=list)
    home: Address | None = None


class Base(DeclarativeBase):
    pass


class Row(Base):
    __tablename__ = "members"

    id: Mapped[Annotated[int, DataSubject("member")]] = mapped_column(primary_key=True)
    email: Mapped[Annotated[str, Category(EMAIL)]]
    name: Mapped[str | None] = mapped_column(info={"purposewatch": NAME})


class Person(BaseModel):
    name: Annotated[str, Category(NAME)]
    manager: "Person | None" = None


MODELS = [PydanticMember, DataclassMember, AttrsMember]


class Access:
    """Takes the categories as an open access does."""

    def __init__(self) -> None:
        self.categories: dict[str, None] = {}

    def add(self, *categories: str) -> None:
        self.categories.update(dict.fromkeys(categories))

    @property
    def found(self) -> list[str]:
        return list(self.categories)


@pytest.mark.parametrize("model", MODELS)
def test_a_class_has_the_categories_of_its_fields_and_of_the_models_in_them(model: type) -> None:
    """Pydantic, dataclass and attrs; optional, nested and in lists."""
    assert categories_of(model) == (EMAIL, NAME, CITY)


@pytest.mark.parametrize("model", MODELS)
def test_a_part_of_the_fields_has_their_categories_alone(model: type) -> None:
    """An access to the name says nothing of the address."""
    assert categories_of(model, fields=["name"]) == (NAME,)
    assert categories_of(model, fields=["home.city", "id"]) == (CITY,)
    assert categories_of(model, fields=["home"]) == (CITY,)
    assert categories_of(model, fields=["home.floor"]) == ()


def test_columns_of_sqlalchemy_are_tagged_by_annotation_or_info() -> None:
    """Both ways, on one class."""
    assert categories_of(Row) == (EMAIL, NAME)
    assert categories_of(Row(email="a@b"), fields=["name"]) == (NAME,)


def test_a_misspelt_field_is_an_error_that_names_the_one_meant() -> None:
    """A typing error must not hide an access."""
    with pytest.raises(ValueError, match="no field `emial`; did you mean `email`"):
        categories_of(Row, fields=["emial"])
    with pytest.raises(ValueError, match="no field `town`"):
        categories_of(PydanticMember, fields=["home.town"])
    with pytest.raises(ValueError, match="no field `emial`"):
        tag(Row, emial=EMAIL)


@pytest.mark.parametrize("term", ["", "E-mail", "ann@example.org", "user.", "user name"])
def test_what_cannot_be_a_term_is_refused_where_it_is_written(term: str) -> None:
    """When the module is imported, not when the first event is refused."""
    with pytest.raises(ValueError, match="is not a vocabulary term"):
        Category(term)


def test_a_class_of_others_is_tagged_from_outside_and_its_subclasses_with_it() -> None:
    """For classes that can't be annotated, and such as have the attribute."""

    class Theirs:
        phone: str

    class Ours(Theirs):
        purposewatch_categories = {"nickname": [NAME, "user.account.username"]}  # noqa: RUF012
        nickname: str

    assert tag(Theirs, phone="user.contact.phone_number") is Theirs
    assert categories_of(Theirs) == ("user.contact.phone_number",)
    assert categories_of(Ours) == ("user.contact.phone_number", NAME, "user.account.username")


def test_a_tag_that_cannot_be_read_is_an_error() -> None:
    """A name that is imported for type checkers alone would hide the tag."""

    class Hidden:
        email: "Annotated[Missing, Category('user.contact.email')]"  # type: ignore[name-defined]  # noqa: F821
        other: "Missing"  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(TypeError, match=r"Hidden\.email` can't be read"):
        categories_of(Hidden)


def test_what_is_sent_is_what_the_serialised_model_holds() -> None:
    """With the options of `model_dump`, by name or alias."""
    member = PydanticMember(id=1, email="a@b", home=Address(city="x"))
    assert categories_sent(member, include={"id", "email"}) == (EMAIL,)
    assert categories_sent(member, exclude={"email", "initial"}, exclude_none=True) == (CITY,)
    assert categories_sent(member, exclude_unset=True, by_alias=True) == (EMAIL, CITY, NAME)
    assert categories_sent(member, include={"initial"}) == (NAME,)
    assert categories_sent(member, include={"id"}) == ()


def test_plain_data_is_searched_at_any_depth() -> None:
    """An envelope around the model hides nothing."""
    body: dict[str, Any] = {"to": [{"mail": "a@b", "campaign": 7}], "id": 3}
    assert categories_in(PydanticMember, body) == (EMAIL,)
    assert categories_in(PydanticMember, {"home": {"floor": 2}}) == ()
    assert categories_in(PydanticMember, "text") == ()


@pytest.mark.parametrize("model", MODELS)
def test_an_observed_instance_adds_what_is_read_and_nothing_else(model: Any) -> None:
    """Reading the id tells nothing about the person's name."""
    member = model(id=1, email="a@b", home=Address(city="x", floor=3))
    access = Access()
    seen = observe(member, access)
    assert seen.id == 1
    assert access.found == []
    assert seen.email == "a@b"
    assert access.found == [EMAIL]
    assert seen.home.floor == 3
    assert access.found == [EMAIL]
    assert seen.home.city == "x"
    assert access.found == [EMAIL, CITY]
    assert isinstance(seen, model)
    assert seen == member


def test_an_observed_write_reaches_the_instance_and_counts() -> None:
    """Writing is an access as well."""
    member, access = Row(email="a@b"), Access()
    observe(member, access).name = "Ann"
    assert (member.name, access.found) == ("Ann", [NAME])


def test_methods_and_properties_are_observed_by_what_they_read() -> None:
    """And serialisation by what its result holds."""
    member = PydanticMember(id=1, email="a@b.example", name="Ann")
    for use, expected in (
        (lambda seen: seen.greeting(), [NAME]),
        (lambda seen: seen.domain, [EMAIL]),
        (lambda seen: seen.model_dump(include={"name"}), [NAME]),
        (lambda seen: seen.model_dump_json(include={"email"}), [EMAIL]),
        (lambda seen: seen.model_copy(), [EMAIL, NAME, CITY]),
        (str, [EMAIL, NAME, CITY]),
        (vars, [EMAIL, NAME, CITY]),
    ):
        access = Access()
        use(observe(member, access))
        assert access.found == expected


def test_an_observed_instance_stands_for_the_instance() -> None:
    """As a key, and where it is iterated, which reads all fields."""
    member, access = DataclassMember(1, "a@b"), Access()
    with pytest.raises(TypeError, match="unhashable"):
        hash(observe(member, access))
    seen = observe(PydanticMember(id=1, email="a@b"), access)
    assert access.found == []
    assert ("email", "a@b") in list(seen)
    assert access.found == [EMAIL, NAME, CITY]
    assert seen == observe(PydanticMember(id=1, email="a@b"), access)


def test_what_a_mapping_holds_counts_as_a_whole() -> None:
    """As in a list."""

    @dataclass
    class Company:
        staff: dict[str, DataclassMember]

    access = Access()
    assert observe(Company({"ann": DataclassMember(1, "a@b")}), access).staff["ann"].id == 1
    assert access.found == [EMAIL, NAME, CITY]


def test_a_model_that_contains_itself_ends() -> None:
    """And an instance that can't be serialised is refused."""
    assert categories_of(Person) == (NAME,)
    with pytest.raises(TypeError, match="has no `model_dump`"):
        categories_sent(DataclassMember(1, "a@b"))


def test_tagged_instances_in_a_list_count_as_a_whole_and_stay_the_same_list() -> None:
    """A copy would lose what is appended."""
    member, access = DataclassMember(1, "a@b"), Access()
    observe(member, access).addresses.append(Address(city="x"))
    assert (len(member.addresses), access.found) == (1, [])
    assert observe(member, access).addresses[0].floor == 0
    assert access.found == [CITY]
