// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Programs for the checker of NIC profiles: compiled once for each rule, with -DRULE_ID, into an
 * object that breaks that rule and no other; with -DALSO_ID, in another way; and, with -DFITS_ID,
 * into objects that break none.
 * None of them is meant to be loaded.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#define XDP	 SEC("xdp")
#define TC	 SEC("tc")
#define INLINE	 static __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
/* The compiler is to forget what it knows of it. */
#define FORGET(x) asm volatile("" : "+r"(x))

struct value {
	__u64 count;
	__u32 words[4];
};

#define MAP(name, kind, key_type, value_type, entries, ...)                                        \
	struct {                                                                                   \
		__uint(type, kind);                                                                \
		__type(key, key_type);                                                             \
		__type(value, value_type);                                                         \
		__uint(max_entries, entries);                                                      \
		__VA_ARGS__                                                                        \
	} name SEC(".maps")

#define LOOK_UP(map)                                                                               \
	({                                                                                         \
		__u32 key = 0;                                                                     \
		bpf_map_lookup_elem(&map, &key);                                                   \
	})

/* --- Programs ----------------------------------------------------------------------------------
 */

#if defined(RULE_program_type)
SEC("socket") int program(struct __sk_buff *skb)
{
	return 0;
}

#elif defined(RULE_program_frags)
SEC("xdp.frags") int program(struct xdp_md *ctx)
{
	return XDP_PASS;
}

#elif defined(RULE_program_attach)
SEC("xdp/devmap") int program(struct xdp_md *ctx)
{
	return XDP_PASS;
}

#elif defined(RULE_bpf_instructions)
XDP int program(struct xdp_md *ctx)
{
	asm volatile(".rept 65600; r2 = 0; .endr" ::: "r2");
	return XDP_PASS;
}

#elif defined(RULE_device_instructions)
XDP int program(struct xdp_md *ctx)
{
	asm volatile(".rept 3000; r2 = 0; .endr" ::: "r2");
	return XDP_PASS;
}

#elif defined(RULE_analysis_limit)
XDP int program(struct xdp_md *ctx)
{
	asm volatile(".rept 6300; if r1 == 7 goto +0; .endr" ::: "r2");
	return XDP_PASS;
}

/* --- Calls -------------------------------------------------------------------------------------
 */

#elif defined(RULE_bpf_call)
NOINLINE int callee(void)
{
	int ret = XDP_PASS;

	asm volatile("");
	return ret;
}

XDP int program(struct xdp_md *ctx)
{
	callee();
	return XDP_PASS;
}

#elif defined(RULE_call_depth)
#define LEVEL(name, below)                                                                         \
	NOINLINE int name(void)                                                                    \
	{                                                                                          \
		below;                                                                             \
		asm volatile("");                                                                  \
		return XDP_PASS;                                                                   \
	}
LEVEL(level8, )
LEVEL(level7, level8())
LEVEL(level6, level7())
LEVEL(level5, level6())
LEVEL(level4, level5())
LEVEL(level3, level4())
LEVEL(level2, level3())
LEVEL(level1, level2())

XDP int program(struct xdp_md *ctx)
{
	level1();
	return XDP_PASS;
}

#elif defined(RULE_global_function)
__attribute__((noinline)) int callee(int number)
{
	asm volatile("");
	return number;
}

XDP int program(struct xdp_md *ctx)
{
	callee(1);
	return XDP_PASS;
}

#elif defined(RULE_helper)
XDP int program(struct xdp_md *ctx)
{
	return bpf_ktime_get_ns() & 1 ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_kfunc)
extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash) __ksym;

XDP int program(struct xdp_md *ctx)
{
	__u32 hash = 0;

	bpf_xdp_metadata_rx_hash(ctx, &hash);
	return XDP_PASS;
}

/* --- Instructions ------------------------------------------------------------------------------
 */

#elif defined(RULE_opcode)
XDP int program(struct xdp_md *ctx)
{
	asm volatile("r2 = 7; .byte 0x97, 0x02, 0, 0, 3, 0, 0, 0" ::: "r2"); /* r2 %= 3 */
	return XDP_PASS;
}

