"""Rules that match nobody, whatever guests there are. Such a rule looks like a permission or a ban, and is neither."""

import re
from collections.abc import Iterator
from fnmatch import translate

from rdnbr.core.model.interfaces import vm_of
from rdnbr.core.model.rule import Qualifiers, matches_any

_LONGEST_NAME = 15
"""Characters of a device's name (IFNAMSIZ - 1, linux/if.h)."""
_SET = re.compile(r"\[!?\]?[^\]]*\]")
_CARDS = 100
"""Network cards of a guest. Proxmox gives a guest 32 at most."""


def unmatchable(qualifiers: Qualifiers) -> Iterator[str]:
    """Yield a message for each reason why no guest can meet all conditions."""
    if qualifiers.vlan is not None:
        yield (
            f"vlan={qualifiers.vlan} matches nobody: VLANs are not served yet, and tagged frames are ignored; "
            "leave it out, and give each VLAN a bridge of its own (bridge=)"
        )
    for name, globs in (("port", qualifiers.ports), ("bridge", qualifiers.bridges)):
        for glob in globs:
            why = _no_device(glob)
            if why is not None:
                yield f"{name}={glob} matches no device: {why}; write the device's name"
    if qualifiers.vm is not None and qualifiers.ports and not _has_port(qualifiers.vm, qualifiers.ports):
        yield (
            f"vm={qualifiers.vm} and port={','.join(qualifiers.ports)} contradict each other: "
            f"no port of guest {qualifiers.vm} has such a name; leave one of the two out"
        )


def _no_device(glob: str) -> str | None:
    """Return why no device has a name that matches `glob` (net/core/dev.c, dev_valid_name)."""
    fixed = _SET.sub("?", glob).replace("*", "")
    if len(fixed) > _LONGEST_NAME:
        return f"a name has at most {_LONGEST_NAME} characters"
    if {"/", ":"} & set(fixed):
        return "a name has neither '/' nor ':' in it"
    if "(?!)" in translate(glob):  # what fnmatch makes of a set that nothing is in, such as [9-1]
        return "the range in it is empty"
    return None


def _has_port(vm: int, globs: tuple[str, ...]) -> bool:
    """Return whether one of the globs may match a Proxmox port of the guest."""
    if any(vm_of(glob) == vm for glob in globs):
        return True
    names = (
        name for card in range(_CARDS) for name in (f"tap{vm}i{card}", f"veth{vm}i{card}", f"fwpr{vm}p{card}")
    )
    return any(matches_any(globs, name) for name in names)
