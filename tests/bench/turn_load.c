/* SPDX-License-Identifier: BSD-2-Clause */
#include "turn_load.h"

#include <errno.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "inlay_net.h"

#define DELAYS_ROOM (TURN_LOAD_SAMPLES * sizeof(__u64))
#define COUNTS_ROOM (TURN_LOAD_CPUS * sizeof(struct turn_load_count))
#define PACED_BATCH 16
#define WARM_UP	    5		    /* the window begins after a fifth of the time */
#define MARGIN	    (80 * INLAY_MS) /* between the end of the window and of the injection */
#define MOST_FRAMES (1 << 30)	    /* of one injection: it is ended by a signal */

static int say_errors(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static int fail(const char *what, int ret)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-ret));
	return ret;
}

static int map_fd(const struct turn_load *l, const char *name)
{
	return bpf_object__find_map_fd_by_name(l->object, name);
}

static void *map(const struct turn_load *l, const char *name, size_t bytes, int protection)
{
	void *at = mmap(NULL, bytes, protection, MAP_SHARED, map_fd(l, name), 0);

	return at == MAP_FAILED ? NULL : at;
}

int turn_load_open(struct turn_load *l, const char *file)
{
	struct bpf_program *inject;
	int ret;

	*l = (struct turn_load){0};
	libbpf_set_print(say_errors);
	l->object = bpf_object__open_file(file, NULL);
	if (!l->object)
		return fail(file, -errno);
	ret = bpf_object__load(l->object);
	if (ret)
		return fail("the load's programs do not load", ret);
	inject = bpf_object__find_program_by_name(l->object, "inject");
	l->inject = bpf_program__fd(inject);
	l->frames = map_fd(l, "frames");
	l->expected = map_fd(l, "expected");
	l->control = map(l, "control", sizeof(*l->control), PROT_READ | PROT_WRITE);
	l->counts = map(l, "count", COUNTS_ROOM, PROT_READ | PROT_WRITE);
	l->delays = map(l, "delays", DELAYS_ROOM, PROT_READ);
	return l->control && l->counts && l->delays ? 0 : fail("the load's maps", -errno);
}

void turn_load_close(struct turn_load *l)
{
	if (l->control)
		munmap(l->control, sizeof(*l->control));
	if (l->counts)
		munmap(l->counts, COUNTS_ROOM);
	if (l->delays)
		munmap((void *)(uintptr_t)l->delays, DELAYS_ROOM);
	bpf_object__close(l->object);
	*l = (struct turn_load){0};
}

struct bpf_link *turn_load_receive(struct turn_load *l, const char *interface)
{
	struct bpf_program *p = bpf_object__find_program_by_name(l->object, "receive");
	struct bpf_link *link = bpf_program__attach_xdp(p, (int)if_nametoindex(interface));

	if (!link)
		fail(interface, -errno);
	return link;
}

void turn_load_receive_end(struct bpf_link *link)
{
	bpf_link__destroy(link);
}

void turn_load_set(struct turn_load *l, const char *interface, __u32 n_flows, __u32 bytes)
{
	l->ingress = if_nametoindex(interface);
	*l->control = (struct turn_load_control){.generation = l->control->generation + 1,
						 .n_flows = n_flows,
						 .ifindex = l->ingress,
						 .bytes = bytes};
	turn_load_count(l);
}

/* Headers, mark, and as much of the zeros behind it as there is room for. */
static void make_frame(struct turn_load_frame *f, const struct turn_load_path *path,
		       const struct turn_load_mark *mark, __u32 bytes)
{
	struct inlay_net_datagram d = {
		.ip = {.version = 4, .ttl = 64},
		.udp = {.src = ntohs(path->src.port), .dst = ntohs(path->dst.port)},
	};
	struct inlay_writer w = inlay_writer_of(f->head, sizeof(f->head));
	const __u32 l2 = INLAY_NET_ETH_LEN, ip = INLAY_NET_IPV4_LEN;
	struct inlay_net_sum sum;
	const __u8 *payload;

	memcpy(d.eth.src, path->src_mac, sizeof(d.eth.src));
	memcpy(d.eth.dst, path->dst_mac, sizeof(d.eth.dst));
	memcpy(d.ip.src, path->src.ip, 4);
	memcpy(d.ip.dst, path->dst.ip, 4);
	inlay_net_put(&w, &d);
	payload = inlay_writer_at(&w);
	if (path->channel) {
		inlay_writer_be16(&w, path->channel);
		inlay_writer_be16(&w, (__u16)bytes);
	}
	memcpy(inlay_writer_at(&w), mark, sizeof(*mark));
	inlay_net_set_lengths(f->head, l2, ip, bytes + (path->channel ? 4 : 0));
	sum = inlay_net_udp_begin(f->head, l2, ip);
	inlay_net_sum_add(&sum, payload, (size_t)(f->head + sizeof(f->head) - payload));
	inlay_net_udp_finish(f->head, l2, ip, &sum);
}

