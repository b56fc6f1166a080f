/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs where they stand, for what BPF_PROG_TEST_RUN cannot show: packets whose checksum is
 * left to a device, buffers of several datagrams, ways out by XDP and TC, and what has or has not a
 * socket. Frames go into the far ends of the scene's veth pairs and come out of them. In TAP.
 *
 * usage: turn_live OBJECT
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "scene.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#define PATIENCE 20000 /* ms, for what is to come */
#define SILENCE	 50    /* ms, for what is not */

static struct scene scene;
static int far_ends[N_LINKS];
static __u32 number, failures;

static void say(const char *name, const char *problem)
{
	number++;
	failures += problem != NULL;
	printf("%sok %u - %s\n", problem ? "not " : "", number, name);
	if (problem)
		printf("# %s\n", problem);
}

/* --- Far ends -------------------------------------------------------------------------------- */

static int far_end(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(interface);
	return fd;
}

static ssize_t put(enum link link, const struct virtio_net_hdr *header, const __u8 *frame,
		   size_t len)
{
	struct iovec parts[] = {
		{(void *)(uintptr_t)header, sizeof(*header)},
		{(void *)(uintptr_t)frame, len},
	};

	return writev(far_ends[link], parts, 2);
}

/* The next datagram that comes out of |link|, or 0. What else an interface says is not meant. */
static size_t get(enum link link, struct virtio_net_hdr *header, __u8 *frame, int patience)
{
	struct iovec parts[] = {{header, sizeof(*header)}, {frame, FRAME_MAX}};
	struct sockaddr_ll from;
	struct msghdr message = {
		.msg_iov = parts, .msg_iovlen = 2, .msg_name = &from, .msg_namelen = sizeof(from)};
	struct pollfd readable = {.fd = far_ends[link], .events = POLLIN};

	for (int i = 0; i < 100 && poll(&readable, 1, patience) == 1; i++) {
		ssize_t n = recvmsg(far_ends[link], &message, 0);
		bool v4 = frame[12] == 0x08 && frame[23] == IPPROTO_UDP;
		bool v6 = frame[12] == 0x86 && frame[20] == IPPROTO_UDP;

		if (n > (ssize_t)sizeof(*header) && from.sll_pkttype != PACKET_OUTGOING &&
		    (v4 || v6))
			return (size_t)n - sizeof(*header);
	}
	return 0;
}

static void drain(void)
{
	struct virtio_net_hdr header;
	__u8 frame[FRAME_MAX];

	for (int i = 0; i < N_LINKS; i++)
		while (get(i, &header, frame, 0))
			;
}

/* --- One packet ------------------------------------------------------------------------------ */

static struct datagram packet(enum link in, int src, int dst, __u16 channel)
{
	struct datagram d = {.src = end_addr(src),
			     .dst = end_addr(dst),
			     .channel = channel,
			     .len = 21,
			     .ttl = 9};

	link_mac(in, false, d.src_mac);
	link_mac(in, true, d.dst_mac);
	return d;
}

/* What a device would make of what came out; then it is to be |want|. */
static const char *compare(const struct datagram *want, const struct virtio_net_hdr *header,
			   __u8 *out, size_t len)
{
	__u8 expected[FRAME_MAX];
	size_t expected_len, udp = datagram_udp_at(want);
	bool left = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	struct datagram d = *want;

	if (left && (header->csum_start != udp || header->csum_offset != 6))
		return "a device would sum another part of the packet";
	d.sum = left ? SUM_PARTIAL : SUM_RIGHT;
	expected_len = datagram_put(&d, expected);
	if (d.src.family == AF_INET && d.no_df)
		memcpy(expected + 18, out + 18, 2);
	if (d.src.family == AF_INET6)
		memcpy(expected + 15, out + 15, 3);
	datagram_sum(&d, expected);
	if (len != expected_len)
		return "it has another length";
	return memcmp(expected, out, len) ? "it is another packet" : NULL;
}

