"""The text of `--help`: what the commands do, with examples. The options are in `parser`."""

ABOUT = (
    "Routes virtual machines without layer 2: learns guests from ARP and NDP on bridge ports, installs a host\n\
route and a permanent neighbour for each, and lets FRR (redistribute kernel) advertise them."
)

GROUPS = {
    "the daemon": {
        "run": "learn guests and route them, in the foreground",
        "reload": "read configuration and allowlist again",
        "flush": "withdraw what was installed; also works with no daemon",
        "probe": "send a probe to a guest now",
        "resync": "announce routes to FRR again that it missed",
    },
    "what it sees": {
        "show": "bindings, ports, counters or events",
        "explain": "why an address is routed, or is not",
        "watch": "follow decisions as they happen",
        "metrics": "figures of the daemon for Prometheus",
        "version": "the version of the command and of the daemon",
    },
    "before you trust it": {
        "check": "name every mistake in configuration and allowlist",
        "allowlist": "write an allowlist for the guests that are there",
        "doctor": "say what will not work on this node, and how to mend it",
        "replay": "show what the daemon would decide for a capture",
        "lab": "build a disposable network and see it work",
    },
}

REST = """\
examples:
  rdnbr run                            serve every bridge that owns 169.254.0.1/32 or fe80::1
  rdnbr run --dry-run                  say what it would do, and touch nothing
  rdnbr show                           who is where
  rdnbr explain 2.57.57.30             why that address is routed, or is not
  rdnbr show --json | jq '.bindings[] | select(.vm == 100)'
  tcpdump -Q in -i tap100i0 -w x.pcap arp or icmp6 or ether proto 0x8035; rdnbr replay x.pcap

files:
  /etc/rdnbr/rdnbr.toml                configuration, all of it optional
  /etc/rdnbr/allowlist, allowlist.d/   who may claim which address; without them rdnbr runs open
  /run/rdnbr/rdnbr.sock                control socket of the daemon

exit codes:
  0  done
  1  findings, bad input, or no answer
  2  the command line is wrong
  3  cannot start: no permission, no bridge, socket in use
  78 `run --wait`: a mistake in the configuration or the allowlist

rdnbr COMMAND --help has more on each."""

