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
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inlay_reasons.h"
#include "inlay_sizes.h"
#include "vector.h"

#define FRONT	   (ETH_HLEN + sizeof(struct inlay_link_header))
#define FRAME_ROOM (FRONT + INLAY_LINK_ROOM + INLAY_FRAME_MAX)
#define COUNTS	   128 /* of the map inlay_reasons */

static const struct inlay_sizes sizes = {
	.n_sas = 16,
	.n_subscribers = VECTOR_SUBSCRIBERS,
	.n_upstreams = 1,
	.journal_size = VECTOR_LOG,
	.n_tracks = 1,
	.n_slots = VECTOR_SLOTS,
	.log_stride = VECTOR_LOG + 2,
	.first_owner = INLAY_CONTEXTS + 1,
};

static struct bpf_object *object;
static struct inlay_tables t;
static int program, link_socket, up_socket = -1, n_cpus;
static const char *at; /* which vector */
static __u32 at_step, failures;

#define FAIL(...)                                                                                  \
	do {                                                                                       \
		printf("not ok - %s, step %u: ", at, at_step);                                     \
		printf(__VA_ARGS__);                                                               \
		printf("\n");                                                                      \
		failures++;                                                                        \
	} while (0)

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void skip(const char *why)
{
	printf("skipped: %s\n", why);
	exit(77);
}

/* --- The kernel's side ------------------------------------------------------------------------ */

static int be_silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

static void set_size(const char *name, __u32 n)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map || bpf_map__set_max_entries(map, n))
		die(name);
}

/* The memory of the table, which both sides write. */
static void *table(const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);
	size_t page = (size_t)getpagesize(), len;
	void *memory;

	if (!map)
		die(name);
	len = (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
	len = (len + page - 1) / page * page;
	memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (memory == MAP_FAILED)
		die(name);
	return memory;
}

static void load(const char *path)
{
	struct bpf_map *constants;

	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(be_silent);
	object = bpf_object__open_file(path, NULL);
	if (!object)
		die(path);
	constants = bpf_object__find_map_by_name(object, ".rodata");
	if (!constants || bpf_map__set_initial_value(constants, &sizes, sizeof(sizes)))
		die("constants");
	set_size("inlay_sas", sizes.n_sas);
	set_size("inlay_subscribers", sizes.n_subscribers);
	set_size("inlay_logs", sizes.n_subscribers * sizes.log_stride);
	set_size("inlay_upstreams", sizes.n_upstreams);
	set_size("inlay_journals", sizes.n_upstreams * sizes.journal_size);
	set_size("inlay_tracks", sizes.n_tracks);
	set_size("inlay_positions", sizes.n_tracks * INLAY_POSITIONS);
	set_size("inlay_slots", sizes.n_slots);
	set_size("inlay_legs", sizes.n_slots * INLAY_POSITIONS);
	set_size("inlay_outs", (__u32)n_cpus * INLAY_OUT_MAX);
	if (bpf_object__load(object)) {
		if (errno == EPERM || errno == ENOSYS)
			skip("loading BPF programs needs root, or CAP_BPF and CAP_NET_ADMIN");
		die("load");
	}
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "inlay_forward"));
}

static void map_tables(void)
{
	t.contexts = calloc(INLAY_CONTEXTS, sizeof(*t.contexts));
	t.sas = table("inlay_sas");
	t.subscribers = table("inlay_subscribers");
	t.logs = table("inlay_logs");
	t.upstreams = table("inlay_upstreams");
	t.journals = table("inlay_journals");
	t.tracks = table("inlay_tracks");
	t.positions = table("inlay_positions");
	t.slots = table("inlay_slots");
	t.legs = table("inlay_legs");
	t.n_sas = sizes.n_sas;
	t.n_subscribers = sizes.n_subscribers;
	t.n_upstreams = sizes.n_upstreams;
	t.journal_size = sizes.journal_size;
	t.n_tracks = sizes.n_tracks;
	t.n_slots = sizes.n_slots;
	t.log_stride = sizes.log_stride;
	if (!t.contexts)
		die("contexts");
}

/* What was counted, by all CPUs together. */
static void read_reasons(__u64 *ret_counts)
{
	static __u64 all[1024][COUNTS];
	__u32 key = 0;

	memset(ret_counts, 0, COUNTS * sizeof(*ret_counts));
	if (bpf_map_lookup_elem(bpf_object__find_map_fd_by_name(object, "inlay_reasons"), &key,
				all))
		die("reasons");
	for (int cpu = 0; cpu < n_cpus; cpu++)
		for (__u32 i = 0; i < COUNTS; i++)
			ret_counts[i] += all[cpu][i];
}

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
		die(interface);
	return fd;
}