/* Goes in as |in|, comes out of |out_link| as |want|. */
static const char *carry(enum link in_link, const struct datagram *in, enum link out_link,
			 struct datagram want)
{
	struct virtio_net_hdr header = {0};
	__u8 frame[FRAME_MAX];
	size_t len = datagram_put(in, frame);

	if (in->sum == SUM_PARTIAL) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = (__u16)datagram_udp_at(in);
		header.csum_offset = 6;
	}
	drain();
	if (put(in_link, &header, frame, len) < 0)
		return strerror(errno);
	link_mac(out_link, true, want.src_mac);
	link_mac(out_link, false, want.dst_mac);
	want.ttl = in->ttl - 1;
	want.no_df = in->src.family == AF_INET6;
	len = get(out_link, &header, frame, PATIENCE);
	return len ? compare(&want, &header, frame, len) : "nothing comes out";
}

/* Both directions of the four crossings, and a pair. */
static void carry_all(const char *how, enum sum_kind sum)
{
	const char *problem;
	char name[128];

	for (__u32 flow = 0; flow < FLOW_PAIRS; flow++) {
		bool client6 = flow >> 1 & 1, peer6 = flow & 1;
		__u16 channel = (__u16)(INLAY_TURN_CHANNEL_MIN + flow);
		struct datagram to_server =
			packet(TO_CLIENTS, CLIENT4 + client6, SERVER4 + client6, channel);
		struct datagram to_peer = packet(TO_PEERS, end_relayed(flow), PEER4 + peer6, 0);
		struct datagram to_relay = packet(TO_PEERS, PEER4 + peer6, end_relayed(flow), 0);
		struct datagram to_client =
			packet(TO_CLIENTS, SERVER4 + client6, CLIENT4 + client6, channel);

		to_server.sum = to_relay.sum = sum;
		problem = carry(TO_CLIENTS, &to_server, TO_PEERS, to_peer);
		snprintf(name, sizeof(name), "%s: v%d client to v%d peer", how, client6 ? 6 : 4,
			 peer6 ? 6 : 4);
		say(name, problem);
		problem = carry(TO_PEERS, &to_relay, TO_CLIENTS, to_client);
		snprintf(name, sizeof(name), "%s: v%d peer to v%d client", how, peer6 ? 6 : 4,
			 client6 ? 6 : 4);
		say(name, problem);
	}
}

static void carry_pair(const char *how, enum sum_kind sum)
{
	struct datagram in =
		packet(TO_CLIENTS, CLIENT4, SERVER4, INLAY_TURN_CHANNEL_MIN + FLOW_PAIRS);
	struct datagram out =
		packet(TO_CLIENTS, SERVER4, SECOND4, INLAY_TURN_CHANNEL_MIN + FLOW_PAIRS + 1);
	char name[128];

	in.sum = sum;
	snprintf(name, sizeof(name), "%s: a client to a client, back by where it came in", how);
	say(name, carry(TO_CLIENTS, &in, TO_CLIENTS, out));
}

/* --- At TC ----------------------------------------------------------------------------------- */

static void attach_tc(enum bpf_tc_attach_point point, enum program program)
{
	for (int i = 0; i < N_LINKS; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)scene.ifindex[i],
			    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
		LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = scene.programs[program]);
		int err = bpf_tc_hook_create(&hook);

		hook.attach_point = point;
		if ((err && err != -EEXIST) || bpf_tc_attach(&hook, &opts))
			die("attach at TC");
	}
}

