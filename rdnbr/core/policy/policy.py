"""The policy: who may have which address, how many and how fast, and whose claims are ignored for a while."""

from typing import NamedTuple

from rdnbr.core.policy.authorization import Authorization
from rdnbr.core.policy.limits import PortLimits
from rdnbr.core.policy.quarantine import Quarantine


class Policy(NamedTuple):
    """The three parts of the policy, in the order in which a claim meets them."""

    authorization: Authorization
    limits: PortLimits
    quarantine: Quarantine
