"""The kernel's forwarding tables (FIB): the desired entries, the actual ones, and the operations between them."""