/* Two datagrams in one buffer, of 100 bytes each. */
static void several_datagrams_pass(void)
{
	struct datagram in = packet(TO_PEERS, PEER4, end_relayed(FLOW_44), 0);
	struct virtio_net_hdr header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = 100,
		.hdr_len = 42,
		.csum_start = 34,
		.csum_offset = 6,
	};
	const char *name = "several datagrams in one buffer are the server's";
	__u64 before = scene_reason(INLAY_REASON_TURN_SEGMENTS);
	__u8 frame[FRAME_MAX];
	size_t len;

	in.len = 200;
	in.sum = SUM_PARTIAL;
	len = datagram_put(&in, frame);
	drain();
	if (put(TO_PEERS, &header, frame, len) < 0) {
		printf("ok %u - %s # SKIP this kernel makes none of packet sockets\n", ++number,
		       name);
		return;
	}
	for (int i = 0; i < PATIENCE && scene_reason(INLAY_REASON_TURN_SEGMENTS) == before; i++)
		(void)poll(NULL, 0, 1);
	say(name, get(TO_CLIENTS, &header, frame, SILENCE)		   ? "they are relayed"
		  : scene_reason(INLAY_REASON_TURN_SEGMENTS) != before + 1 ? "they are not counted"
									   : NULL);
}

/* What reaches TC otherwise than BPF_PROG_TEST_RUN has it, and is to be left alone. */
static const char *leave(bool tagged)
{
	struct datagram in = packet(TO_CLIENTS, CLIENT4, SERVER4, INLAY_TURN_CHANNEL_MIN + FLOW_44);
	struct virtio_net_hdr header = {0};
	__u8 frame[FRAME_MAX];
	size_t len = datagram_put(&in, frame);

	if (tagged) {
		memmove(frame + 16, frame + 12, len - 12);
		memcpy(frame + 12, "\x81\0\0\5", 4);
		len += 4;
	} else {
		frame[5] ^= 0x40;
	}
	drain();
	if (put(TO_CLIENTS, &header, frame, len) < 0)
		return strerror(errno);
	return get(TO_PEERS, &header, frame, SILENCE) ? "it is relayed" : NULL;
}

/* --- What leaves ----------------------------------------------------------------------------- */

static const __u8 success[20] = {1, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42};

static int server_socket(const struct inlay_addr *from, __u64 *ret_cookie)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = from->port};
	socklen_t len = sizeof(*ret_cookie);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	memcpy(&address.sin_addr, from->ip, 4);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &len))
		die("socket");
	return fd;
}

static const char *tell(int from, int to, __u32 kind)
{
	__u8 room[FRAME_MAX] __attribute__((aligned(8)));
	struct inlay_turn_event *e = (void *)room;
	struct inlay_addr src = end_addr(from), dst = end_addr(to);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = dst.port};
	__u64 cookie;
	int fd = server_socket(&src, &cookie);
	bool sent;

	memcpy(&address.sin_addr, dst.ip, 4);
	sent = sendto(fd, success, sizeof(success), 0, (struct sockaddr *)&address,
		      sizeof(address)) == sizeof(success);
	close(fd);
	if (!sent)
		return strerror(errno);
	if (!scene_event(INLAY_TURN_RESPONSES, e))
		return "nothing is told";
	if (e->kind != kind || e->cookie != cookie || memcmp(&e->src, &src, sizeof(src)) ||
	    memcmp(&e->dst, &dst, sizeof(dst)) || e->len != sizeof(success) ||
	    memcmp(e->data, success, sizeof(success)) != 0)
		return "something else is told";
	return NULL;
}

/* What anybody with a packet socket puts on the wire in the server's name. */
static const char *tell_raw(int from, int to, const char *interface)
{
	struct datagram out = packet(TO_CLIENTS, from, to, 0);
	__u8 frame[FRAME_MAX] __attribute__((aligned(8)));
	struct {
		struct virtio_net_hdr header;
		__u8 frame[FRAME_MAX];
	} __attribute__((packed)) buffer = {0};
	int fd = far_end(interface);
	size_t len;
	bool sent;

	out.data = success;
	out.len = sizeof(success);
	len = datagram_put(&out, buffer.frame);
	drain();
	sent = write(fd, &buffer, sizeof(buffer.header) + len) > 0;
	close(fd);
	if (!sent)
		return strerror(errno);
	return scene_event(INLAY_TURN_RESPONSES, (void *)frame) ? "it is believed" : NULL;
}

