"""The portal: FastAPI, SQLAlchemy and httpx, and what makes Purposewatch see what they do."""

from collections.abc import Iterator
from typing import Annotated
from uuid import uuid4

import httpx
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

import purposewatch_client as purposewatch
from members_portal.models import Audience, Base, Booking, Member, NewBooking, NewMember
from purposewatch_client.integrations import asgi
from purposewatch_client.integrations import httpx as purposewatch_httpx
from purposewatch_client.integrations import sqlalchemy as purposewatch_sqlalchemy

ROUTES: dict[str, str | purposewatch.Fields] = {
    "POST /members": "essential.service.records",
    "GET /members/{member}": "essential.service.provision",
    "POST /members/{member}/bookings": "essential.service.records",
    "GET /members/{member}/bookings": "functional.service.bookings",
    "POST /members/{member}/reminders": "essential.service.notifications",
    "POST /members/{member}/campaigns/{name}": {
        "purpose": "marketing.advertising",
        "actor": "campaigns",
    },
}
"""What each route is for."""

ADVERTISER = "https://audiences.advertiser.example"
HOSTS = {"audiences.advertiser.example": "third_party.advertising"}
"""Who is behind the hosts that the portal calls."""

router = APIRouter()


def create_app(engine: Engine, advertiser: httpx.BaseTransport | None = None) -> FastAPI:
    """Make the portal. `advertiser` stands in for the advertiser, in tests and in the demo."""
    Base.metadata.create_all(engine)
    purposewatch_sqlalchemy.audit(engine, Base)
    app = FastAPI(title="Members' portal")
    app.add_middleware(asgi.PurposewatchMiddleware, routes=ROUTES)
    app.state.engine = engine
    app.state.http = purposewatch_httpx.share(
        httpx.Client(transport=advertiser, timeout=5.0), HOSTS
    )
    app.include_router(router)
    return app


def _session(request: Request) -> Iterator[Session]:
    with Session(request.app.state.engine) as session:
        yield session


Database = Annotated[Session, Depends(_session)]


@router.post("/members", status_code=201)
def register(new: NewMember, session: Database) -> dict[str, str]:
    """Register somebody."""
    member = Member(id=f"m-{uuid4()}", name=new.name, email=new.email)
    answer = {"id": member.id}
    session.add(member)
    session.commit()
    return answer


@router.get("/members/{member}")
def profile(member: str, session: Database) -> NewMember:
    """Show what somebody registered with."""
    found = _member(session, member)
    return NewMember(name=found.name, email=found.email)


@router.post("/members/{member}/bookings", status_code=201)
def book(member: str, new: NewBooking, session: Database) -> None:
    """Book a meeting room."""
    session.add(Booking(member=member, room=new.room))
    session.commit()


@router.get("/members/{member}/bookings")
def bookings(member: str, session: Database) -> list[NewBooking]:
    """List the rooms that somebody booked."""
    rooms = session.scalars(select(Booking.room).where(Booking.member == member))
    return [NewBooking(room=room) for room in rooms]


@router.post("/members/{member}/reminders", status_code=202)
def remind(member: str, session: Database) -> None:
    """Write to somebody, which needs the address alone."""
    address = session.scalar(select(Member.email).where(Member.id == member))
    if address is None:
        raise HTTPException(404)
    # here the portal would hand the message to its own mail server


@router.post("/members/{member}/campaigns/{name}", status_code=202)
def advertise(member: str, name: str, session: Database, request: Request) -> None:
    """Let an advertiser find somebody again. The policy does not permit it."""
    found = _member(session, member)
    audience = Audience(email=found.email, campaign=name)
    with purposewatch.sending(Audience, subject=member, role="member_employee"):
        request.app.state.http.post(f"{ADVERTISER}/v1/audiences", json=audience.model_dump())


def _member(session: Session, member: str) -> Member:
    found = session.get(Member, member)
    if found is None:
        raise HTTPException(404)
    return found
