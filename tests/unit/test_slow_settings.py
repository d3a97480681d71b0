"""Settings of bgpd that keep it from telling of a guest at once."""

import pytest

from rdnbr.linux.frr.slow_settings import SlowSetting, read_slow_settings

ROUTER = "router bgp 65001"


@pytest.mark.parametrize(
    ("configuration", "found"),
    [
        (
            f"{ROUTER}\n coalesce-time 1000\n",
            SlowSetting("bgp-coalesce-time", "coalesce-time 1000", (ROUTER,)),
        ),
        (
            f"{ROUTER}\n neighbor 198.51.100.0 advertisement-interval 30\n",
            SlowSetting(
                "bgp-advertisement-interval", "neighbor 198.51.100.0 advertisement-interval 30", (ROUTER,)
            ),
        ),
        (
            "bgp update-delay 60 20\n!\nrouter bgp 65001\n",
            SlowSetting("bgp-update-delay", "bgp update-delay 60 20", ()),
        ),
        (
            f"{ROUTER} vrf red\n update-delay 9\n",
            SlowSetting("bgp-update-delay", "update-delay 9", (f"{ROUTER} vrf red",)),
        ),
        (
            f"{ROUTER}\n !\n address-family ipv4 unicast\n  bgp dampening 15 750 2000 60\n exit-address-family\n",
            SlowSetting(
                "bgp-dampening", "bgp dampening 15 750 2000 60", (ROUTER, "address-family ipv4 unicast")
            ),
        ),
    ],
)
def test_slow_setting_is_found(configuration: str, found: SlowSetting) -> None:
    """Each setting is found with the lines that it stands under."""
    assert read_slow_settings(configuration) == [found]


def test_settings_that_do_no_harm() -> None:
    """Small values, and settings of other daemons and features, are not found."""
    assert (
        read_slow_settings(
            f"{ROUTER}\n coalesce-time 50\n neighbor 198.51.100.0 advertisement-interval 0\n timers bgp 1 3\n"
            " neighbor UPSTREAM description dampening\nexit\n"
        )
        == []
    )


def test_cure_can_be_pasted() -> None:
    """The cure is one vtysh command that enters where the line stands, and takes it out."""
    assert SlowSetting("bgp-coalesce-time", "coalesce-time 1000", (ROUTER,)).cure == (
        "vtysh -c 'configure terminal' -c 'router bgp 65001' -c 'no coalesce-time 1000'"
    )
