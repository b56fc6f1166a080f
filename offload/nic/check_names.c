/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's names for helpers, types of map and fields of contexts. */
#include "check_impl.h"

const char *inlay_bpf_helper_name(__s32 id)
{
#define NAME(x, ...) #x
	static const char *const names[] = {__BPF_FUNC_MAPPER(NAME)};
#undef NAME

	return id > 0 && (size_t)id < INLAY_ARRAY_SIZE(names) ? names[id] : "";
}

const char *inlay_bpf_map_type_name(__u32 type)
{
	/* In the order of enum bpf_map_type. */
	static const char *const names[] = {
		"unspec",
		"hash",
		"array",
		"prog_array",
		"perf_event_array",
		"percpu_hash",
		"percpu_array",
		"stack_trace",
		"cgroup_array",
		"lru_hash",
		"lru_percpu_hash",
		"lpm_trie",
		"array_of_maps",
		"hash_of_maps",
		"devmap",
		"sockmap",
		"cpumap",
		"xskmap",
		"sockhash",
		"cgroup_storage",
		"reuseport_sockarray",
		"percpu_cgroup_storage",
		"queue",
		"stack",
		"sk_storage",
		"devmap_hash",
		"struct_ops",
		"ringbuf",
		"inode_storage",
		"task_storage",
		"bloom_filter",
		"user_ringbuf",
		"cgrp_storage",
		"arena",
	};

	return type < INLAY_ARRAY_SIZE(names) ? names[type] : "";
}

struct field {
	const char *name;
	size_t offset;
};

const char *inlay_bpf_context_field(bool is_xdp, __s64 offset)
{
#define XDP(name)                                                                                  \
	{                                                                                          \
#name, offsetof(struct xdp_md, name)                                               \
	}
#define SKB(name)                                                                                  \
	{                                                                                          \
#name, offsetof(struct __sk_buff, name)                                            \
	}
	static const struct field xdp[] = {
		XDP(data),	     XDP(data_end),	  XDP(data_meta), XDP(ingress_ifindex),
		XDP(rx_queue_index), XDP(egress_ifindex),
	};
	static const struct field skb[] = {
		SKB(len),	 SKB(pkt_type),
		SKB(mark),	 SKB(queue_mapping),
		SKB(protocol),	 SKB(vlan_present),
		SKB(vlan_tci),	 SKB(vlan_proto),
		SKB(priority),	 SKB(ingress_ifindex),
		SKB(ifindex),	 SKB(tc_index),
		SKB(cb),	 SKB(hash),
		SKB(tc_classid), SKB(data),
		SKB(data_end),	 SKB(napi_id),
		SKB(family),	 SKB(data_meta),
		SKB(tstamp),	 SKB(wire_len),
		SKB(gso_segs),	 SKB(gso_size),
		SKB(hwtstamp),
	};
#undef XDP
#undef SKB
	const struct field *fields = is_xdp ? xdp : skb;
	size_t n = is_xdp ? INLAY_ARRAY_SIZE(xdp) : INLAY_ARRAY_SIZE(skb);

	for (size_t i = 0; i < n; i++)
		if (offset == (__s64)fields[i].offset)
			return fields[i].name;
	return NULL;
}
