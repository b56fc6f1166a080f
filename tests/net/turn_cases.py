# SPDX-License-Identifier: BSD-2-Clause
"""Cases of turn_test.py that go step by step: one client, one channel, and what ends it or must not
disturb it."""
import contextlib
import json
import os
import signal
import socket
import struct
import time
import urllib.error
import urllib.request

from harness import PATIENCE, HarnessError, Namespace, free_port, until
from turn_client import (CHANNEL_BIND, CHANNEL_NUMBER, XOR_PEER, TurnClient, message, socket_in,
                         xor_address)
from turn_fake import FakeServer
from turn_scene import (PORT, Scene, client_address, peer_address, relay_address, server_address)

NUMBER = 0x4001
BURST_S = 1  # of an allocation's rates


class Channel:
    """A client with one allocation, and one channel bound to a socket at the peer."""

    def __init__(self, scene, number=NUMBER, client_family=4, family=4, lifetime=None):
        self.scene, self.number, self.count = scene, number, 0
        self.late = {}  # what was given up, and may arrive yet: when it was sent
        self.client = TurnClient(scene.client, client_address(client_family),
                                 server_address(client_family))
        self.peer = socket_in(scene.peer, peer_address(family))
        self.at = self.peer.getsockname()[:2]
        self.asked = time.monotonic()  # between these its lifetimes began
        self.client.allocate(family, lifetime)
        self.client.bind(number, self.at)
        self.granted = time.monotonic()

    def quiet(self):
        """Throws away what has come to either end."""
        self.client.drain()
        self.client.received.clear()
        self.late.clear()
        self.quiet_socket(self.peer)

    @staticmethod
    def quiet_socket(one):
        """How many datagrams it had."""
        one.settimeout(0.05)
        for n in range(100000):
            try:
                one.recv(65536)
            except TimeoutError:
                return n
        raise HarnessError("it is never quiet")

    def arrives(self, data, receive, seconds):
        """Whether |data| is what comes next, but for what was given up before."""
        sent = time.monotonic()
        while (got := receive(max(sent + seconds - time.monotonic(), 0.001))) is not None:
            if self.late.pop(got, None) is None:
                return got == data
        self.late[data] = sent
        return False

    def receive_at_peer(self, seconds):
        self.peer.settimeout(seconds)
        try:
            return self.peer.recv(65536)
        except TimeoutError:
            return None

    def to_peer(self, data=None, padded=False, seconds=PATIENCE):
        """Sends one; returns whether it arrived as it is."""
        self.count += 1
        data = data or b"to peer %d" % self.count
        self.client.channel_data(self.number, data, padded)
        return self.arrives(data, self.receive_at_peer, seconds)

    def to_client(self, data=None, seconds=PATIENCE):
        """From the peer; returns whether it arrived, unpadded, on its channel."""
        self.count += 1
        data = data or b"to client %d" % self.count
        self.peer.sendto(data, self.client.relayed)
        framed = struct.pack(">HH", self.number, len(data)) + data
        return self.arrives(framed, self.client.receive_one, seconds)

    def make_fast(self):
        """The server shows that it relays."""
        def fast():
            assert self.to_peer(), "the server does not relay"
            return any(one["state"] == "fast" and one["number"] == self.number and
                       one["peer"].endswith(f":{self.at[1]}") for one in self.scene.turn.channels())
        until("the channel is fast", fast)
        return self

    def went_fast(self, n=20):
        """Sends n both ways; how many of them went fast. All must arrive."""
        before = self.scene.turn.totals()
        for _ in range(n):
            assert self.to_peer() and self.to_client(), "a datagram was lost"
        after = self.scene.turn.totals()
        return after[0] - before[0], after[1] - before[1]


@contextlib.contextmanager
def played(processes, config="", server=(), **options):
    """A scene with coturn and inlay-turn."""
    with Scene(processes, **options) as scene:
        scene.coturn(*server)
        scene.start_turn(config)
        yield scene