/* A packet that this host forwards looks like what its server sends: of a port that it has. */
static const char *tell_forwarded(enum link in_link, int from, __be16 port, int to)
{
	struct datagram in = packet(in_link, from, to, 0);
	struct virtio_net_hdr header = {0};
	__u8 frame[FRAME_MAX] __attribute__((aligned(8)));
	size_t len;

	in.src.port = port;
	in.data = success;
	in.len = sizeof(success);
	len = datagram_put(&in, frame);
	drain();
	if (system("echo 1 >/proc/sys/net/ipv4/ip_forward") ||
	    put(in_link, &header, frame, len) < 0)
		die("forward");
	if (!get(!in_link, &header, frame, PATIENCE))
		return "it is not forwarded";
	return scene_event(INLAY_TURN_RESPONSES, (void *)frame) ? "it is believed" : NULL;
}

/* --- At XDP ---------------------------------------------------------------------------------- */

static void attach_xdp(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int passing = bpf_prog_load(BPF_PROG_TYPE_XDP, "pass", "GPL", pass, 2, NULL);
	const char *const far_names[] = {"c1", "p1"};

	for (int i = 0; i < N_LINKS; i++)
		if (passing < 0 ||
		    bpf_xdp_attach((int)if_nametoindex(far_names[i]), passing, XDP_FLAGS_DRV_MODE,
				   NULL) ||
		    bpf_xdp_attach((int)scene.ifindex[i], scene.programs[XDP], XDP_FLAGS_DRV_MODE,
				   NULL))
			die("attach at XDP");
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: turn_live OBJECT\n");
		return 2;
	}
	scene_open(&scene, argv[1]);
	far_ends[TO_CLIENTS] = far_end("c1");
	far_ends[TO_PEERS] = far_end("p1");
	scene_reset(&scene);
	attach_tc(BPF_TC_INGRESS, INGRESS);
	carry_all("TC", SUM_RIGHT);
	carry_all("TC, checksum left to a device", SUM_PARTIAL);
	carry_pair("TC", SUM_RIGHT);
	carry_pair("TC, checksum left to a device", SUM_PARTIAL);
	several_datagrams_pass();
	say("what is of a VLAN is left alone", leave(true));
	say("what is for another host is left alone", leave(false));

	attach_tc(BPF_TC_EGRESS, EGRESS);
	say("a response of a socket's is told with its cookie",
	    tell(SERVER4, CLIENT4, INLAY_TURN_MESSAGE));
	scene_watch(&scene, FLOW_44);
	say("a relayed datagram of a socket's is told with its cookie",
	    tell(end_relayed(FLOW_44), PEER4, INLAY_TURN_RELAYED));
	say("a response of a packet socket's is not believed", tell_raw(SERVER4, CLIENT4, "c0"));
	say("a relayed datagram of a packet socket's is not believed",
	    tell_raw(RELAYED + FLOW_44, PEER4, "p0"));
	say("a response without a socket is not believed",
	    tell_forwarded(TO_PEERS, PEER4, htons(3478), CLIENT4));
	say("a relayed datagram without a socket is not believed",
	    tell_forwarded(TO_CLIENTS, CLIENT4, scene.flows[FLOW_44].relayed.port, PEER4));

	attach_xdp();
	scene_reset(&scene);
	for (int i = 0; i < N_LINKS; i++)
		scene_link(&scene, i,
			   INLAY_TURN_LINK_XDP | INLAY_TURN_LINK_XMIT | INLAY_TURN_LINK_TX |
				   INLAY_TURN_LINK_TC);
	carry_all("XDP", SUM_RIGHT);
	carry_pair("XDP", SUM_RIGHT);
	carry_all("XDP, checksum left to a device", SUM_PARTIAL);
	say("XDP has passed to TC what is left to a device",
	    scene_reason(INLAY_REASON_TURN_NO_SUM) == 2 * FLOW_PAIRS ? NULL : "it has not");
	printf("1..%u\n", number);
	return failures > 0;
}