#elif defined(RULE_registers)
XDP int program(struct xdp_md *ctx)
{
	asm volatile(".byte 0xb7, 0x0b, 0, 0, 0, 0, 0, 0"); /* r11 = 0 */
	return XDP_PASS;
}

#elif defined(RULE_move_offset)
XDP int program(struct xdp_md *ctx)
{
	asm volatile("r2 = 200; .byte 0xbf, 0x22, 8, 0, 0, 0, 0, 0" ::: "r2"); /* r2 = (s8)r2 */
	return XDP_PASS;
}

#elif defined(RULE_divide_offset)
XDP int program(struct xdp_md *ctx)
{
	asm volatile("r2 = 8; .byte 0x37, 0x02, 1, 0, 2, 0, 0, 0" ::: "r2"); /* r2 s/= 2 */
	return XDP_PASS;
}

#elif defined(RULE_store_immediate)
XDP int program(struct xdp_md *ctx)
{
	asm volatile(".byte 0x7a, 0x0a, 0xf8, 0xff, 0, 0, 0, 0"); /* *(u64 *)(r10 - 8) = 0 */
	return XDP_PASS;
}

#elif defined(RULE_packet_load)
XDP int program(struct xdp_md *ctx)
{
	asm volatile("r6 = %0; r0 = *(u8 *)skb[0];" ::"r"(ctx)
		     : "r0", "r1", "r2", "r3", "r4", "r5", "r6");
	return XDP_PASS;
}

#elif defined(RULE_wide_immediate)
extern const int bpf_stats_enabled_key __ksym;

XDP int program(struct xdp_md *ctx)
{
	const int *key = &bpf_stats_enabled_key;

	FORGET(key);
	return XDP_PASS;
}

#elif defined(RULE_atomic_operation)
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters);

	if (v)
		__sync_fetch_and_or(&v->count, 1);
	return XDP_PASS;
}

#elif defined(RULE_multiply_range)
XDP int program(struct xdp_md *ctx)
{
	__u64 n = (__u64)bpf_get_prandom_u32() << 16;

	asm volatile("%0 *= 3" : "+r"(n));
	return n & 64 ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_divide_range)
XDP int program(struct xdp_md *ctx)
{
	__u64 n = (__u64)bpf_get_prandom_u32() << 16;

	asm volatile("%0 /= 3" : "+r"(n));
	return n & 64 ? XDP_PASS : XDP_DROP;
}

/* --- Context and packet ------------------------------------------------------------------------
 */

#elif defined(RULE_context_read)
XDP int program(struct xdp_md *ctx)
{
	return ctx->ingress_ifindex == 1 ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_context_write)
TC int program(struct __sk_buff *skb)
{
	skb->mark = 1;
	return TC_ACT_UNSPEC;
}

#elif defined(RULE_queue_value)
XDP int program(struct xdp_md *ctx)
{
	ctx->rx_queue_index = 256;
	return XDP_PASS;
}

#elif defined(RULE_packet_offset)
XDP int program(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (data + 200 > end)
		return XDP_PASS;
	return data[199] ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_xdp_return)
XDP int program(struct xdp_md *ctx)
{
	return bpf_get_prandom_u32() & 1 ? XDP_REDIRECT : XDP_PASS;
}

#elif defined(RULE_tc_return)
TC int program(struct __sk_buff *skb)
{
	return skb->len > 100 ? TC_ACT_OK : TC_ACT_SHOT;
}

/* --- Pointers and memory -----------------------------------------------------------------------
 */

#elif defined(RULE_pointer_type)
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	volatile __u32 *map = (void *)&counters;

	return map[4] ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_pointer_mixed)
XDP int program(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 word = 1;
	__u8 *p = (void *)&word;

	FORGET(p);
	if (data + 4 <= end)
		p = data;
	FORGET(p);
	return *p ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_stack_offset)
XDP int program(struct xdp_md *ctx)
{
	volatile __u8 bytes[16] = {0};

	bytes[4] = 1;
	return bytes[bpf_get_prandom_u32() & 15] ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_stack_bytes)
XDP int program(struct xdp_md *ctx)
{
	volatile __u8 bytes[300], *p = bytes;

	FORGET(p);
	bytes[0] = 1;
	return bytes[0] ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_map_store)