int turn_load_set_flow(struct turn_load *l, __u32 flow, const struct turn_load_path *path,
		       const struct turn_load_expected *expected)
{
	struct turn_load_mark mark = {.magic = turn_load_magic(l->control->generation),
				      .flow = flow};
	struct turn_load_frame f = {0};
	int ret;

	make_frame(&f, path, &mark, l->control->bytes);
	ret = bpf_map_update_elem(l->frames, &flow, &f, BPF_ANY);
	if (!ret)
		ret = bpf_map_update_elem(l->expected, &flow, expected, BPF_ANY);
	return ret;
}

/* Ends the system call that injects. */
static void on_alarm(int number)
{
}

static void set_alarm(inlay_ns after)
{
	struct sigaction act = {.sa_handler = on_alarm};
	struct itimerval t = {
		.it_value = {(time_t)(after / INLAY_S), (suseconds_t)(after % INLAY_S / INLAY_US)}};

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

/* Bytes of a frame: Ethernet's header, and what IP's says that follows. */
static __u32 frame_len(const struct turn_load *l)
{
	struct turn_load_frame first = {0};
	__u32 key = 0;

	bpf_map_lookup_elem(l->frames, &key, &first);
	return INLAY_NET_ETH_LEN + inlay_net_get16(first.head + INLAY_NET_ETH_LEN + 2);
}

int turn_load_inject(const struct turn_load *l, unsigned int rate, inlay_ns duration,
		     struct turn_load_injected *ret)
{
	static const __u8 zeros[INLAY_FRAME_MAX];
	struct turn_load_control *c = l->control;
	struct xdp_md ctx = {.data_end = frame_len(l), .ingress_ifindex = l->ingress};
	int err;

	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = zeros, .data_size_in = ctx.data_end,
			    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx), .repeat = MOST_FRAMES,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			    .batch_size = rate ? PACED_BATCH : TURN_LOAD_BATCH);
	c->batch = opts.batch_size;
	c->gap = rate ? PACED_BATCH * INLAY_S / rate : 0;
	c->in_batch = 0;
	c->due = c->waited = c->sent = 0;
	c->opened = c->closed = c->open = 0;
	c->window_begin = duration / WARM_UP;
	c->window_end = duration;
	set_alarm(duration + MARGIN);
	err = bpf_prog_test_run_opts(l->inject, &opts);
	set_alarm(0);
	*ret = (struct turn_load_injected){
		.sent = c->sent,
		.waited_ns = (double)c->waited,
		.window_s = (double)(c->closed - c->opened) / INLAY_S,
	};
	if (err != -EINTR)
		return err;
	return c->closed ? 0 : -EAGAIN;
}

struct turn_load_count turn_load_count(const struct turn_load *l)
{
	struct turn_load_count sum = {0};

	for (size_t i = 0; i < TURN_LOAD_CPUS; i++) {
		struct turn_load_count *c = &l->counts[i];

		sum.delivered += __atomic_exchange_n(&c->delivered, 0, __ATOMIC_RELAXED);
		sum.in_window += __atomic_exchange_n(&c->in_window, 0, __ATOMIC_RELAXED);
		sum.wrong += __atomic_exchange_n(&c->wrong, 0, __ATOMIC_RELAXED);
	}
	return sum;
}

const __u64 *turn_load_delays(const struct turn_load *l, size_t *ret_n)
{
	__u64 n = __atomic_load_n(&l->control->n_delays, __ATOMIC_SEQ_CST);

	*ret_n = n < TURN_LOAD_SAMPLES ? n : TURN_LOAD_SAMPLES;
	return l->delays;
}
