"""Reasons: every frame and every event ends in exactly one reason, and is counted under it.

A comment names the rule of each reason that refuses a frame. `pcaps/README.md` has an example frame for each. The
values are a promised interface: they appear as metric labels and in JSON.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The reason of a decision."""

    # Frame level
    OUTGOING = "outgoing"  # F1
    NOT_ARP_OR_NDP = "not-arp-or-ndp"  # F3
    SHORT_FRAME = "short-frame"  # F3
    TAGGED = "tagged"  # F4
    BAD_SOURCE_MAC = "bad-source-mac"  # F5
    OWN_MAC = "own-mac"  # F6
    TRUNCATED = "truncated"  # F7

    # ARP
    ARP_SHORT = "arp-short"  # A1
    ARP_FORMAT = "arp-format"  # A2
    ARP_OPERATION = "arp-operation"  # A3
    ARP_SENDER_MAC = "arp-sender-mac"  # A4
    MAC_MISMATCH = "mac-mismatch"  # A5, S4, V5
    ARP_REPLY_FROM_ZERO = "arp-reply-from-zero"  # A6

    # NDP
    IP6_SHORT = "ip6-short"  # N1
    IP6_VERSION = "ip6-version"  # N1
    FRAGMENT = "fragment"  # N2
    EXTENSION_HEADER = "extension-header"  # N2
    HOP_LIMIT = "hop-limit"  # N3
    CHECKSUM = "checksum"  # N4
    CODE = "code"  # N5
    NDP_SHORT = "ndp-short"  # N6
    OPTION = "option"  # N7
    LINK_LAYER_OPTION = "link-layer-option"  # N8
    OPTION_CONFLICT = "option-conflict"  # N9
    MULTICAST_TARGET = "multicast-target"  # N10
    LINK_LOCAL = "link-local"  # N11
    MULTICAST_SOURCE = "multicast-source"  # N12
    DAD_DESTINATION = "dad-destination"  # S1
    DAD_WITH_LINK_LAYER = "dad-with-link-layer"  # S2
    SOLICITED_MULTICAST = "solicited-multicast"  # V1
    NO_TARGET_LINK_LAYER = "no-target-link-layer"  # V4
    ROGUE_RA = "rogue-ra"  # RFC 6105
    ROGUE_REDIRECT = "rogue-redirect"
    NOT_NDP = "not-ndp"  # other ICMPv6, other IPv6

    # Addresses that no guest may claim
    SPECIAL_ADDRESS = "special-address"  # A7, N11
    OWN_ADDRESS = "own-address"  # A8, N11
    NEXT_HOP = "next-hop"  # a gateway of the node's routes
    CONNECTED_PREFIX = "connected-prefix"  # within a prefix of another interface of the node

    # Allowlist
    NOT_PERMITTED = "not-permitted"  # A12: no rule permits it
    DENIED = "denied"  # a deny rule
    PINNED = "pinned"  # a more specific rule permits it to another claimant

    # The binding's state machine
    FIRST_CLAIM = "first-claim"
    EVIDENCE = "evidence"
    ANSWERED = "answered"
    ARRIVED = "arrived"  # a known MAC is back
    RENEWED = (
        "renewed"  # with `mobility = "newest-wins"`: the guest announced itself; it may have been elsewhere
    )
    AWAITING_ANSWER = "awaiting-answer"
    AWAITING_DAD = "awaiting-dad"
    UNKNOWN_MAC = "unknown-mac"  # a RARP whose MAC has no binding and no rule in the allowlist
    LOOPED_BACK = "looped-back"  # S3: the nonce of the incumbent's own solicitation
    NO_OVERRIDE = "no-override"  # V3: an advertisement without the Override flag
    RIVAL_CLAIM = "rival-claim"
    INCUMBENT_ANSWERED = "incumbent-answered"
    INCUMBENT_SILENT = "incumbent-silent"
    RIVAL_SILENT = "rival-silent"
    COLLECTED = "collected"  # a claim that waits for others, since several ports were asked
    SEVERAL_ANSWERS = (
        "several-answers"  # several ports were asked, and another guest answered as well or better
    )
    BEING_DECIDED = "being-decided"  # a third anchor, during a conflict between two
    STATIC = "static"  # the rule says `static`: routed without probes, and not moved by claims
    ANNOUNCED = "announced"  # an address of a `vip` rule, which moves with each announcement
    MOVED_TOO_OFTEN = "moved-too-often"
    THAWED = "thawed"
    QUARANTINED = "quarantined"
    SILENT = "silent"
    FORGOTTEN = "forgotten"
    PORT_GONE = "port-gone"
    SEGMENT_GONE = "segment-gone"
    NO_LONGER_PERMITTED = "no-longer-permitted"
    FLUSHED = "flushed"
    FOUND_IN_KERNEL = "found-in-kernel"
    KERNEL_REFUSED = "kernel-refused"
    FOREIGN_ROUTE = "foreign-route"  # the kernel has another program's route or neighbour for the key
    CONTESTED = (
        "contested"  # another program keeps removing it from the kernel; it is put back after a hold-down
    )
    DAMPED = "damped"  # its port flaps, and the routes of the port are held back for a while (RFC 2439)
    UNKNOWN_PORT = "unknown-port"  # F2
    NO_HINT = "no-hint"  # an IP packet whose source address leads to no claim (data snooping)

    # Limits
    PORT_FULL = "port-full"
    TABLE_FULL = "table-full"
    TOO_MANY_NEW = "too-many-new"  # F8: the port makes new claims faster than its limit

    # Faults
    INTERNAL_ERROR = "internal-error"  # of rdnbr itself; the log has the frame