def is_empty(turn):
    tables = turn.ask()
    return not tables["channels"] and not any(turn.map_entries().values())


# --- Relaying ------------------------------------------------------------------------------------

def both_ways(processes):
    """A channel is fast both ways after one datagram, and its statistics count each."""
    with played(processes) as scene:
        channel = Channel(scene)
        until("it is watched", lambda: [
            one["state"] for one in scene.turn.channels()] == ["watched"])
        channel.make_fast()
        server_saw = scene.datagrams()
        assert channel.went_fast(50) == (50, 50)
        assert scene.datagrams() == server_saw, "packets went to the server as well"
        told = scene.turn.channels()[0]
        assert told["to_peer_packets"] == told["to_client_packets"] == 50, told
        assert told["to_peer_bytes"] >= 50 * len("to peer 2"), told
        # Its end takes every entry with it, and no count.
        channel.client.refresh(0)
        until("the tables are empty", lambda: is_empty(scene.turn))
        assert scene.turn.totals() == (50, 50)


def lengths(processes):
    """Datagrams of every small length, padded and not, arrive as they are, unpadded."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        before = scene.turn.totals()
        for n in (*range(1, 33), 1000, 1399, 1400, 1401):
            data = bytes(os.urandom(n))
            for padded in (False, True):
                assert channel.to_peer(data, padded), f"{n} bytes, padded: {padded}"
            assert channel.to_client(data), f"{n} bytes back"
        went = scene.turn.totals()
        assert went[0] - before[0] == 72 and went[1] - before[1] == 36, went


def families(processes):
    """Both families and both crossings are fast, checksums included."""
    with played(processes) as scene:
        for client_family, family in ((4, 6), (6, 4), (6, 6), (4, 4)):
            channel = Channel(scene, 0x4000 + client_family * 16 + family, client_family, family)
            channel.make_fast()
            assert channel.went_fast() == (20, 20), f"{client_family} to {family}"


def attach(way):
    def case(processes):
        with played(processes, f"attach: {way}\n", gro=way != "tc") as scene:
            links = {one["name"]: one["ingress"] for one in scene.turn.ask("links")["links"]}
            assert links["client"] == links["peer"] == way, links
            channel = Channel(scene).make_fast()
            assert channel.went_fast() == (20, 20)
            assert channel.to_peer(b"odd", True) and channel.to_client(b"odd")
    case.__doc__ = f"Attached as `{way}` it relays."
    return case


def tc_behind_xdp(processes):
    """TC relays what XDP cannot hand to a veth whose peer takes no redirected frames."""
    with played(processes, gro=False) as scene:
        channel = Channel(scene).make_fast()
        assert channel.went_fast() == (20, 20)


def hairpin(processes):
    """Two clients of one server are each other's peers, fast."""
    with played(processes) as scene:
        ends = [TurnClient(scene.client, client_address(), server_address()) for _ in range(2)]
        for end in ends:
            end.allocate()
        for n, end in enumerate(ends):
            end.bind(NUMBER + n, ends[1 - n].relayed)

        def exchange(data):
            for n, end in enumerate(ends):
                end.channel_data(NUMBER + n, data)
                other = ends[1 - n].receive_one(PATIENCE)
                assert other == struct.pack(">HH", NUMBER + 1 - n, len(data)) + data, other
        until("both are fast", lambda: exchange(b"first") or [
            one["state"] for one in scene.turn.channels()] == ["fast", "fast"])
        before, server_saw = scene.turn.totals(), scene.datagrams()
        for n in range(20):
            exchange(b"datagram %d" % n)
        after = scene.turn.totals()
        assert scene.datagrams() == server_saw, "packets went to the server"
        assert after[0] - before[0] == after[1] - before[1] == 40, (before, after)


