// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/* A program with one map of each kind that devices have. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} hash SEC(".maps");

SEC("xdp")
int maps_xdp(struct xdp_md *ctx)
{
	__u32 key = 0;

	if (!bpf_map_lookup_elem(&array, &key) || !bpf_map_lookup_elem(&hash, &key))
		return XDP_PASS;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
