"""What the portal stores, tagged once: whose data a table holds, and of which categories."""

from typing import Annotated

from pydantic import BaseModel
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from purposewatch_client import Category, DataSubject

MemberId = Annotated[str, DataSubject(role="member_employee")]
Name = Annotated[str, Category("user.name")]
Email = Annotated[str, Category("user.contact.email")]
Room = Annotated[str, Category("user.office.bookings")]


class Base(DeclarativeBase):
    """The tables of the portal."""


class Member(Base):
    """Somebody who works for a member of WeWork Labs."""

    __tablename__ = "members"

    id: Mapped[MemberId] = mapped_column(primary_key=True)
    name: Mapped[Name]
    email: Mapped[Email]


class Booking(Base):
    """A meeting room that somebody booked."""

    __tablename__ = "bookings"

    id: Mapped[int] = mapped_column(primary_key=True)
    member: Mapped[MemberId] = mapped_column(ForeignKey(Member.id))
    room: Mapped[Room]


class NewMember(BaseModel):
    """What somebody registers with."""

    name: Name
    email: Email


class NewBooking(BaseModel):
    """Which room somebody books."""

    room: Room


class Audience(BaseModel):
    """What an advertiser gets to find somebody again."""

    email: Email
    campaign: str
