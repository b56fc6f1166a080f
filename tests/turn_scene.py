# SPDX-License-Identifier: BSD-2-Clause
"""A TURN server between a client and a peer, each in a namespace of its own, with inlay-turn beside
it or without: what the tests of inlay-turn, its demo and its bench share."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from harness import HarnessError, Namespace, certificate

TOP = pathlib.Path(__file__).resolve().parent.parent

GOPATH = pathlib.Path("/usr/share/gocode")  # where Debian has Go's libraries

# The server's namespace has an interface for each of the others.
CLIENT_NET, PEER_NET = 1, 2
PORT, PEER_PORT = 3478, 3480
TRIES = 5  # of what a busy machine may spoil
REALM, USER, PASSWORD = "inlay.test", "user", "secret"


def address(net, host, family=4):
    return f"10.77.{net}.{host}" if family == 4 else f"fd77:{net}::{host}"


def server_address(family=4):
    return address(CLIENT_NET, 1, family)


def relay_address(family=4):
    return address(PEER_NET, 1, family)


def client_address(family=4):
    return address(CLIENT_NET, 2, family)


def peer_address(family=4):
    return address(PEER_NET, 2, family)


def pion_missing():
    """Why no server can be made with pion's library; empty: one can."""
    if not shutil.which("go"):
        return "needs go (golang-go)"
    if not (GOPATH / "src/github.com/pion/turn/v2").is_dir():
        return "needs golang-github-pion-turn.v2-dev"
    return ""


def lacking(build, programs=("turnserver", "turnutils_uclient", "turnutils_peer")):
    """Why scenes cannot be played here; empty: they can."""
    if os.geteuid():
        return "needs root, for namespaces and BPF"
    for word in (*programs, "ip", "ethtool", "bpftool", "nsenter", "setpriv"):
        if not shutil.which(word):
            return f"needs {word} (scripts/setup installs it)"
    for word in ("inlay-turn", "inlayctl"):
        if not (build / word).exists():
            return f"{build / word} is not built (libmicrohttpd-dev, libnl-3-dev, libbpf-dev?)"
    return ""


