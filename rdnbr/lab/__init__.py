"""The lab: nodes, guests and a BGP upstream in network namespaces, for `rdnbr lab`, tests and benchmarks."""

from rdnbr.lab.demonstration import main
from rdnbr.lab.fabric import Fabric, Peering
from rdnbr.lab.guest import Guest
from rdnbr.lab.namespace import LabError
from rdnbr.lab.network import Lab
from rdnbr.lab.node import Node
from rdnbr.lab.wait import TooLate, wait_for

__all__ = ["Fabric", "Guest", "Lab", "LabError", "Node", "Peering", "TooLate", "main", "wait_for"]