MAP(states, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(states);

	if (v)
		v->words[1] = 1;
	return XDP_PASS;
}

#elif defined(RULE_map_offset)
MAP(states, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(states);

	return v && v->words[bpf_get_prandom_u32() & 3] ? XDP_DROP : XDP_PASS;
}

#elif defined(RULE_map_use_mixed)
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters);

	if (!v)
		return XDP_PASS;
	__sync_fetch_and_add(&v->count, 1);
	return v->count > 1000 ? XDP_DROP : XDP_PASS;
}

#elif defined(RULE_atomic_target)
XDP int program(struct xdp_md *ctx)
{
	__u64 n = 0;

	__sync_fetch_and_add(&n, 1);
	return XDP_PASS;
}

#elif defined(RULE_update_atomic_value)
MAP(counters, BPF_MAP_TYPE_HASH, __u32, struct value, 16);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters), first = {0};
	__u32 key = 0;

	first.count = 1;
	if (v)
		__sync_fetch_and_add(&v->count, 1);
	else
		bpf_map_update_elem(&counters, &key, &first, BPF_ANY);
	return XDP_PASS;
}

/* --- Helpers' arguments ------------------------------------------------------------------------
 */

#elif defined(RULE_helper_stack_pointer)
MAP(states, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(states);

	return v && bpf_map_lookup_elem(&states, &v->words) ? XDP_PASS : XDP_DROP;
}

#elif defined(RULE_update_flags)
MAP(states, BPF_MAP_TYPE_HASH, __u32, __u32, 16);

XDP int program(struct xdp_md *ctx)
{
	__u32 key = 0;

	bpf_map_update_elem(&states, &key, &key, 1ULL << 32);
	return XDP_PASS;
}

#elif defined(RULE_event_flags) || defined(RULE_event_data)
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

XDP int program(struct xdp_md *ctx)
{
	__u32 data = 1;

#ifdef RULE_event_flags
	bpf_perf_event_output(ctx, &events, 3, &data, sizeof(data));
#else
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, ctx, sizeof(data));
#endif
	return XDP_PASS;
}

#elif defined(RULE_tail_grow)
XDP int program(struct xdp_md *ctx)
{
	bpf_xdp_adjust_tail(ctx, 4);
	return XDP_PASS;
}

/* --- Maps --------------------------------------------------------------------------------------
 */

#elif defined(RULE_legacy_maps)
struct {
	__u32 type, key_size, value_size, max_entries;
} old SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, 4, 1};

XDP int program(struct xdp_md *ctx)
{
	return XDP_PASS;
}

#elif defined(RULE_direct_values)
const volatile int setting;

XDP int program(struct xdp_md *ctx)
{
	return setting ? XDP_PASS : XDP_DROP;
}

/* --- The same rules, broken less plainly -------------------------------------------------------
 */

#elif defined(ALSO_multiply_range_quotient)
/* Of a quotient the kernel's verifier knows nothing, and so does the driver. */
XDP int program(struct xdp_md *ctx)
{
	__u64 n = bpf_get_prandom_u32();

	asm volatile("%0 /= 7; %0 *= 3" : "+r"(n));
	return n & 64 ? XDP_PASS : XDP_DROP;
}

#elif defined(ALSO_direct_values_kconfig)
extern int LINUX_KERNEL_VERSION __kconfig;

SEC("?xdp") int program(struct xdp_md *ctx)
{
	return LINUX_KERNEL_VERSION > 5 ? XDP_PASS : XDP_DROP;
}

#elif defined(ALSO_multiply_range_swapped)
XDP int program(struct xdp_md *ctx)
{
	__u64 n = bpf_get_prandom_u32();

	asm volatile("%0 = be16 %0; %0 *= 3" : "+r"(n));
	return n & 64 ? XDP_PASS : XDP_DROP;
}

#elif defined(ALSO_multiply_range_pointer)
/* A pointer on one path, and on the other a number: that counts. */
XDP int program(struct xdp_md *ctx)
{
	asm volatile("r6 = %0;"
		     "call 7;"
		     "r7 = r0;"
		     "if r7 != 0 goto +3;"
		     "r6 = r0;"
		     "r6 <<= 32;"
		     "r6 |= 1;"
		     "if r7 != 0 goto +1;"
		     "r6 *= 3" ::"r"(ctx)
		     : "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7");
	return XDP_PASS;
}