def larger_than_the_next_link(processes):
    """What the next link cannot carry whole is the server's to fragment."""
    with played(processes, peer_mtu=1300) as scene:
        channel = Channel(scene).make_fast()
        before = scene.turn.totals()
        data = os.urandom(1350)
        assert channel.to_peer(data), "it was lost"
        assert scene.turn.totals() == before
        assert scene.turn.reasons()["TURN_OVER_MTU"] >= 1
        assert channel.went_fast(5) == (5, 5)


def fragments(processes):
    """Fragmented ChannelData, and a peer's fragments, are the server's."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        before = scene.turn.totals()
        data = os.urandom(3000)
        assert channel.to_peer(data) and channel.to_client(data), "it was lost"
        assert scene.turn.totals() == before
        assert channel.went_fast(5) == (5, 5)


def a_neighbour_that_moves(processes):
    """Another link-layer address of the peer's is followed within a second."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        assert channel.went_fast(5) == (5, 5)
        scene.peer.run("ip", "link", "set", "eth0", "address", "02:00:00:00:77:01")
        for family in (4, 6):
            scene.server.run("ip", f"-{family}", "neigh", "replace", peer_address(family), "lladdr",
                             "02:00:00:00:77:01", "dev", "peer")
        changed = time.monotonic()
        until("packets arrive again", lambda: channel.to_peer(seconds=0.05))
        lost = [sent - changed for sent in channel.late.values()]
        assert all(after < 1 for after in lost), f"packets were lost {lost} s after it"
        assert channel.went_fast(5) == (5, 5)


def left_alone(what, *options, server=(), tls=False):
    def case(processes):
        with Scene(processes) as scene:
            scene.coturn(*server, tls=tls)
            scene.start_turn()
            scene.echo()
            done = scene.uclient("uclient", *options, "-e", peer_address(), "-c", "-n", 100)
            assert done["sent"] == done["received"] >= 100 and not done["lost"], done
            assert scene.turn.totals() == (0, 0)
    case.__doc__ = f"{what} stay with the server."
    return case


def behind_nat(processes):
    """A server that tells another address than its own is learnt by what it does."""
    with played(processes, "", [f"--external-ip=203.0.113.7/{relay_address()}"]) as scene:
        channel = Channel(scene)
        assert channel.client.relayed[0] == "203.0.113.7"
        channel.client.relayed = (relay_address(), channel.client.relayed[1])
        assert channel.make_fast().went_fast() == (20, 20)
        told = scene.turn.ask()["allocations"][0]
        assert told["relayed"].startswith("203.0.113.7:"), told
        assert told["seen"].startswith(f"{relay_address()}:"), told


def threads(processes):
    """A server of several threads, with a socket each, is learnt like any."""
    with played(processes, "", ["-m", "3"]) as scene:
        for n in range(8):
            assert Channel(scene, NUMBER + n).make_fast().went_fast(3) == (3, 3)


