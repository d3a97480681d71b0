"""rtnetlink: links, addresses, routes, neighbours and the bridge's forwarding database.

All messages are packed and read by the code in this folder. pyroute2 is the oracle of the tests, and is not imported
here, for these reasons:

1. Its codec raises on device names that are no UTF-8. Every device of the node passes here, whoever named it.
2. It costs half a second and 25 MiB when it is imported.
3. Before version 0.9 it does not know NDA_PROTOCOL, which tells our neighbours from others, and Debian 12 has 0.7.
4. A message of the daemon costs 2 to 4 µs here, and some 250 µs there.
"""