/* The link: copies come out of it by the socket. */
static void open_loopback(void)
{
	link_socket = bound_socket("lo");
}

static void open_veth(void)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program);

	/* Without an address of IPv6's an interface is silent. */
	if (system("ip link add nic type veth peer name host && "
		   "ip link set nic addrgenmode none && ip link set host addrgenmode none"))
		skip("no veth pair is to be had");
	link_socket = bound_socket("nic");
	up_socket = bound_socket("host");
	hook.ifindex = (int)if_nametoindex("host");
	if (bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &opts))
		die("attach");
}

/* --- One step --------------------------------------------------------------------------------- */

static size_t put_frame(const __u8 *packet, size_t len, __u8 *frame)
{
	static const __u8 front[ETH_HLEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
	const struct inlay_link_header header = {
		.skip = htons(INLAY_LINK_ROOM),
		.len = htons((__u16)len),
	};

	memcpy(frame, front, ETH_HLEN);
	memcpy(frame + ETH_HLEN, &header, sizeof(header));
	memset(frame + FRONT, 0xee, INLAY_LINK_ROOM);
	memcpy(frame + FRONT + INLAY_LINK_ROOM, packet, len);
	return FRONT + INLAY_LINK_ROOM + len;
}

static ssize_t receive(int fd, __u8 *frame)
{
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	if (poll(&readable, 1, 2000) != 1)
		return 0;
	return recv(fd, frame, FRAME_ROOM, 0);
}

/* What the program says of the frame, and what it leaves in |up|. */
static __u32 run_frame(const __u8 *frame, size_t n, __u8 *up, size_t *ret_n)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = (__u32)n,
		    .data_out = up, .data_size_out = FRAME_ROOM);

	if (bpf_prog_test_run_opts(program, &run))
		die("run");
	*ret_n = run.data_size_out;
	return run.retval;
}

static void run_packet(const __u8 *packet, size_t len)
{
	__u8 frame[FRAME_ROOM], up[FRAME_ROOM];
	size_t n = put_frame(packet, len, frame), n_up;

	if (up_socket >= 0) {
		if (send(link_socket, frame, n, 0) != (ssize_t)n)
			die("send");
		n_up = (size_t)receive(up_socket, up);
	} else if (run_frame(frame, n, up, &n_up) != TC_ACT_OK) {
		FAIL("the original ends here");
	}
	if (n_up != n || memcmp(frame, up, n) != 0)
		FAIL("the original is changed, or has not come up");
}

/* What is no clear packet of this link. */
static void check_strangers(void)
{
	__u8 frame[FRAME_ROOM], up[FRAME_ROOM], packet[200] = {0};
	size_t n = put_frame(packet, sizeof(packet), frame), n_up;

	at = "strangers";
	frame[12] = 0x08; /* IPv4 */
	frame[13] = 0x00;
	if (run_frame(frame, n, up, &n_up) != TC_ACT_SHOT)
		FAIL("another type passes");
	put_frame(packet, sizeof(packet), frame);
	frame[ETH_HLEN + 1] = INLAY_LINK_ROOM - 1;
	if (run_frame(frame, n, up, &n_up) != TC_ACT_OK || memcmp(frame, up, n) != 0)
		FAIL("a frame without room does not pass");
	put_frame(packet, sizeof(packet), frame);
	frame[ETH_HLEN + 3] = sizeof(packet) + 1;
	if (run_frame(frame, n, up, &n_up) != TC_ACT_OK || memcmp(frame, up, n) != 0)
		FAIL("a frame that ends early does not pass");
}

static void check_reasons(const struct vector_step *step, const __u64 *before)
{
	__u64 want[COUNTS], counts[COUNTS];

	memcpy(want, before, sizeof(want));
	read_reasons(counts);
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
	size_t begin = FRONT + ntohs(link->skip);

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
	__u8 frame[FRAME_ROOM];
	ssize_t n;

	for (__u32 i = 0; i < VECTOR_COPIES && step->copies[i].head; i++) {
		n = receive(link_socket, frame);
		if (n < (ssize_t)FRONT) {
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
	__u64 before[COUNTS];
	size_t len;

	for (__u32 i = 0; i < INLAY_ARRAY_SIZE(step->set) && step->set[i].field; i++)
		vector_word_set(&t, &step->set[i]);
	len = vector_packet(step, packet, pn);
	read_reasons(before);
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
	n_cpus = libbpf_num_possible_cpus();
	if (n_cpus < 1 || n_cpus > 1024)
		skip("more CPUs than this test counts");
	load(argv[1]);
	map_tables();
	if (unshare(CLONE_NEWNET))
		skip("a network namespace of its own needs root");
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
	printf("%u vectors, %u steps, %u differences\n", vectors_count, steps, failures);
	bpf_object__close(object);
	return failures || !steps;
}
