"""rdnbr: routes virtual machines without layer 2.

Data flows one way: frame → claim → decision → action. `core` decides and is pure, `linux` touches the kernel,
`operator` meets people; `daemon` and `replay` each put the three together.
"""

__version__ = "0.1.0"