#elif defined(ALSO_map_use_mixed_programs)
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

XDP int program(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters);

	if (v)
		__sync_fetch_and_add(&v->count, 1);
	return XDP_PASS;
}

/* Each by itself breaks nothing. */
XDP int second(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters);

	return v && v->count > 1000 ? XDP_DROP : XDP_PASS;
}

#elif defined(ALSO_map_use_mixed_either)
MAP(some, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);
MAP(others, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

/* Added to in one of two maps, read in the other. */
XDP int program(struct xdp_md *ctx)
{
	struct value *v = bpf_get_prandom_u32() & 1 ? LOOK_UP(some) : LOOK_UP(others);

	if (v)
		__sync_fetch_and_add(&v->count, 1);
	v = LOOK_UP(others);
	return v && v->count > 1000 ? XDP_DROP : XDP_PASS;
}

#elif defined(ALSO_update_atomic_value_programs)
MAP(counters, BPF_MAP_TYPE_HASH, __u32, struct value, 16);

XDP int program(struct xdp_md *ctx)
{
	struct value first = {0};
	__u32 key = 0;

	first.count = bpf_get_prandom_u32();
	bpf_map_update_elem(&counters, &key, &first, BPF_ANY);
	return XDP_PASS;
}

XDP int second(struct xdp_md *ctx)
{
	struct value *v = LOOK_UP(counters);

	if (v)
		__sync_fetch_and_add(&v->count, 1);
	return XDP_PASS;
}

#else /* a map, and a program that uses none */

#if defined(RULE_map_type)
MAP(one, BPF_MAP_TYPE_LRU_HASH, __u32, __u32, 16);
#elif defined(RULE_map_flags)
MAP(one, BPF_MAP_TYPE_HASH, __u32, __u32, 16, __uint(map_flags, BPF_F_NO_PREALLOC););
#elif defined(RULE_map_numa_node)
MAP(one, BPF_MAP_TYPE_HASH, __u32, __u32, 16, __uint(numa_node, 0););
#elif defined(RULE_map_key_bytes)
struct large {
	__u8 bytes[72];
};
MAP(one, BPF_MAP_TYPE_HASH, struct large, __u32, 16);
#elif defined(RULE_map_value_bytes)
struct large {
	__u8 bytes[72];
};
MAP(one, BPF_MAP_TYPE_HASH, __u32, struct large, 16);
#elif defined(RULE_map_entry_bytes)
struct key {
	__u8 bytes[64];
};
struct half {
	__u8 bytes[33];
};
MAP(one, BPF_MAP_TYPE_HASH, struct key, struct half, 16);
#elif defined(RULE_map_entries_each)
MAP(one, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1001);
#elif defined(RULE_map_entries)
MAP(one, BPF_MAP_TYPE_ARRAY, __u32, __u32, 800);
MAP(two, BPF_MAP_TYPE_ARRAY, __u32, __u32, 800);
#elif defined(RULE_maps)
MAP(one, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1);
MAP(two, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1);
MAP(three, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1);
MAP(four, BPF_MAP_TYPE_ARRAY, __u32, __u32, 1);
#elif defined(FITS_xdp)
struct flow {
	__u32 from, to;
};
MAP(one, BPF_MAP_TYPE_HASH, struct flow, struct value, 16);
MAP(two, BPF_MAP_TYPE_ARRAY, __u32, __u64, 8);

/* Parses, looks up, counts, makes entries, rewrites and turns a packet round. */
XDP int program(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct value *v, first = {0};
	struct flow flow = {0};
	__u32 key = 3;
	__u64 *n;

	if (data + 34 > end)
		return XDP_PASS;
	flow.from = *(__u32 *)(data + 26);
	flow.to = *(__u32 *)(data + 30);
	v = bpf_map_lookup_elem(&one, &flow);
	if (v) {
		__sync_fetch_and_add(&v->count, 1);
		data[26] = (__u8)v->words[1];
		return v->words[0] ? XDP_TX : XDP_DROP;
	}
	bpf_map_update_elem(&one, &flow, &first, BPF_ANY);
	n = bpf_map_lookup_elem(&two, &key);
	if (n)
		__sync_fetch_and_add(n, end - data);
	return XDP_PASS;
}
#elif defined(FITS_tc)
TC int program(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 n = bpf_get_prandom_u32();
	int verdict = TC_ACT_QUEUED;

	if (data + 34 > end || skb->len * 3 / 7 > 400)
		return TC_ACT_UNSPEC;
	if (data[12] == 8 && n >> (data[13] & 31))
		return TC_ACT_SHOT;
	/* Not by arithmetic: a constant on each path. */
	if (n & 1) {
		verdict = TC_ACT_STOLEN;
		FORGET(verdict);
	}
	return verdict;
}
#elif defined(FITS_relay)
struct flow {
	__u32 from, to;
	__u16 from_port, to_port;
};
struct next {
	__u64 packets, bytes;
	__u32 mac[2];
	__u32 to;
	__u16 port, unused;
};
MAP(flows, BPF_MAP_TYPE_HASH, struct flow, struct next, 1000);
MAP(reasons, BPF_MAP_TYPE_ARRAY, __u32, __u64, 8);

INLINE void count(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&reasons, &reason);

	if (n)
		__sync_fetch_and_add(n, 1);
}

