/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel loads, found by loading the least that shows it (libbpf's probes). */
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "probe_impl.h"

enum what { PROGRAM, MAP, HELPER };

static const struct {
	const char *name, *why;
	enum what what;
	int type; /* of program or map */
	int helper;
} tries[] = {
	{"program XDP", "inlay-turn, AF_XDP", PROGRAM, BPF_PROG_TYPE_XDP, 0},
	{"program TC", "the forwarder in the kernel, inlay-turn", PROGRAM, BPF_PROG_TYPE_SCHED_CLS,
	 0},
	{"map RINGBUF", "inlay-turn's events", MAP, BPF_MAP_TYPE_RINGBUF, 0},
	{"map DEVMAP_HASH", "copies by XDP", MAP, BPF_MAP_TYPE_DEVMAP_HASH, 0},
	{"map XSKMAP", "the softnic over AF_XDP", MAP, BPF_MAP_TYPE_XSKMAP, 0},
	{"map LPM_TRIE", "address ranges", MAP, BPF_MAP_TYPE_LPM_TRIE, 0},
	{"helper bpf_loop (TC)", "copies for many subscribers", HELPER, BPF_PROG_TYPE_SCHED_CLS,
	 BPF_FUNC_loop},
	{"helper bpf_clone_redirect (TC)", "copies by TC", HELPER, BPF_PROG_TYPE_SCHED_CLS,
	 BPF_FUNC_clone_redirect},
	{"helper bpf_get_socket_cookie (TC)", "inlay-turn knows the server's sockets", HELPER,
	 BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_get_socket_cookie},
	{"helper bpf_fib_lookup (XDP)", "next hops", HELPER, BPF_PROG_TYPE_XDP,
	 BPF_FUNC_fib_lookup},
	{"helper bpf_xdp_adjust_head (XDP)", "headers that grow", HELPER, BPF_PROG_TYPE_XDP,
	 BPF_FUNC_xdp_adjust_head},
	{"helper bpf_ktime_get_ns (XDP)", "lifetimes", HELPER, BPF_PROG_TYPE_XDP,
	 BPF_FUNC_ktime_get_ns},
};
_Static_assert(INLAY_ARRAY_SIZE(tries) <= INLAY_ARRAY_SIZE(((struct inlay_nic_kernel *)0)->tries),
	       "room for all");

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

/* Without a privilege nothing loads, which says nothing about the kernel; and libbpf takes that for
 * a helper that is there. */
static bool is_permitted(void)
{
	return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_SCHED_CLS, NULL) == 1;
}

static int try(size_t i)
{
	switch (tries[i].what) {
	case PROGRAM:
		return libbpf_probe_bpf_prog_type(tries[i].type, NULL);
	case MAP:
		return libbpf_probe_bpf_map_type(tries[i].type, NULL);
	case HELPER:
		return libbpf_probe_bpf_helper(tries[i].type, tries[i].helper, NULL);
	}
	return -1;
}

void inlay_nic_probe_kernel(struct inlay_nic_kernel *kernel)
{
	libbpf_print_fn_t before = libbpf_set_print(silent);
	bool permitted = is_permitted();
	struct utsname name;
	int loads;

	if (!uname(&name))
		snprintf(kernel->release, sizeof(kernel->release), "%.63s", name.release);
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(tries); i++) {
		loads = permitted ? try(i) : 0;
		kernel->tries[i].name = tries[i].name;
		kernel->tries[i].why = tries[i].why;
		if (loads < 0 || !permitted)
			kernel->tries[i].loads = INLAY_NIC_LOADS_UNKNOWN;
		else
			kernel->tries[i].loads = loads ? INLAY_NIC_LOADS_YES : INLAY_NIC_LOADS_NO;
	}
	kernel->n_tries = INLAY_ARRAY_SIZE(tries);
	if (!permitted)
		inlay_nic_note(&kernel->notes, "what it loads: not permitted to try; run as root, "
					       "or with CAP_BPF and CAP_NET_ADMIN");
	libbpf_set_print(before);
}
