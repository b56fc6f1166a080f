/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of vectors (tests/forward/vector.h) through the forwarder in the kernel: packets go in
 * by BPF_PROG_TEST_RUN as frames of the clear link, in a network namespace of the test's own, whose
 * loopback interface is that link; copies come back as frames to a packet socket bound to the
 * private ethertype.
 *
 * Compared: copies, byte for byte; their entries in the sent logs, but for the time; the journal;
 * reasons; words of the state; and that the original goes up as it came.
 *
 * usage: bpf_vectors OBJECT [veth]
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inlay_reasons.h"
#include "kernel.h"

static struct inlay_tables t;
static int program, link_socket, up_socket = -1;
static const char *at; /* which vector */
static __u32 at_step, failures;

#define FAIL(...)                                                                                  \
	do {                                                                                       \
		printf("not ok - %s, step %u: ", at, at_step);                                     \
		printf(__VA_ARGS__);                                                               \
		printf("\n");                                                                      \
		failures++;                                                                        \
	} while (0)

/* Served after the program, with what passes. */
static int bound_socket(const char *interface)
{
	struct ifreq up = {.ifr_flags = IFF_UP};
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(INLAY_LINK_TYPE),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	strcpy(up.ifr_name, interface);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		kernel_die(interface);
	return fd;
}

/* The link: copies come out of it by the socket. */
static void open_loopback(void)
{
	link_socket = bound_socket("lo");
}

/* An interface that was told to be up takes nothing yet, for a moment: until something came
 * through, that goes up for its length is impossible. */
static void await_link(int from, int to)
{
	__u8 frame[ETH_ZLEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	struct pollfd readable = {.fd = to, .events = POLLIN};
	int i;

	for (i = 0; i < 100 && !(readable.revents & POLLIN); i++)
		if (send(from, frame, sizeof(frame), 0) < 0 || poll(&readable, 1, 100) < 0)
			kernel_die("link");
	while (recv(to, frame, sizeof(frame), MSG_DONTWAIT) >= 0)
		;
	if (i == 100)
		kernel_skip("the veth pair stays down");
}

static void open_veth(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program);

	/* Without an address of IPv6's an interface is silent. */
	if (system("ip link add nic type veth peer name host && "
		   "ip link set nic addrgenmode none && ip link set host addrgenmode none"))
		kernel_skip("no veth pair is to be had");
	link_socket = bound_socket("nic");
	up_socket = bound_socket("host");
	hook.ifindex = (int)if_nametoindex("host");
	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		kernel_die("attach");
	await_link(link_socket, up_socket);
	await_link(up_socket, link_socket);
}

/* --- One step --------------------------------------------------------------------------------- */

static ssize_t receive(int fd, __u8 *frame)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	if (poll(&readable, 1, 20000) != 1)
		return 0;
	return recv(fd, frame, KERNEL_FRAME, 0);
}

static void run_packet(const __u8 *packet, size_t len)
{
	__u8 frame[KERNEL_FRAME], up[KERNEL_FRAME];
	size_t n = kernel_put_frame(packet, len, frame), n_up;

	if (up_socket >= 0) {
		if (send(link_socket, frame, n, 0) != (ssize_t)n)
			kernel_die("send");
		n_up = (size_t)receive(up_socket, up);
	} else if (kernel_run(frame, n, up, &n_up) != TC_ACT_OK) {
		FAIL("the original ends here");
	}
	if (n_up != n || memcmp(frame, up, n) != 0)
		FAIL("the original is changed, or has not come up");
}

/* What is no clear packet of this link. */
static void check_strangers(void)
{
	__u8 frame[KERNEL_FRAME], up[KERNEL_FRAME], packet[200] = {0};
	size_t n = kernel_put_frame(packet, sizeof(packet), frame), n_up;

	at = "strangers";
	frame[12] = 0x08; /* IPv4 */
	frame[13] = 0x00;
	if (kernel_run(frame, n, up, &n_up) != TC_ACT_SHOT)
		FAIL("another type passes");
	kernel_put_frame(packet, sizeof(packet), frame);
	frame[ETH_HLEN + 1] = INLAY_LINK_ROOM - 1;
	if (kernel_run(frame, n, up, &n_up) != TC_ACT_OK || memcmp(frame, up, n) != 0)
		FAIL("a frame without room does not pass");
	kernel_put_frame(packet, sizeof(packet), frame);
	frame[ETH_HLEN] = 2 * INLAY_FRAME_MAX >> 8;
	if (kernel_run(frame, n, up, &n_up) != TC_ACT_OK || memcmp(frame, up, n) != 0)
		FAIL("a frame whose packet lies too far in does not pass");
	kernel_put_frame(packet, sizeof(packet), frame);
	frame[ETH_HLEN + 3] = sizeof(packet) + 1;
	if (kernel_run(frame, n, up, &n_up) != TC_ACT_OK || memcmp(frame, up, n) != 0)
		FAIL("a frame that ends early does not pass");
}

static void check_reasons(const struct vector_step *step, const __u64 *before)
{
	__u64 want[KERNEL_COUNTS], counts[KERNEL_COUNTS];

	memcpy(want, before, sizeof(want));
	kernel_reasons(counts);
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->reasons) && step->reasons[i]; i++)
		want[step->reasons[i] - 1]++;
	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (want[i] != counts[i])
			FAIL("%s counted %d times", inlay_reason_name(i),
			     (int)(counts[i] - before[i]));
}

