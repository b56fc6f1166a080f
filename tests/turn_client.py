# SPDX-License-Identifier: BSD-2-Clause
"""A TURN client (RFC 8656, over UDP, long-term credentials) for tests, made of plain sockets that
may stand in any namespace: what turnutils_uclient cannot be asked to do one step at a time."""
import ctypes
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import threading
import time

from harness import HarnessError

COOKIE = 0x2112A442
ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 3, 4, 6, 7, 8, 9
INDICATION, SUCCESS, ERROR = 0x10, 0x100, 0x110
CHANNEL_NUMBER, LIFETIME, XOR_PEER, DATA_ATTRIBUTE, XOR_RELAYED = 0x0C, 0x0D, 0x12, 0x13, 0x16
USERNAME, INTEGRITY, ERROR_CODE, REALM, NONCE = 0x06, 0x08, 0x09, 0x14, 0x15
FAMILY, TRANSPORT = 0x17, 0x19
CLONE_NEWNET = 0x40000000


def socket_in(namespace, address, port=0, kind=socket.SOCK_DGRAM, protocol=0):
    """A socket in a namespace, bound. Only the thread that makes it goes there."""
    made = []

    def make():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{namespace.holder.pid}/ns/net", "rb") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            one = socket.socket(family, kind, protocol)
            one.bind((address, port))
            one.settimeout(2)
            made.append(one)
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise HarnessError(f"no socket at {address}: {made[0]}")
    return made[0]


def xor_address(address, transaction):
    ip = ipaddress.ip_address(address[0])
    mask = (struct.pack(">I", COOKIE) + transaction)[:len(ip.packed)]
    return struct.pack(">BBH", 0, 1 if ip.version == 4 else 2, address[1] ^ (COOKIE >> 16)) + \
        bytes(a ^ b for a, b in zip(ip.packed, mask))


def read_xor_address(value, transaction):
    port = struct.unpack(">H", value[2:4])[0] ^ (COOKIE >> 16)
    mask = struct.pack(">I", COOKIE) + transaction
    return str(ipaddress.ip_address(bytes(a ^ b for a, b in zip(value[4:], mask)))), port


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def message(kind, transaction, attributes, key=None):
    body = b"".join(attribute(*one) for one in attributes)
    if key:
        head = struct.pack(">HHI", kind, len(body) + 24, COOKIE) + transaction
        body += attribute(INTEGRITY, hmac.new(key, head + body, hashlib.sha1).digest())
    return struct.pack(">HHI", kind, len(body), COOKIE) + transaction + body


def parse(packet):
    """Class and method, transaction, and attributes {kind: first value}; None: no whole STUN."""
    if len(packet) < 20 or struct.unpack(">I", packet[4:8])[0] != COOKIE:
        return None
    kind, length = struct.unpack(">HH", packet[:4])
    if len(packet) != 20 + length or length % 4:
        return None
    found, at = {}, 20
    while at + 4 <= 20 + length:
        name, size = struct.unpack(">HH", packet[at:at + 4])
        found.setdefault(name, packet[at + 4:at + 4 + size])
        at += 4 + size + -size % 4
    return kind, packet[8:20], found


class TurnError(Exception):
    def __init__(self, code):
        super().__init__(f"the server answers with error {code}")
        self.code = code


class TurnClient:
    """One allocation. What comes from peers lies in |received| as (channel or address, data)."""

    def __init__(self, namespace, address, server, port=3478, user="user", password="secret",
                 local_port=0):
        self.socket = socket_in(namespace, address, local_port)
        self.server = (server, port)
        self.user, self.password = user, password
        self.key = self.realm = self.nonce = self.relayed = None
        self.received = []

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendto(data, self.server)

    def make(self, method, attributes, transaction):
        if not self.key:
            return message(method, transaction, attributes)
        return message(method, transaction, [*attributes, (USERNAME, self.user.encode()),
                                             (REALM, self.realm), (NONCE, self.nonce)], self.key)

    def answer(self, transaction, seconds):
        """The answer to a request: class and method, and attributes; None: there was none."""
        limit = time.monotonic() + seconds
        while True:
            left = limit - time.monotonic()
            packet = self.receive_one(left) if left > 0 else None
            if packet is None:
                return None
            if parse(packet) and parse(packet)[1] == transaction:
                return parse(packet)[0], parse(packet)[2]
            self.keep(packet)

    def receive_one(self, seconds):
        self.socket.settimeout(max(seconds, 0.001))
        try:
            return self.socket.recv(65536)
        except (TimeoutError, BlockingIOError):
            return None

    def keep(self, packet):
        if len(packet) >= 4 and 0x40 <= packet[0] < 0x80:
            number, length = struct.unpack(">HH", packet[:4])
            self.received.append((number, packet[4:4 + length]))
            return
        told = parse(packet)
        if told and told[0] == DATA | INDICATION:
            self.received.append((read_xor_address(told[2][XOR_PEER], told[1]),
                                  told[2][DATA_ATTRIBUTE]))

    def exchange(self, method, attributes, peer):
        """One request, retransmitted until it is answered: class and method, attributes, and the
        transaction."""
        transaction = os.urandom(12)
        if peer:
            attributes = [*attributes, (XOR_PEER, xor_address(peer, transaction))]
        packet = self.make(method, attributes, transaction)
        for _ in range(4):
            self.send_raw(packet)
            got = self.answer(transaction, 1)
            if got:
                return *got, transaction
        raise HarnessError("the server does not answer")

    def request(self, method, attributes=(), peer=None):
        """Takes up what the server demands of credentials; returns attributes and transaction."""
        for _ in range(2):
            kind, found, transaction = self.exchange(method, list(attributes), peer)
            if kind == method | SUCCESS:
                return found, transaction
            code = found[ERROR_CODE][2] * 100 + found[ERROR_CODE][3]
            if code not in (401, 438):
                break
            self.realm, self.nonce = found[REALM], found[NONCE]
            self.key = hashlib.md5(b":".join([self.user.encode(), self.realm,
                                              self.password.encode()])).digest()
        raise TurnError(code)

    def allocate(self, family=4, lifetime=None):
        """Returns the lifetime that the server grants."""
        attributes = [(TRANSPORT, bytes([17, 0, 0, 0]))]
        if family == 6:
            attributes.append((FAMILY, bytes([2, 0, 0, 0])))
        if lifetime is not None:
            attributes.append((LIFETIME, struct.pack(">I", lifetime)))
        found, transaction = self.request(ALLOCATE, attributes)
        self.relayed = read_xor_address(found[XOR_RELAYED], transaction)
        return struct.unpack(">I", found[LIFETIME])[0]

    def refresh(self, lifetime):
        self.request(REFRESH, [(LIFETIME, struct.pack(">I", lifetime))])

    def permit(self, peer):
        self.request(CREATE_PERMISSION, peer=peer)

    def bind(self, number, peer):
        self.request(CHANNEL_BIND, [(CHANNEL_NUMBER, struct.pack(">HH", number, 0))], peer)

    def channel_data(self, number, data, padded=False):
        self.send_raw(struct.pack(">HH", number, len(data)) + data
                      + (bytes(-len(data) % 4) if padded else b""))

    def drain(self, seconds=0.05):
        """Takes in what is there, and what comes until nothing has come for |seconds|."""
        while True:
            packet = self.receive_one(seconds)
            if packet is None:
                return self.received
            self.keep(packet)
