/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of the TURN bench's load. |inject| makes a frame of every run of it (BPF_PROG_TEST_RUN
 * with live frames) and sends it by an interface; |receive| stands where they arrive, counts and
 * swallows what bears the bench's mark, and hands everything else to the kernel.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "turn_load_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct turn_load_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_LOAD_FLOWS);
	__type(key, __u32);
	__type(value, struct turn_load_frame);
} frames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_LOAD_FLOWS);
	__type(key, __u32);
	__type(value, struct turn_load_expected);
} expected SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_LOAD_CPUS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct turn_load_count);
} count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, TURN_LOAD_SAMPLES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} delays SEC(".maps");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

#define MOST_LOOKS (1 << 16) /* at the clock in one wait: some milliseconds */

struct wait {
	__u64 until, now;
};

static long look(__u32 ignored, struct wait *w)
{
	w->now = bpf_ktime_get_ns();
	return w->now >= w->until;
}

static __always_inline void begin_batch(struct turn_load_control *c)
{
	__u64 begin = bpf_ktime_get_ns();
	struct wait w = {.now = begin, .until = c->due};

	if (!c->due)
		c->due = c->begun = begin;
	if (c->gap) {
		if (begin < c->due)
			bpf_loop(MOST_LOOKS, look, &w, 0);
		c->waited += w.now - begin;
		/* When it was not on a CPU for a while: that is not made up for. */
		c->due = (w.now - c->due > 4 * c->gap ? w.now : c->due) + c->gap;
	}
	if (!c->opened && w.now - c->begun >= c->window_begin) {
		c->opened = w.now;
		c->open = 1;
	} else if (c->open && w.now - c->begun >= c->window_end) {
		c->closed = w.now;
		c->open = 0;
	}
}

SEC("xdp")
int inject(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	__u64 *to = (void *)(long)ctx->data;
	struct turn_load_control *c;
	const __u64 *from;
	__u32 key = 0;

	c = bpf_map_lookup_elem(&control, &key);
	if (!c || (void *)to + TURN_LOAD_HEAD > end)
		return XDP_DROP;
	if (!c->in_batch)
		begin_batch(c);
	c->in_batch = c->in_batch + 1 < c->batch ? c->in_batch + 1 : 0;
	c->sent++;
	key = c->next < c->n_flows ? c->next : 0;
	c->next = key + 1;
	from = bpf_map_lookup_elem(&frames, &key);
	if (!from)
		return XDP_DROP;
#pragma unroll
	for (int i = 0; i < TURN_LOAD_HEAD / 8; i++)
		to[i] = from[i];
	return (int)bpf_redirect(c->ifindex, 0);
}

static __always_inline void note_delay(struct turn_load_control *c, __u64 stamp)
{
	__u64 now = bpf_ktime_get_ns(), *sample;
	__u32 at = (__u32)__sync_fetch_and_add(&c->n_delays, 1);

	sample = bpf_map_lookup_elem(&delays, &at);
	if (sample)
		*sample = now - stamp;
}

static __always_inline bool is_ours(const struct turn_load_mark *m)
{
	return m->magic >> 24 == TURN_LOAD_MAGIC >> 24;
}

/* |channel|: 0 if the mark stands right behind the UDP header. */
static __always_inline int note(const struct headers *h, const struct turn_load_mark *m,
				__be16 channel)
{
	__u32 zero = 0, cpu = bpf_get_smp_processor_id();
	__u32 flow = m->flow, header = channel ? 4 : 0;
	struct turn_load_control *c = bpf_map_lookup_elem(&control, &zero);
	struct turn_load_count *n = bpf_map_lookup_elem(&count, &cpu);
	const struct turn_load_expected *e = bpf_map_lookup_elem(&expected, &flow);

	if (!c || !n || m->magic != turn_load_magic(c->generation))
		return XDP_DROP;
	if (!e || e->dst != h->ip.daddr || e->port != h->udp.dest || e->channel != channel ||
	    bpf_ntohs(h->udp.len) != sizeof(h->udp) + header + c->bytes) {
		n->wrong++;
		return XDP_DROP;
	}
	n->delivered++;
	n->in_window += c->open;
	if (m->stamp)
		note_delay(c, m->stamp);
	return XDP_DROP;
}

SEC("xdp")
int receive(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct headers *h = (void *)(long)ctx->data;
	struct turn_load_mark *m = (void *)(h + 1);
	__be16 *channel = (void *)(h + 1);

	if ((void *)(m + 1) > end || h->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    h->ip.protocol != 17 || h->ip.ihl != 5)
		return XDP_PASS;
	if (is_ours(m))
		return note(h, m, 0);
	m = (void *)(channel + 2);
	if ((void *)(m + 1) > end || !is_ours(m))
		return XDP_PASS;
	return note(h, m, *channel);
}

char _license[] SEC("license") = "Dual BSD/GPL";
