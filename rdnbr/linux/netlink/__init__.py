"""rtnetlink: links, addresses, routes, neighbours and the bridge's forwarding database."""
