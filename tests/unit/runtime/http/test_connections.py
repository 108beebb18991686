"""Connections hold places; who waits longest makes room, and probes have a reserve."""

from purposewatch_runtime.http.connections import OpenConnections, Place


def test_the_longest_waiting_makes_room() -> None:
    """A new connection ends the oldest one that has no request, and takes its place."""
    connections = OpenConnections[str](ordinary=2, reserve=1)

    assert connections.admit("a") == (Place.ORDINARY, None)
    assert connections.admit("b") == (Place.ORDINARY, None)
    assert connections.admit("c") == (Place.ORDINARY, "a")
    assert connections.admit("d") == (Place.ORDINARY, "b")


def test_a_request_in_progress_is_never_given_up() -> None:
    """The reserve is used once every ordinary place has a request; then nobody is admitted."""
    connections = OpenConnections[str](ordinary=2, reserve=2)
    for name in ("a", "b"):
        connections.admit(name)
        connections.begin_request(name)

    assert connections.admit("probe") == (Place.RESERVE, None)
    assert connections.admit("other") == (Place.RESERVE, None)
    assert connections.admit("later") == (Place.RESERVE, "probe")
    connections.begin_request("other")
    connections.begin_request("later")
    assert connections.admit("too many") == (None, None)


def test_a_complete_response_waits_again_behind_all_others() -> None:
    """An idle connection is ended only after those that were idle before."""
    connections = OpenConnections[str](ordinary=2, reserve=0)
    connections.admit("a")
    connections.begin_request("a")
    connections.admit("b")
    connections.wait_for_client("a")

    assert connections.admit("c") == (Place.ORDINARY, "b")
    assert connections.admit("d") == (Place.ORDINARY, "a")


def test_an_end_frees_the_place_once() -> None:
    """A connection that ends, or was ended for another, is counted out once."""
    connections = OpenConnections[str](ordinary=1, reserve=0)
    connections.admit("a")
    assert connections.admit("b") == (Place.ORDINARY, "a")
    connections.remove("a")
    connections.begin_request("b")
    assert connections.admit("c") == (None, None)
    connections.remove("b")
    connections.remove("b")
    connections.wait_for_client("b")

    assert connections.admit("c") == (Place.ORDINARY, None)
    assert connections.admit("d") == (Place.ORDINARY, "c")
