/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Stamps the packets of one size class where they enter and where they leave the relay's
 * namespace (TC on its interfaces), and counts one process's system calls. Packets are sealed:
 * what is in them is told by the bench, from size and order (relay_match.h).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "relay_stamps_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct relay_stamps_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RELAY_STAMPS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct relay_stamp);
} stamps SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RELAY_STAMP_CALLS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} calls SEC(".maps");

struct headers {
	struct ethhdr eth;
	struct iphdr ip;
	struct udphdr udp;
} __attribute__((packed));

#define MOST_MERGED 4 /* datagrams of one message that are stamped */

static __always_inline void note(struct relay_stamps_control *c, const struct relay_stamp *what,
				 __u32 len)
{
	struct relay_stamp *s;
	__u64 at;
	__u32 key;

	if (len < c->least || len > c->most)
		return;
	at = __sync_fetch_and_add(&c->n, 1);
	key = (__u32)at;
	s = at < RELAY_STAMPS ? bpf_map_lookup_elem(&stamps, &key) : 0;
	if (!s)
		return;
	*s = *what;
	s->len = (__u16)len;
}

static __always_inline int stamp(struct __sk_buff *skb, int out)
{
	struct relay_stamp s = {.time = bpf_ktime_get_ns(), .out = (__u8)out, .merged = 1};
	void *end = (void *)(long)skb->data_end;
	struct headers *h = (void *)(long)skb->data;
	struct relay_stamps_control *c;
	__u32 key = 0, left;

	c = bpf_map_lookup_elem(&control, &key);
	if (!c || (void *)(h + 1) > end || h->eth.h_proto != bpf_htons(ETH_P_IP) ||
	    h->ip.protocol != 17 || h->ip.ihl != 5 ||
	    (out ? h->udp.source : h->udp.dest) != bpf_htons((__u16)c->port))
		return TC_ACT_UNSPEC;
	s.ip = out ? h->ip.daddr : h->ip.saddr;
	s.port = bpf_ntohs(out ? h->udp.dest : h->udp.source);
	left = skb->len - (__u32)sizeof(*h);
	if (skb->gso_segs > 1)
		s.merged = (__u8)skb->gso_segs;
	/* All are of one size, but the last. */
	for (int i = 1; i < MOST_MERGED && i < s.merged && left > skb->gso_size; i++) {
		note(c, &s, skb->gso_size);
		left -= skb->gso_size;
	}
	note(c, &s, left);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int stamp_in(struct __sk_buff *skb)
{
	return stamp(skb, 0);
}

SEC("tc")
int stamp_out(struct __sk_buff *skb)
{
	return stamp(skb, 1);
}

SEC("raw_tracepoint/sys_enter")
int count_call(struct bpf_raw_tracepoint_args *ctx)
{
	struct relay_stamps_control *c;
	__u32 key = 0;
	__u64 *n;

	c = bpf_map_lookup_elem(&control, &key);
	if (!c || bpf_get_current_pid_tgid() >> 32 != c->pid)
		return 0;
	key = (__u32)ctx->args[1];
	n = bpf_map_lookup_elem(&calls, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
