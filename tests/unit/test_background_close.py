"""Sockets are closed aside, so that nobody waits for the kernel to let go of them."""

from socket import socketpair

from rdnbr.linux.packet.background_close import BackgroundClose


def test_finish_waits_for_all() -> None:
    """When closing has finished, everything handed over is closed."""
    endpoints = [endpoint for _ in range(50) for endpoint in socketpair()]
    closer = BackgroundClose()
    for endpoint in endpoints:
        closer.close(endpoint)
    closer.finish()
    assert {endpoint.fileno() for endpoint in endpoints} == {-1}