EPILOGS = {
    "run": """\
It stops on SIGTERM or Ctrl-C and leaves its routes in place: the next start takes them over, so that no
restart is seen in BGP. SIGHUP reads configuration and allowlist again, as does changing them.

With --wait, as under systemd, the daemon starts without a bridge, and serves the first one as soon as it has its
address. Until then it leaves the routes of an earlier run as they are, and `rdnbr show` says what it waits for. A
mistake in its files is then exit code 78, after which systemd does not start it again.

A dry run makes no control socket, so that it can run beside the daemon: what it would do is in its log alone,
and show, watch and the other commands ask the daemon, if there is one.

examples:
  rdnbr run
  rdnbr run --bridge 'vmbr*' --log-format json
  rdnbr run --allowlist ./allowlist --dry-run --log-level debug""",
    "show": """\
The first line says how many guests and problems there are, the mode, and since when the daemon runs. On a terminal,
columns without room are left out and named below the table; elsewhere every column is there.

examples:
  rdnbr show
  rdnbr show --vm 100
  rdnbr show --address 2.57.57.0/24 --state departed --sort seen
  rdnbr show ports --sort drops --watch
  rdnbr show counters
  rdnbr show events --json | jq '.events[] | select(.decision == "refused")'""",
    "explain": """\
First the verdict, and what to do; then what each layer says: built-in refusals, allowlist, limits, quarantine,
binding, what the daemon wants, what the kernel holds (whoever put it there), zebra and BGP; then what happened
lately. With no daemon it says what files, kernel and FRR tell. Exit code 0 when the address is routed, else 1.

examples:
  rdnbr explain 2.57.57.30
  rdnbr explain 2001:678:3a4:100::80 --json | jq -r '.layers[] | select(.answer == "no") | .text'""",
    "watch": """\
Ctrl-C ends it. What comes faster than it can be read is left out and counted.

examples:
  rdnbr watch --frames
  rdnbr watch --json | jq -r 'select(.decision == "moved") | .address'""",
    "version": """\
An upgrade restarts the daemon, unless that was prevented. Exit code 1 if a daemon of another version runs.

examples:
  rdnbr version
  rdnbr version --json | jq -r .daemon""",
    "metrics": """\
Prints the figures in Prometheus' text format, once. With --serve, as the unit rdnbr-metrics does, it serves them to
Prometheus on a loopback address, or writes them to a file of node_exporter, as [metrics] in the configuration says.
It is a process of its own that asks the daemon; without a daemon, rdnbr_up is 0.

examples:
  rdnbr metrics
  rdnbr metrics --textfile /var/lib/prometheus/node-exporter/rdnbr.prom
  systemctl enable --now rdnbr-metrics && curl -s http://127.0.0.1:9171/metrics""",
    "reload": """\
The daemon reads the files that it was started with. A mistake in any of them changes nothing; every mistake is
printed, and the exit code is 1.

examples:
  rdnbr check && rdnbr reload""",
    "flush": """\
A guest is learned again from its next ARP or neighbour discovery, which may take it a while. With no daemon,
routes and neighbours of protocol 171 are removed, and nothing else. Without an address or a port it asks first, and
where there is no terminal to ask on, it wants --all.

examples:
  rdnbr flush 2.57.57.30
  rdnbr flush tap100i0    (all on this port; if it flapped, its routes are held back no more)
  systemctl stop rdnbr && rdnbr flush --all""",
    "probe": """\
An address that a guest has, or had and fell silent, is probed where it is. Any other address is probed on every port
that may have it, five times in 3 s; a guest that answers has claimed it. Silence has no consequence.
The command waits up to 5 s for the answer, and says who answered. Exit code 1 if nobody did.

examples:
  rdnbr probe 2001:678:3a4:100::80
  rdnbr probe 2.57.57.30 --json | jq -r .mac""",
    "resync": """\
zebra learns kernel routes from netlink messages. If its receive buffer is full, it misses some, and it does not read
them again. This command compares zebra's routes with the kernel's, and makes the kernel send the message of each route
that differs once more, 20 a second: a route that zebra lacks is removed and added again at once; a route that only
zebra has is added and removed. No other route is touched. If a daemon runs, the daemon does it. The exit code is 1 if
zebra still differs in the end. The daemon itself compares its own routes with the kernel's, once a minute.

examples:
  rdnbr doctor; rdnbr resync --frr""",
    "check": """\
Prints each mistake as file:line: message. Exit code 1 if there is any.
Then rules that permit what stays refused, such as this node's own addresses, and rules that hardly mean what they
say, such as a vip that any guest may take, as file:line: warning: message, or note: where that is a small part of
the rule. These leave the exit code at 0.

With --against it asks the running daemon for its guests, and names those whose routes this allowlist would withdraw,
and the departed ones that could not come back. Exit code 1 if a route would be withdrawn.

With --show it prints the configuration, each value with where it comes from: the command line, a line of the file, or
the default.

examples:
  rdnbr check
  rdnbr check --show
  rdnbr check --allowlist ./allowlist.new --against && cp allowlist.new /etc/rdnbr/allowlist""",
    "allowlist": """\
Prints a rule for each address that has a route now: for its guest by number where the name of the port has one, else by
MAC. It is the way from open mode to an allowlist: read the file, delete what should not be permitted, and check it.
Do not write it to /etc/rdnbr/allowlist at once: the file is empty until the command ends.

examples:
  rdnbr allowlist --from-bindings > allowlist.new
  rdnbr check --allowlist ./allowlist.new --against && cp allowlist.new /etc/rdnbr/allowlist""",
    "doctor": """\
Looks at bridges, ports, kernel settings, allowlist, FRR and the daemon, and changes nothing. Needs no root, but
sees more with it, and says what it could not see. Give it the files and bridges that `rdnbr run` is given.
Exit code 1 if there is a problem or a warning; notes leave it at 0, and so do findings whose name is under
[doctor] accept in the configuration.

examples:
  rdnbr doctor
  rdnbr doctor --json | jq -r '.findings[] | select(.severity == "problem") | .cure'""",
    "replay": """\
Runs the engine of the daemon on the frames of the capture, with the capture's clock and a simulated kernel.
Several captures are several ports of one bridge. Reads pcap and pcapng, also compressed with gzip.
Capture with -Q in, which leaves out what the node and, through the bridge, other guests send to the port.

examples:
  tcpdump -Q in -i tap100i0 -w tap100i0.pcap arp or icmp6 or ether proto 0x8035
  rdnbr replay tap100i0.pcap
  rdnbr replay tap100i0.pcap --frames
  rdnbr replay boot.pcapng.gz --port tap100i0 --allowlist /etc/rdnbr/allowlist
  rdnbr replay x.pcap --json | jq -c 'select(.decision == "refused")'""",
    "lab": """\
Needs root. Everything is in network namespaces of its own, and removed again whatever happens.

examples:
  rdnbr lab
  rdnbr lab --migrate
  rdnbr lab --guests 20 --keep""",
}