def shown(processes):
    """What inlayctl shows people has the channels, the reasons and the interfaces."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        channel.went_fast(7)
        tables, counters = scene.turn.say(), scene.turn.say("counters")
        peer = f"{channel.at[0]}:{channel.at[1]}"
        line, = (line.split() for line in tables.splitlines() if peer in line)
        assert line[2:5] == [peer, f"0x{NUMBER:x}", "fast"] and line[8] == line[10] == "7", tables
        assert "TURN_WATCHED" in counters and "TURN_EXPIRED" not in counters, counters
        assert "TURN_EXPIRED" in scene.turn.say("counters", "--all")
        assert "native" in scene.turn.say("links")
        assert "7 packets" in scene.turn.say("status")
        assert scene.turn.say("off") == "off, was relay"
        assert scene.turn.say("observe") == "observe, was off"


# --- Ends ----------------------------------------------------------------------------------------

def ends_in_time(scene, channel, seconds):
    """Sends until nothing goes fast any more: |seconds| from when that was granted, and less than
    one more. What is slow here is not held against it: of a packet that is not fast it counts when
    that was seen, of one that is, when it was sent."""
    last, slow, count = 0, None, scene.turn.totals()
    while time.monotonic() < channel.granted + seconds + 2:
        sent = time.monotonic()
        channel.client.channel_data(channel.number, b"to the end")
        channel.peer.sendto(b"to the end", channel.client.relayed)
        time.sleep(0.02)
        before, count = count, scene.turn.totals()
        if count != before:
            last, slow = sent, None
        elif slow is None:
            slow = time.monotonic()
    channel.quiet()
    assert last < channel.granted + seconds + 1, \
        f"it went fast {last - channel.granted:.2f} s after it was granted"
    assert slow and slow > channel.asked + seconds - 0.5, \
        f"it went fast for {slow - channel.asked:.2f} s only"


def channel_expiry(processes):
    """A channel that has run out is fast for less than a second more."""
    with played(processes, "lifetimes:\n  channel_s: 5\n", ["--channel-lifetime", "5"]) as scene:
        channel = Channel(scene).make_fast()
        ends_in_time(scene, channel, 5)
        until("the tables are empty", lambda: is_empty(scene.turn))
        channel.client.bind(NUMBER, channel.at)
        assert channel.make_fast().went_fast(5) == (5, 5)


def permission_expiry(processes):
    """A permission that has run out stops its channels, and a new one lets them go on."""
    with played(processes, "lifetimes:\n  permission_s: 5\n",
                ["--permission-lifetime", "5"]) as scene:
        channel = Channel(scene).make_fast()
        ends_in_time(scene, channel, 5)
        channel.client.permit(channel.at)
        until("it is fast again", lambda: channel.went_fast(1) == (1, 1))


def allocation_expiry(processes):
    """An allocation that has run out is fast for less than a second more."""
    with Scene(processes) as scene:
        # coturn grants ten minutes at least.
        server = FakeServer(scene.server, server_address(), relay_address(), lifetime=5)
        try:
            scene.start_turn()
            ends_in_time(scene, Channel(scene, lifetime=5).make_fast(), 5)
            until("the tables are empty", lambda: is_empty(scene.turn))
        finally:
            server.close()


def refreshes(processes):
    """Refreshed in time, channel, permission and allocation go on."""
    with played(processes, "lifetimes:\n  channel_s: 6\n  permission_s: 6\n",
                ["--channel-lifetime", "6", "--permission-lifetime", "6"]) as scene:
        channel = Channel(scene).make_fast()
        for _ in range(4):
            time.sleep(2)
            channel.client.refresh(600)
            channel.client.bind(NUMBER, channel.at)
            assert channel.went_fast(5) == (5, 5)


def a_refresh_of_zero(processes):
    """A Refresh with lifetime 0 ends an allocation at once."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        channel.client.refresh(0)
        until("the tables are empty", lambda: is_empty(scene.turn))
        before = scene.turn.totals()
        channel.to_peer(seconds=0.2)  # coturn itself relays for a moment more
        assert scene.turn.totals() == before


def server_restart(processes):
    """A server that is killed takes its allocations with it, and a new one begins anew."""
    with Scene(processes) as scene:
        server = scene.coturn()
        turn = scene.start_turn()
        channel = Channel(scene).make_fast()
        processes.end(server, signal.SIGKILL)
        until("the tables are empty", lambda: is_empty(turn))
        before = turn.totals()
        assert not channel.to_peer(seconds=0.2) and turn.totals() == before
        scene.coturn(name="second")
        assert Channel(scene).make_fast().went_fast(5) == (5, 5)


# --- inlay-turn itself ---------------------------------------------------------------------------