static void check_journal(const struct vector_step *step, __u64 pn)
{
	const struct inlay_journal *j = &t.journals[pn & (VECTOR_LOG - 1)];

	if (j->word != INLAY_JOURNAL_WORD(pn, INLAY_JOURNAL_DONE))
		FAIL("not done");
	if (memcmp(j->verdicts, step->media, sizeof(j->verdicts)) != 0)
		FAIL("verdicts differ");
}

static void check_words(const struct vector_step *step)
{
	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->after) && step->after[i].field; i++) {
		const struct vector_word *w = &step->after[i];
		__u64 value = vector_word_get(&t, w->field, w->i);

		if (value != w->value)
			FAIL("%s %u is %llu, not %llu", vector_field_name(w->field), w->i,
			     (unsigned long long)value, (unsigned long long)w->value);
	}
}

static void check_log(const struct vector_copy *c)
{
	struct inlay_sent sent = t.logs[c->subscriber * t.log_stride + (c->pn & (VECTOR_LOG - 1))];

	sent.time_us = c->sent.time_us;
	if (memcmp(&sent, &c->sent, sizeof(sent)) != 0)
		FAIL("log entry of copy to %u differs", c->subscriber);
}

/* Head, payload and descriptor, where the link's header says that they are. */
static void check_copy(const struct vector_copy *c, const __u8 *packet, const __u8 *frame, size_t n)
{
	const struct inlay_headers *h =
		&t.subscribers[c->subscriber]
			 .headers[t.subscribers[c->subscriber].headers_index & 1];
	__u32 wire = h->ip_len ? h->l2_len + h->ip_len + 8U : 0;
	const struct inlay_link_header *link = (const void *)(frame + ETH_HLEN);
	const struct inlay_desc desc = {
		.sa = htonl(100 + c->subscriber),
		.flags = (__u8)(t.subscribers[c->subscriber].ecn << INLAY_DESC_ECN_SHIFT),
		.hdr_len = h->quic_len,
		.generation = htons(1),
		.pn = htobe64(c->pn),
	};
	__u8 head[INLAY_COPY_HEAD];
	size_t head_len = vector_hex(c->head, head, sizeof(head));
	size_t begin = KERNEL_FRONT + ntohs(link->skip);

	if (begin + head_len + c->payload_len + INLAY_TAG > n ||
	    ntohs(link->len) + wire != head_len + c->payload_len + INLAY_TAG) {
		FAIL("copy to %u has %u bytes of packet in %zu", c->subscriber, ntohs(link->len),
		     n);
		return;
	}
	if (link->l2_len != h->l2_len || link->ip_len != h->ip_len || link->port != htons(h->port))
		FAIL("copy to %u leaves another way", c->subscriber);
	if (memcmp(frame + begin, head, head_len) != 0)
		FAIL("head of copy to %u differs", c->subscriber);
	begin += head_len;
	if (memcmp(frame + begin, packet + c->payload_at, c->payload_len) != 0)
		FAIL("payload of copy to %u differs", c->subscriber);
	if (memcmp(frame + begin + c->payload_len, &desc, sizeof(desc)) != 0)
		FAIL("descriptor of copy to %u differs", c->subscriber);
}

static void check_copies(const struct vector_step *step, const __u8 *packet)
{
	__u8 frame[KERNEL_FRAME];
	ssize_t n;

	for (__u32 i = 0; i < VECTOR_COPIES && step->copies[i].head; i++) {
		n = receive(link_socket, frame);
		if (n < (ssize_t)KERNEL_FRONT) {
			FAIL("copy %u is missing", i);
			return;
		}
		check_copy(&step->copies[i], packet, frame, (size_t)n);
		check_log(&step->copies[i]);
	}
	/* Copies are sent before the original passes, and it has. */
	if (recv(link_socket, frame, sizeof(frame), MSG_DONTWAIT) >= 0)
		FAIL("one copy more");
}

static void run_step(const struct vector_step *step, __u64 *pn)
{
	__u8 packet[INLAY_FRAME_MAX];
	__u64 before[KERNEL_COUNTS];
	size_t len;

	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->set) && step->set[i].field; i++)
		vector_word_set(&t, &step->set[i]);
	len = vector_packet(step, packet, pn);
	kernel_reasons(before);
	run_packet(packet, len);
	if (step->verdict == INLAY_FORWARD_DONE)
		check_journal(step, *pn);
	check_copies(step, packet);
	check_reasons(step, before);
	check_words(step);
}

int main(int argc, char **argv)
{
	__u32 steps = 0;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: bpf_vectors OBJECT [veth]\n");
		return 2;
	}
	program = kernel_load(argv[1], &t);
	if (unshare(CLONE_NEWNET))
		kernel_skip("a network namespace of its own needs root");
	if (argc > 2)
		open_veth();
	else
		open_loopback();
	check_strangers();
	for (__u32 i = 0; i < vectors_count; i++) {
		__u64 pn = ~0ULL;

		at = vectors[i].name;
		vector_scene_set(&t, &vectors[i]);
		for (at_step = 0; vector_has_step(&vectors[i], at_step); at_step++, steps++)
			run_step(&vectors[i].steps[at_step], &pn);
	}
	printf("1..1\n%s 1 - %u vectors, %u steps, %u differences\n",
	       failures || !steps ? "not ok" : "ok", vectors_count, steps, failures);
	return failures || !steps;
}
