#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libinlay-turn as a server calls it (examples/turn-library.c), in three namespaces, with no server
there that could relay instead. Needs root. usage: tests/net/turn_library_test.py BUILD_DIR"""
import pathlib
import re
import signal
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from harness import PATIENCE, HarnessError, run_cases, until
from turn_client import socket_in
from turn_scene import (PEER_PORT, PORT, Scene, client_address, lacking, peer_address,
                        relay_address, server_address)

CHANNEL, CLIENT_PORT, RELAYED_PORT = 0x4000, 4000, 50000
SERVER = (server_address(), PORT)
RELAYED = (relay_address(), RELAYED_PORT)
EXAMPLE = "offload/turn/turn-library"


class Ends:
    """A client, a peer, and the example between them: it has granted one channel."""

    def __init__(self, scene, processes):
        self.client = socket_in(scene.client, client_address(), CLIENT_PORT)
        self.peer = socket_in(scene.peer, peer_address(), PEER_PORT)
        for end in (self.client, self.peer):
            end.settimeout(PATIENCE)
        # They ask for the server's host, which knows them then: a server's own packets would ask.
        self.client.sendto(b"", SERVER)
        self.peer.sendto(b"", RELAYED)
        self.child = processes.start(
            "example", ["env", f"TURN_OBJECT={processes.build / 'bpf/turn.bpf.o'}",
                        processes.build / EXAMPLE, client_address(), CLIENT_PORT, *SERVER,
                        *RELAYED, peer_address(), PEER_PORT], scene.server)
        processes.wait_for(self.child, "is relayed")

    def up(self, data):
        self.client.sendto(struct.pack("!HH", CHANNEL, len(data)) + data, SERVER)

    def exchange(self, data):
        """There and back. Returns whether both arrived, whole."""
        try:
            self.up(data)
            got, source = self.peer.recvfrom(2048)
            assert (got, source) == (data, RELAYED), (got, source)
            self.peer.sendto(data[::-1], RELAYED)
            got, source = self.client.recvfrom(2048)
        except (socket.timeout, ConnectionError):
            return False
        assert source == SERVER, source
        assert got == struct.pack("!HH", CHANNEL, len(data)) + data[::-1], got
        return True

    def close(self):
        self.client.close()
        self.peer.close()


def relays_without_a_server(processes):
    """A channel that was granted is relayed both ways, by nobody but the programs."""
    with Scene(processes) as scene:
        ends = Ends(scene, processes)
        for size in (1, 160, 1200):
            if not ends.exchange(bytes(i & 255 for i in range(size))):
                raise HarnessError(f"{size} bytes did not go there and back")
        processes.end(ends.child)
        ends.close()


def ends_with_its_process(processes):
    """A server that is killed leaves no program at its interfaces, and nothing goes fast."""
    with Scene(processes) as scene:
        ends = Ends(scene, processes)
        assert ends.exchange(b"before"), "did not relay"
        assert scene.attached(), "nothing is attached"
        processes.end(ends.child, signal.SIGKILL)
        until("nothing is attached", lambda: not scene.attached())
        ends.peer.settimeout(0.5)
        assert not ends.exchange(b"after"), "relays yet"
        ends.close()


def says_what_went_fast(processes):
    """Statistics of the channel count every packet, both ways."""
    with Scene(processes) as scene:
        ends = Ends(scene, processes)
        for _ in range(10):
            assert ends.exchange(b"counted"), "did not relay"
        processes.wait_for(ends.child, r"to the peer 10 packets, to the client 10")
        assert not re.search(r"packets, to the client 11", processes.log("example"))
        ends.close()


CASES = [relays_without_a_server, ends_with_its_process, says_what_went_fast]


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    why = lacking(build, ("bpftool",))
    if not (build / EXAMPLE).exists():
        why = f"{build / EXAMPLE} is not built (libnl-3-dev, libbpf-dev?)"
    if why:
        print(f"skipped: {why}")
        return 77
    return run_cases(CASES, build)


if __name__ == "__main__":
    sys.exit(main())