def killed(processes):
    """Killed, it leaves everything to the server, and what stays attached to the next start."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        # Before Linux 6.6: filters, which outlive it.
        filters = [one for one in scene.attached() if one.get("kind", "").startswith("clsact")]
        assert channel.went_fast(5) == (5, 5) and scene.attached()
        processes.end(scene.turn.child, signal.SIGKILL)
        until("only filters are attached", lambda: len(scene.attached()) == len(filters))
        if filters:
            time.sleep(2.2)
        server_saw = scene.datagrams()
        for _ in range(10):
            assert channel.to_peer() and channel.to_client(), "a datagram was lost"
        assert scene.datagrams() - server_saw >= 20
        scene.start_turn(name="again")
        assert Channel(scene, NUMBER + 1).make_fast().went_fast(5) == (5, 5)
        assert processes.end(scene.turn.child) == 0
        assert not scene.attached()


def stopped(processes):
    """Two seconds after it stands still nothing goes fast; then it does again."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        scene.turn.child.send_signal(signal.SIGSTOP)
        time.sleep(2.2)
        server_saw = scene.datagrams()
        for _ in range(10):
            assert channel.to_peer() and channel.to_client(), "a datagram was lost"
        assert scene.datagrams() - server_saw == 20
        scene.turn.child.send_signal(signal.SIGCONT)
        until("it is fast again", lambda: channel.went_fast(1) == (1, 1))
        assert scene.turn.reasons()["TURN_NOT_ALIVE"] >= 20


def ended(processes):
    """Ended, it leaves nothing behind, and a new one starts empty."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        assert processes.end(scene.turn.child) == 0
        assert not scene.attached()
        assert channel.to_peer() and channel.to_client()
        scene.start_turn(name="again")
        assert is_empty(scene.turn)
        assert channel.went_fast(5) == (0, 0), "it knows more than it can"
        assert Channel(scene, NUMBER + 1).make_fast().went_fast(5) == (5, 5)


def off_and_on(processes):
    """Off detaches at once, on learns anew; counts only rise."""
    with played(processes) as scene:
        turn = scene.turn
        channel = Channel(scene).make_fast()
        channel.went_fast(5)
        totals = turn.totals()
        assert turn.ask("off") == {"mode": "off", "before": "relay"}
        assert not scene.attached()
        assert turn.totals() == totals and turn.status()["mode"] == "off"
        assert channel.went_fast(5) == (0, 0)
        assert turn.ask("on")["mode"] == "relay"
        assert scene.attached() and is_empty(turn)
        assert Channel(scene, NUMBER + 1).make_fast().went_fast(5) == (5, 5)
        assert turn.totals() > totals


def observe(processes):
    """Observing, it forwards nothing and counts what would have gone fast."""
    with played(processes, "observe: true\n") as scene:
        channel = Channel(scene).make_fast()
        server_saw, before = scene.datagrams(), scene.turn.reasons()["TURN_OBSERVED"]
        for _ in range(20):
            assert channel.to_peer() and channel.to_client()
        assert scene.datagrams() - server_saw == 40, "the server did not see all of it"
        assert scene.turn.reasons()["TURN_OBSERVED"] - before == 40
        assert scene.turn.status()["mode"] == "observe"
        scene.turn.ask("on")
        server_saw = scene.datagrams()
        assert channel.went_fast() == (20, 20), "it had learnt nothing"
        assert scene.datagrams() == server_saw


def another_namespace(processes):
    """From outside it enters the server's namespace, and tells Prometheus where it was started."""
    port = free_port()
    with Scene(processes) as scene:
        scene.coturn()
        scene.start_turn(f"metrics: 127.0.0.1:{port}\n"
                         f"netns: /proc/{scene.server.holder.pid}/ns/net\n", outside=True)
        Channel(scene).make_fast().went_fast(7)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
        assert lines['inlay_turn_relayed_packets_total{direction="to_peer"}'] == "7", text
        assert lines["inlay_turn_channels"] == "1", text
        assert 'inlay_turn_not_relayed_packets_total{reason="TURN_WATCHED"}' in lines, text
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/other", timeout=5)
            raise AssertionError("there is something elsewhere")


