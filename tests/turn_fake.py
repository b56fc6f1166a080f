# SPDX-License-Identifier: BSD-2-Clause
"""A TURN server that demands no credentials, refuses nothing, and shows every datagram that reached
it: for tests of what inlay-turn leaves to a server."""
import select
import struct
import threading

import turn_client as turn


class FakeServer:
    """Listens until close(). |seen|: all that came to its port, as it came."""

    def __init__(self, namespace, address, relay, port=3478, lifetime=600):
        self.namespace, self.relay, self.lifetime = namespace, relay, lifetime
        self.front = turn.socket_in(namespace, address, port)
        self.allocations = {}  # of a client: its relayed socket
        self.channels = {}  # of a client: {number: peer}
        self.seen, self.from_peers = [], []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def close(self):
        self.stopped.set()
        self.thread.join(5)
        for one in [self.front, *self.allocations.values()]:
            one.close()

    def answer(self, kind, transaction, found, client):
        attributes = []
        if kind == turn.ALLOCATE:
            relayed = turn.socket_in(self.namespace, self.relay)
            self.allocations[client], self.channels[client] = relayed, {}
            attributes = [(turn.XOR_RELAYED, turn.xor_address(relayed.getsockname()[:2],
                                                              transaction)),
                          (turn.LIFETIME, struct.pack(">I", self.lifetime))]
        elif kind == turn.CHANNEL_BIND and {turn.CHANNEL_NUMBER, turn.XOR_PEER} <= set(found):
            number = struct.unpack(">H", found[turn.CHANNEL_NUMBER][:2])[0]
            self.channels[client][number] = turn.read_xor_address(found[turn.XOR_PEER],
                                                                  transaction)
        elif kind == turn.REFRESH:
            attributes = [(turn.LIFETIME, found[turn.LIFETIME])]
            if found[turn.LIFETIME] == bytes(4) and client in self.allocations:
                self.allocations.pop(client).close()
        elif kind != turn.CREATE_PERMISSION:
            return
        self.front.sendto(turn.message(kind | turn.SUCCESS, transaction, attributes), client)

    def from_client(self, packet, client):
        self.seen.append(packet)
        told = turn.parse(packet)
        if told:
            self.answer(*told, client)
        elif len(packet) >= 4:
            number, length = struct.unpack(">HH", packet[:4])
            peer = self.channels.get(client, {}).get(number)
            if peer and length + 4 <= len(packet):
                self.allocations[client].sendto(packet[4:4 + length], peer)

    def from_peer(self, client, packet, peer):
        self.from_peers.append(packet)
        for number, bound in self.channels[client].items():
            if bound == peer[:2]:
                self.front.sendto(struct.pack(">HH", number, len(packet)) + packet, client)

    def work(self):
        while not self.stopped.is_set():
            owners = {one: client for client, one in self.allocations.items()}
            ready, _, _ = select.select([self.front, *owners], [], [], 0.05)
            for one in ready:
                packet, sender = one.recvfrom(65536)
                if one is self.front:
                    self.from_client(packet, sender)
                else:
                    self.from_peer(owners[one], packet, sender)
