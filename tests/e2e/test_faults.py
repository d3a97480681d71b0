"""The running daemon repairs each fault of the table in its time."""

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.faults import FAULTS, FRR_FAULTS
from tests.e2e.scene import FabricScene, Scene

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def scene():
    with Lab(guests=2, frr=False) as lab:
        yield Scene(lab)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_fault_is_repaired(scene, fault):
    """Kernel and daemon are as before within the time that the table says; nothing is lost, nothing crashes."""
    logged = len(scene.daemon.log)
    fault.breaks(scene)
    if fault.meanwhile is not None:
        wait_for(lambda: fault.meanwhile(scene), 5, "what is expected meanwhile")
    if fault.mends is not None:
        fault.mends(scene)
    took = scene.wait_until_restored(fault.within)
    log = scene.daemon.log[logged:]
    print(f"{fault.title}: {took:.2f} s, {len(log.splitlines())} lines")
    assert scene.daemon.ended is None
    assert fault.log in log
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def fabric_scene():
    with Lab(guests=2, frr=True) as lab:
        scene = FabricScene(lab)
        scene.wait_until_restored(10)
        yield scene


@pytest.mark.frr
@pytest.mark.parametrize("fault", FRR_FAULTS, ids=lambda fault: fault.title)
def test_frr_comes_back(fabric_scene, fault):
    """No entry of rdnbr changes while FRR is down; after its start it advertises all guests, and doctor agrees."""
    scene, logged = fabric_scene, len(fabric_scene.daemon.log)
    fault.breaks(scene)
    if fault.meanwhile is not None:
        wait_for(lambda: fault.meanwhile(scene), 15, "what is expected meanwhile")
    assert scene.entries() == scene.normal
    assert scene.complaints() != []
    fault.mends(scene)
    print(f"{fault.title}: {scene.wait_until_restored(fault.within):.2f} s, 0 lines")
    wait_for(lambda: scene.complaints() == [], 5, "doctor to find nothing")
    assert scene.daemon.log[logged:] == ""