# --- Limits --------------------------------------------------------------------------------------

def denied(processes):
    """A peer in a denied range is relayed by the server alone."""
    with played(processes, f"denied: [{peer_address(4)}/32]\n") as scene:
        channel = Channel(scene)
        assert channel.went_fast(10) == (0, 0)
        assert scene.turn.reasons()["TURN_DENIED"] > 0
        assert Channel(scene, NUMBER, 4, 6).make_fast().went_fast(5) == (5, 5)


def full(processes):
    """When every place is taken, new channels stay with the server."""
    with played(processes, "limits:\n  channels: 3\n") as scene:
        fast = []
        for n in range(2):
            fast.append(Channel(scene, NUMBER + n).make_fast())
            time.sleep(3)  # the place where it was watched rests for a second
        for n in range(2, 5):
            assert Channel(scene, NUMBER + n).went_fast(5) == (0, 0)
        assert scene.turn.reasons()["TURN_FULL"] > 0
        for channel in fast:
            assert channel.went_fast(5) == (5, 5)


def rate(limit, per_s):
    def case(processes):
        with played(processes, f"limits:\n  {limit}\n") as scene:
            channel = Channel(scene).make_fast()
            began = time.monotonic()
            for _ in range(2000):
                channel.client.channel_data(NUMBER, bytes(100))

            def is_settled():
                over = scene.turn.status()["over_limit"]
                time.sleep(0.2)
                return over == scene.turn.status()["over_limit"]
            until("all of it is counted", is_settled)
            most = per_s * (time.monotonic() - began + BURST_S)
            status = scene.turn.status()
            assert status["over_limit"] > 1000, status
            assert 50 < status["to_peer_packets"] < most, (status, most)
            assert scene.turn.channels()[0]["over_limit"] == status["over_limit"]
            channel.quiet()
            until("it is served again", lambda: channel.to_peer(seconds=0.1))
    case.__doc__ = f"An allocation above {limit} is cut."
    return case


# --- What others send ----------------------------------------------------------------------------

def byte_for_byte(processes):
    """Whatever is malformed reaches the server as it is, and nothing else happens."""
    with Scene(processes) as scene:
        server = FakeServer(scene.server, server_address(), relay_address())
        try:
            turn = scene.start_turn()
            channel = Channel(scene).make_fast()
            before = turn.totals()
            for packet in malformed(channel.at):
                server.seen.clear()
                channel.client.send_raw(packet)
                until(f"{packet[:24].hex()} ({len(packet)} bytes)",
                      lambda packet=packet: server.seen == [packet])
            channel.quiet()
            assert turn.totals() == before, "some of it went fast"
            assert channel.went_fast(5) == (5, 5)
        finally:
            server.close()


def malformed(peer):
    """ChannelData and STUN of every bad kind, in a client's words."""
    transaction = os.urandom(12)
    head = struct.pack(">HH", NUMBER, 8)
    yield head + bytes(7)  # shorter than it says
    yield head + bytes(0)
    yield head[:1]
    yield head[:2]
    yield head[:3]
    yield struct.pack(">HH", NUMBER, 0xffff) + bytes(100)
    yield head + bytes(1200)  # far longer than it says
    for number in (0x3fff, 0x0001, 0x4000, 0x4002, 0x7fff, 0x8000, 0xbfff, 0xffff):
        yield struct.pack(">HH", number, 8) + bytes(8)
    bind = message(CHANNEL_BIND, transaction, [
        (CHANNEL_NUMBER, struct.pack(">HH", NUMBER + 7, 0)),
        (XOR_PEER, xor_address(peer, transaction))])
    for cut in range(1, len(bind)):
        yield bind[:cut]
    yield bind[:4] + b"\x21\x12\xa4\x43" + bind[8:]  # not the cookie
    yield bind[:2] + struct.pack(">H", 0xfffc) + bind[4:]
    yield bind[:2] + struct.pack(">H", 3) + bind[4:]
    yield bind[:22] + struct.pack(">H", 0xffff) + bind[24:]  # an attribute past the end