class Scene:
    """Three namespaces: |server| with the interfaces "client" and "peer", |client| and |peer| with
    "eth0" each. Both families."""

    def __init__(self, processes, mtu=1500, peer_mtu=None, gro=True):
        self.processes, self.scratch = processes, processes.scratch
        self.server, self.client, self.peer = Namespace(), Namespace(), Namespace()
        self.turn = None
        try:
            self.join(self.client, "client", CLIENT_NET, mtu, gro)
            self.join(self.peer, "peer", PEER_NET, peer_mtu or mtu, gro)
        except HarnessError:
            self.close()
            raise

    def join(self, other, device, net, mtu, gro):
        self.server.run("ip", "link", "add", device, "mtu", str(mtu), "type", "veth", "peer",
                        "name", "eth0", "mtu", str(mtu), "netns", str(other.holder.pid))
        for space, name, host in ((self.server, device, 1), (other, "eth0", 2)):
            # As on a wire: one datagram a packet, and each with its checksum.
            space.run("ip", "link", "set", name, "gso_max_segs", "1")
            space.run("ethtool", "-K", name, "tx", "off")
            for family, bits in ((4, 24), (6, 64)):
                space.run("ip", "address", "add", f"{address(net, host, family)}/{bits}",
                          "dev", name, "nodad")
            space.run("ip", "link", "set", name, "up")
            # A veth takes what XDP redirects to it only where its peer polls.
            space.run("ethtool", "-K", name, "gro", "on" if gro else "off")
        for family in (4, 6):
            other.run("ip", f"-{family}", "route", "add", "default", "via",
                      address(net, 1, family))

    def close(self):
        for space in (self.server, self.client, self.peer):
            space.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Programs go before the interfaces that they stand at.
        self.processes.end_all()
        self.close()

    # --- What runs there --------------------------------------------------------------------

    def coturn(self, *options, name="turnserver", tls=False):
        words = ["turnserver", "-n", "-f", "--no-cli", "-a",
                 "-u", f"{USER}:{PASSWORD}", "-r", REALM, "-p", PORT, "-m", 1, "-l", "stdout",
                 "--simple-log", "--no-rfc5780", "--pidfile", self.scratch / f"{name}.pid",
                 "--db", self.scratch / f"{name}.db"]
        if tls:
            cert, key = certificate(self.scratch, "turn", server_address())
            words += ["--cert", cert, "--pkey", key]
        else:
            words += ["--no-tls", "--no-dtls"]
        for family in (4, 6):
            words += ["-L", server_address(family), "-E", relay_address(family)]
        child = self.processes.start(name, [*words, *options], self.server)
        self.processes.wait_for(child, "Total General servers")
        return child

    def pion(self, lifetime="10m", name="pion_server"):
        """The server of tests/net/pion_server.go; IPv4 only."""
        program = self.scratch / "pion_server"
        if not program.exists():
            done = subprocess.run(
                ["go", "build", "-o", program, TOP / "tests/net/pion_server.go"],
                env={**os.environ, "GOPATH": str(GOPATH), "GO111MODULE": "off",
                     "GOCACHE": str(self.scratch / "go")},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if done.returncode:
                raise HarnessError(f"go build: {done.stdout.decode(errors='replace')[-2000:]}")
        child = self.processes.start(name, [program, f"{server_address()}:{PORT}",
                                            relay_address(), REALM, USER, PASSWORD, lifetime],
                                     self.server)
        self.processes.wait_for(child, "listening")
        return child

    def echo(self):
        """Sends back whatever comes to PEER_PORT."""
        return self.processes.start("peer", ["turnutils_peer", "-p", PEER_PORT, "-L",
                                             peer_address(4), "-L", peer_address(6)], self.peer)

    def attached(self):
        """BPF programs that stand at interfaces of the server's namespace."""
        done = subprocess.run(self.server.enter(["bpftool", "-j", "net", "show"]),
                              stdout=subprocess.PIPE, check=True)
        net = json.loads(done.stdout)[0]
        return net["xdp"] + net["tc"]

    def datagrams(self):
        """UDP datagrams that came up to sockets of the server's namespace."""
        done = subprocess.run(self.server.enter(["cat", "/proc/net/snmp", "/proc/net/snmp6"]),
                              stdout=subprocess.PIPE, check=True, text=True)
        v4 = re.findall(r"^Udp: (\d+)", done.stdout, re.M)[0]
        v6 = re.findall(r"^Udp6InDatagrams\s+(\d+)", done.stdout, re.M)[0]
        return int(v4) + int(v6)

    def overflows(self):
        """Datagrams that sockets of the three namespaces had no room for."""
        total = 0
        for space in (self.server, self.client, self.peer):
            text = space.run("cat", "/proc/net/snmp", "/proc/net/snmp6")
            names, values = (line.split() for line in re.findall(r"^Udp: .*", text, re.M))
            total += int(values[names.index("RcvbufErrors")])
            total += int(re.search(r"^Udp6RcvbufErrors\s+(\d+)", text, re.M).group(1))
        return total

    def uclient(self, name, *options, family=4, seconds=120):
        """coturn's own client, to its end. What it says of messages sent, received and lost, and how
        many packets went "fast" meanwhile. What is lost by the fault of programs that get too little
        of a busy machine is no result, and tried again: where a socket was full, and over TLS, of
        which uclient takes a record for a message though there may be several in it."""
        over_tls = "-S" in options and "-t" in options
        for n in range(TRIES):
            overflows, fast = self.overflows(), sum(self.turn.totals()) if self.turn else 0
            done = self.finish_uclient(self.start_uclient(f"{name}{n}", *options, family=family),
                                       seconds)
            done["fast"] = sum(self.turn.totals()) - fast if self.turn else 0
            if not done["lost"] or not (over_tls or self.overflows() > overflows):
                break
        return done

    def start_uclient(self, name, *options, family=4):
        return self.processes.start(name, ["turnutils_uclient", "-u", USER, "-w", PASSWORD,
                                           *options, server_address(family)], self.client)

    def finish_uclient(self, child, seconds):
        self.processes.finish(child, seconds)
        return uclient_result(self.processes.log(child.inlay_name))

    def start_turn(self, config="", *options, name="inlay-turn", outside=False):
        """|outside|: of the server's namespace."""
        self.turn = InlayTurn(self, config, options, name, None if outside else self.server)
        return self.turn


def uclient_result(log):
    def last(pattern):
        found = re.findall(pattern, log)
        if not found:
            raise HarnessError(f"turnutils_uclient says nothing like '{pattern}':\n{log[-2000:]}")
        return found[-1]

    sent, received = last(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)")
    lost = last(r"Total lost packets (\d+)")
    return {"sent": int(sent), "received": int(received), "lost": int(lost)}


class InlayTurn:
    """inlay-turn in the server's namespace, and inlayctl to ask it."""

    def __init__(self, scene, config, options, name, namespace):
        self.scene, self.processes = scene, scene.processes
        self.socket = scene.scratch / f"{name}.sock"
        path = scene.scratch / f"{name}.yaml"
        path.write_text(config)
        self.child = self.processes.start(name, ["inlay-turn", "--config", path, "--control",
                                                 self.socket, *options], namespace)
        limit = time.monotonic() + 60  # the kernel verifies, on a busy machine for long
        while not self.socket.exists():
            if self.child.poll() is not None or time.monotonic() > limit:
                raise HarnessError(f"{name} did not start:\n{self.processes.log(name)[-3000:]}")
            time.sleep(0.02)

    def ask(self, *words):
        done = subprocess.run([str(self.processes.build / "inlayctl"), "--socket",
                               str(self.socket), "turn", *map(str, words), "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise HarnessError(f"inlayctl: {done.stderr.decode(errors='replace').strip()}")
        return json.loads(done.stdout)

    def say(self, *words):
        """What inlayctl shows people."""
        return subprocess.run([str(self.processes.build / "inlayctl"), "--socket",
                               str(self.socket), "turn", *words], stdout=subprocess.PIPE,
                              check=True, text=True).stdout.rstrip()

    def channels(self):
        return self.ask()["channels"]

    def status(self):
        return self.ask("status")

    def totals(self):
        """Packets that went fast to peers, and to clients."""
        status = self.status()
        return status["to_peer_packets"], status["to_client_packets"]

    def map_entries(self):
        """Keys in its tables, by the map's name."""
        found = {}
        for info in pathlib.Path(f"/proc/{self.child.pid}/fdinfo").iterdir():
            try:
                number = re.search(r"^map_id:\s*(\d+)", info.read_text(), re.M)
            except FileNotFoundError:
                continue  # closed meanwhile
            if not number:
                continue
            shown = json.loads(self.bpftool("map", "show", "id", number.group(1)))
            if shown["name"] in ("turn_clients", "turn_peers", "turn_watched"):
                dump = json.loads(self.bpftool("map", "dump", "id", number.group(1)))
                found[shown["name"]] = len(dump)
        return found

    def bpftool(self, *words):
        return subprocess.run(["bpftool", "-j", *words], stdout=subprocess.PIPE, check=True).stdout

    def reasons(self):
        return {one["reason"]: one["packets"] for one in self.ask("counters")["reasons"]}
