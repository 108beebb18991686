"""Dividing a resource between publishers."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from purposewatch_ingest.fair_share import FairShare, SharePolicy, Ticket


def granted(*tickets: Ticket | None) -> list[bool]:
    """Which of the tickets are granted."""
    return [ticket is not None and ticket.granted for ticket in tickets]


def request(share: FairShare, publisher: str, units: int = 1) -> Ticket:
    """A ticket, which must not be refused."""
    ticket = share.request(publisher, units)
    assert ticket is not None
    return ticket


def test_a_publisher_over_its_share_waits_while_another_is_served() -> None:
    """One publisher's demand leaves the rest of the capacity to the others."""
    share = FairShare(SharePolicy(capacity=4, share=2, max_waiting=10))
    noisy = [request(share, "noisy") for _ in range(5)]
    quiet = request(share, "quiet")
    assert granted(*noisy, quiet) == [True, True, False, False, False, True]
    assert share.is_over_share(noisy[2])


def test_released_units_go_to_the_publisher_that_holds_least() -> None:
    """With all capacity taken, a newcomer is served before those that hold something."""
    share = FairShare(SharePolicy(capacity=4, share=4, max_waiting=10))
    held = [request(share, "noisy") for _ in range(4)]
    waiting = [request(share, "noisy") for _ in range(3)]
    quiet = request(share, "quiet")
    assert not share.is_over_share(quiet)
    assert share.release(held[0]) == [quiet]
    assert share.release(held[1]) == [waiting[0]]


def test_equal_publishers_take_turns() -> None:
    """Publishers with long queues are served one request each in turn, each in its order."""
    share = FairShare(SharePolicy(capacity=1, share=1, max_waiting=10))
    running = request(share, "a")
    tickets = [request(share, name) for name in ("a", "a", "b", "b", "c")]
    order = []
    while granted_now := share.release(running):
        [running] = granted_now
        order.append(running)
    assert order == [tickets[number] for number in (0, 2, 4, 1, 3)]


def test_a_large_request_is_not_starved_by_small_ones() -> None:
    """What is released is kept for the request whose turn it is until it fits."""
    share = FairShare(SharePolicy(capacity=4, share=3, max_waiting=10))
    first, second = request(share, "a", 2), request(share, "b", 2)
    large, small = request(share, "c", 3), request(share, "d", 1)
    assert not share.release(first)
    assert share.release(second) == [large, small]


def test_a_request_for_more_than_the_share_takes_the_whole_share() -> None:
    """A request that could never be granted as it stands is granted alone."""
    share = FairShare(SharePolicy(capacity=4, share=2, max_waiting=10))
    huge = request(share, "a", 100)
    assert granted(huge, request(share, "a"), request(share, "b", 2)) == [True, False, True]


def test_a_share_above_the_capacity_is_the_capacity() -> None:
    """An operator may lower the capacity alone."""
    share = FairShare(SharePolicy(capacity=2, share=5, max_waiting=10))
    assert granted(request(share, "a", 5), request(share, "b")) == [True, False]


def test_only_so_many_requests_of_one_publisher_wait() -> None:
    """A full queue refuses its own publisher's requests, and no one else's."""
    share = FairShare(SharePolicy(capacity=1, share=1, max_waiting=2))
    request(share, "a")
    waiting = [request(share, "a") for _ in range(2)]
    assert share.request("a", 1) is None
    request(share, "b")
    share.release(waiting[0])
    assert share.request("a", 1) is not None


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 7), st.integers(0, 5)), max_size=60),
)
def test_whatever_happens_shares_hold_and_everybody_is_served(
    capacity: int, most: int, steps: list[tuple[str, int, int]]
) -> None:
    """Bounds hold after each step, no unit idles that someone may have, and all are served."""
    share = FairShare(SharePolicy(capacity, most, max_waiting=4))
    tickets: list[Ticket] = []
    for publisher, units, release in steps:
        ticket = share.request(publisher, units)
        if ticket is None:
            waiting = [each for each in tickets if not each.granted]
            assert Counter(each.publisher for each in waiting)[publisher] == 4
        else:
            tickets.append(ticket)
        if release < len(tickets):
            share.release(tickets.pop(release))
        _check(tickets, capacity, min(most, capacity))
    while held := [each for each in tickets if each.granted]:
        tickets.remove(held[0])
        share.release(held[0])
        _check(tickets, capacity, min(most, capacity))
    assert not tickets


def _check(tickets: list[Ticket], capacity: int, most: int) -> None:
    held: Counter[str] = Counter()
    for ticket in tickets:
        if ticket.granted:
            held[ticket.publisher] += ticket.units
    assert held.total() <= capacity
    assert all(units <= most for units in held.values())
    first: dict[str, Ticket] = {}
    for ticket in tickets:
        if not ticket.granted:
            first.setdefault(ticket.publisher, ticket)
        else:
            assert ticket.publisher not in first  # the requests of one publisher keep their order
    able = [each for each in first.values() if held[each.publisher] + each.units <= most]
    least = min((held[each.publisher] for each in able), default=0)
    next_ones = [each for each in able if held[each.publisher] == least]
    if next_ones:
        assert any(held.total() + each.units > capacity for each in next_ones)