def flood(processes):
    """A flood of unknown channels is the server's, and the fast ones go on."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        strangers = [socket_in(scene.client, client_address()) for _ in range(8)]
        server_saw, sent = scene.datagrams(), 0
        for n in range(0x4000, 0x8000, 4):
            stranger = strangers[n // 4 % 8]
            stranger.sendto(struct.pack(">HH", n, 16) + bytes(16), (server_address(), PORT))
            sent += 1
            if n % 512 == 0:  # its socket has no room for all of them at once
                assert channel.to_peer() and channel.to_client()
                until("the server has seen them", lambda sent=sent: (
                    scene.datagrams() - server_saw >= sent))
        until("the server has seen all", lambda: scene.datagrams() - server_saw >= sent)
        assert scene.turn.reasons()["TURN_UNKNOWN_CHANNEL"] >= sent
        assert len(scene.turn.channels()) == 1
        assert channel.went_fast(5) == (5, 5)


def strangers(processes):
    """Nobody else's packets go by a channel: another port, another peer, the wrong server address."""
    with played(processes) as scene:
        channel = Channel(scene).make_fast()
        before = scene.turn.totals()
        other = socket_in(scene.client, client_address())
        other.sendto(struct.pack(">HH", NUMBER, 5) + b"other", (server_address(), PORT))
        other.sendto(struct.pack(">HH", NUMBER, 5) + b"other", (relay_address(), PORT))
        stranger = socket_in(scene.peer, peer_address())
        stranger.sendto(b"stranger", channel.client.relayed)
        channel.client.socket.sendto(b"no channel", channel.client.relayed)
        time.sleep(0.2)
        assert scene.turn.totals() == before, "a stranger's packet went fast"
        channel.peer.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            raise AssertionError(f"the peer got {channel.peer.recv(100)}")
        # coturn lets a permitted host's other ports through, as indications.
        assert all(number != NUMBER for number, _ in channel.client.drain())


def ssrf(processes):
    """A success that is paired with another peer's request makes no denied peer fast."""
    allowed, forbidden = "10.77.2.3", peer_address()
    with Scene(processes) as scene:
        scene.peer.run("ip", "address", "add", f"{allowed}/24", "dev", "eth0")
        scene.coturn(f"--denied-peer-ip={forbidden}")
        scene.start_turn()
        client = TurnClient(scene.client, client_address(), server_address())
        client.allocate()
        for number, order in enumerate(("bad first", "good first", "bad with a bad checksum",
                                        "good in fragments"), NUMBER):
            transaction = os.urandom(12)
            good = socket_in(scene.peer, allowed, number)
            bad = socket_in(scene.peer, forbidden, number)
            requests = {address: client.make(CHANNEL_BIND, [
                (CHANNEL_NUMBER, struct.pack(">HH", number, 0)),
                (XOR_PEER, xor_address((address, number), transaction))], transaction)
                for address in (allowed, forbidden)}
            if order == "bad with a bad checksum":
                send_with_bad_checksum(scene, client, requests[forbidden])
                client.send_raw(requests[allowed])
            elif order == "good in fragments":
                # What the watcher sees is a request for the denied peer, and a success for its ID.
                client.send_raw(requests[forbidden][:-1] + b"?")
                client.drain(0.2)
                send_in_fragments(scene, client, requests[allowed])
            else:
                first, second = (forbidden, allowed) if order == "bad first" else (allowed,
                                                                                  forbidden)
                client.send_raw(requests[first])
                client.send_raw(requests[second])
            client.drain(0.2)
            for n in range(20):
                client.channel_data(number, b"%d" % n)
                time.sleep(0.01)

            def is_bound(number=number, good=good):
                client.channel_data(number, b"again")
                return Channel.quiet_socket(good)
            until(f"{order}: the server has bound the channel", is_bound)
            states = [one["state"] for one in scene.turn.channels()
                      if one["peer"] == f"{forbidden}:{number}"]
            assert "fast" not in states, order
            assert not Channel.quiet_socket(bad), f"{order}: the denied peer got something"


