"""The running daemon repairs each fault of the table in its time."""

import pytest

from rdnbr.lab import Lab, wait_for
from tests.e2e.fault_lab import FabricFaultLab, FaultLab
from tests.e2e.faults import FAULTS, FRR_FAULTS

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def fault_lab():
    with Lab(guests=2, frr=False) as lab:
        yield FaultLab(lab)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_fault_is_repaired(fault_lab, fault):
    """Kernel and daemon are as before within the time that the table says; nothing is lost, nothing crashes."""
    fault_lab.forget_flaps()
    logged = len(fault_lab.daemon.log)
    fault.breaks(fault_lab)
    if fault.meanwhile is not None:
        wait_for(lambda: fault.meanwhile(fault_lab), 5, "what is expected meanwhile")
    if fault.mends is not None:
        fault.mends(fault_lab)
    took = fault_lab.wait_until_restored(fault.within)
    log = fault_lab.daemon.log[logged:]
    print(f"{fault.title}: {took:.2f} s, {len(log.splitlines())} lines")
    assert fault_lab.daemon.ended is None
    assert fault.log in log
    assert "Traceback" not in log


@pytest.fixture(scope="module")
def fabric_fault_lab():
    with Lab(guests=2, frr=True) as lab:
        fault_lab = FabricFaultLab(lab)
        fault_lab.wait_until_restored(10)
        yield fault_lab


@pytest.mark.frr
@pytest.mark.parametrize("fault", FRR_FAULTS, ids=lambda fault: fault.title)
def test_frr_comes_back(fabric_fault_lab, fault):
    """No entry of rdnbr changes while FRR is down; after its start it advertises all guests, and doctor agrees."""
    fault_lab, logged = fabric_fault_lab, len(fabric_fault_lab.daemon.log)
    fault.breaks(fault_lab)
    if fault.meanwhile is not None:
        wait_for(lambda: fault.meanwhile(fault_lab), 15, "what is expected meanwhile")
    assert fault_lab.entries() == fault_lab.normal
    assert fault_lab.frr_findings() != []
    fault.mends(fault_lab)
    print(f"{fault.title}: {fault_lab.wait_until_restored(fault.within):.2f} s, 0 lines")
    wait_for(lambda: fault_lab.frr_findings() == [], 5, "doctor to find nothing")
    assert fault_lab.daemon.log[logged:] == ""
