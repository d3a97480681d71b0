"""Sockets are closed aside, so that nobody waits for the kernel to let go of them."""

from socket import socketpair

from rdnbr.linux.closer import Closer


def test_finish_waits_for_all() -> None:
    """When closing has finished, everything handed over is closed."""
    endpoints = [endpoint for _ in range(50) for endpoint in socketpair()]
    closer = Closer()
    for endpoint in endpoints:
        closer.close(endpoint)
    closer.finish()
    assert {endpoint.fileno() for endpoint in endpoints} == {-1}
