"""The only code that touches the kernel: packet sockets, links, routes and neighbours."""