def send_with_bad_checksum(scene, client, payload):
    """A datagram that the server's kernel drops, from the client's own port."""
    source, port = client.socket.getsockname()
    raw = socket_in(scene.client, source, kind=socket.SOCK_RAW, protocol=socket.IPPROTO_UDP)
    raw.sendto(struct.pack(">HHHH", port, PORT, 8 + len(payload), 0xdead) + payload,
               (server_address(), 0))
    raw.close()


def send_in_fragments(scene, client, payload):
    """As two IP fragments, from the client's own port; the server's kernel puts them together."""
    source, port = client.socket.getsockname()
    udp = struct.pack(">HHHH", port, PORT, 8 + len(payload), 0) + payload
    raw = socket_in(scene.client, source, kind=socket.SOCK_RAW, protocol=socket.IPPROTO_RAW)
    for at, part, more in ((0, udp[:48], 0x2000), (6, udp[48:], 0)):
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(part), 0x7707, more | at, 64, 17, 0)
        raw.sendto(head + socket.inet_aton(source) + socket.inet_aton(server_address()) + part,
                   (server_address(), 0))
    raw.close()


def container(processes):
    """A container that has taken the host's address speaks for no server of the host's."""
    with Scene(processes) as scene:
        inside = Namespace()
        server = None
        try:
            for device, address in (("client", server_address()), ("peer", relay_address())):
                over = f"over-{device}"
                scene.server.run("ip", "link", "add", "link", device, "name", over, "netns",
                                 str(inside.holder.pid), "type", "macvlan", "mode", "bridge")
                inside.run("ip", "address", "add", f"{address}/24", "dev", over)
                inside.run("ip", "link", "set", over, "up")
                mac = json.loads(inside.run("ip", "-j", "link", "show", over))[0]["address"]
                getattr(scene, device).run("ip", "neigh", "replace", address, "lladdr", mac,
                                           "dev", "eth0")
            server = FakeServer(inside, server_address(), relay_address())
            turn = scene.start_turn()
            channel = Channel(scene)
            for _ in range(10):
                assert channel.to_peer() and channel.to_client(), "the container does not relay"
            assert not turn.channels() and turn.totals() == (0, 0)
            counts = turn.ask("counters")["learnt"]
            assert counts["requests"] >= 2 and counts["unmatched"] >= 2, counts
        finally:
            if server:
                server.close()
            inside.close()


CASES = {one.__name__: one for one in (
    both_ways, lengths, families, tc_behind_xdp, hairpin, behind_nat, threads, shown, larger_than_the_next_link, fragments,
    a_neighbour_that_moves, channel_expiry, permission_expiry, allocation_expiry, refreshes,
    a_refresh_of_zero, server_restart, killed, stopped, ended, off_and_on, observe,
    another_namespace, denied, full, byte_for_byte, flood, strangers, ssrf)}
CASES.update({
    "dtls": left_alone("Clients over DTLS", "-S", tls=True),
    # Apart: see Scene.uclient().
    "tls": left_alone("Clients over TLS", "-S", "-t", "-z", 40, tls=True),
    "mobility": left_alone("Allocations with mobility tickets", "-M", server=["--mobility"]),
})
CASES.update({f"attach_{way}": attach(way) for way in ("native", "generic", "tc")})
# Each packet has 100 bytes.
CASES.update({"packet_rate": rate("packets_per_s: 200", 200),
              "byte_rate": rate("bytes_per_s: 20000", 200)})
# Of a kernel that has macvlan, as the one in tests/vm: when they are asked for.
VM_CASES = {"container": container}