/* What a relay of clear datagrams on a card would be: UDP over IPv4 to the next hop, back out of
 * the port that it came in by. */
XDP int program(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct flow flow = {0};
	struct next *next;
	__u32 sum = 0, *ip = (__u32 *)(data + 14);

	if (data + 42 > end || *(__u16 *)(data + 12) != 8 || data[14] != 0x45 || data[23] != 17) {
		count(0);
		return XDP_PASS;
	}
	flow.from = ip[3];
	flow.to = ip[4];
	flow.from_port = *(__u16 *)(data + 34);
	flow.to_port = *(__u16 *)(data + 36);
	next = bpf_map_lookup_elem(&flows, &flow);
	if (!next) {
		count(1);
		return XDP_PASS;
	}
	__sync_fetch_and_add(&next->packets, 1);
	__sync_fetch_and_add(&next->bytes, end - data);
	ip[3] = ip[4];
	ip[4] = next->to;
	*(__u16 *)(data + 36) = next->port;
	__builtin_memcpy(data + 6, data, 6);
	*(__u32 *)data = next->mac[0];
	*(__u16 *)(data + 4) = next->mac[1];
	*(__u16 *)(data + 24) = 0;
	*(__u16 *)(data + 40) = 0;
	for (int i = 0; i < 10; i++)
		sum += ((__u16 *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*(__u16 *)(data + 24) = ~sum;
	count(2);
	return XDP_TX;
}
#elif defined(FITS_calls)
MAP(events, BPF_MAP_TYPE_PERF_EVENT_ARRAY, __u32, __u32, 0);
MAP(one, BPF_MAP_TYPE_ARRAY, __u32, struct value, 1);

NOINLINE __u32 sum(const __u32 *words)
{
	__u32 n = 0;

	for (int i = 0; i < 4; i++)
		n += words[i];
	return n;
}

NOINLINE int decide(struct xdp_md *ctx, __u32 n)
{
	return n > (__u32)(ctx->data_end - ctx->data) ? XDP_PASS : XDP_DROP;
}

XDP int program(struct xdp_md *ctx)
{
	__u32 words[4] = {1, 2, 3, bpf_get_prandom_u32()};
	struct value *v = LOOK_UP(one);

	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, words, sizeof(words));
	if (v)
		bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, v, sizeof(*v));
	if (bpf_xdp_adjust_tail(ctx, -4) || bpf_xdp_adjust_head(ctx, 14))
		return XDP_ABORTED;
	return decide(ctx, sum(words));
}
#else
#error "which object?"
#endif

#ifndef FITS_xdp
#ifndef FITS_tc
#if !defined(FITS_calls) && !defined(FITS_relay)
XDP int program(struct xdp_md *ctx)
{
	return XDP_PASS;
}
#endif
#endif
#endif
#endif

char program_license[] SEC("license") = "Dual BSD/GPL";
