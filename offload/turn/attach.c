/* SPDX-License-Identifier: BSD-2-Clause */
/* See attach.h. */
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <unistd.h>

#include "maps.h"

/* Of the kernel's ABI from 6.6 on; Debian 12's headers lack them. */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS  ((enum bpf_attach_type)47)

/* Where our filters stand: behind those that give no priority (49152 and downwards). */
#define FILTER_HANDLE	0x696e6c79
#define FILTER_PRIORITY 0xc100

int inlay_turn_hook_xdp(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool generic)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	int link = bpf_link_create(program, (int)ifindex, BPF_XDP, &opts);

	if (link < 0)
		return link == -EEXIST ? -EBUSY : link;
	*hook = (struct inlay_turn_hook){.link = link, .ifindex = ifindex};
	return 0;
}

int inlay_turn_hook_tcx(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress)
{
	int link = bpf_link_create(program, (int)ifindex, egress ? TCX_EGRESS : TCX_INGRESS, NULL);

	if (link < 0)
		return link;
	*hook = (struct inlay_turn_hook){.link = link, .ifindex = ifindex};
	return 0;
}

/* --- clsact --------------------------------------------------------------------------------- */

/* libbpf wants the padding behind the last member to be zero, too. */
static void place(struct bpf_tc_hook *ret_hook, __u32 ifindex, enum bpf_tc_attach_point at)
{
	memset(ret_hook, 0, sizeof(*ret_hook));
	ret_hook->sz = sizeof(*ret_hook);
	ret_hook->ifindex = (int)ifindex;
	ret_hook->attach_point = at;
}

static enum bpf_tc_attach_point point(bool egress)
{
	return egress ? BPF_TC_EGRESS : BPF_TC_INGRESS;
}

static int count_one(struct nl_msg *msg, void *arg)
{
	int *n = arg;

	(*n)++;
	return NL_OK;
}

/* Filters of anybody's at a hook; negative: not known. */
static int count_filters(__u32 ifindex, __u32 minor)
{
	struct tcmsg tc = {.tcm_family = AF_UNSPEC,
			   .tcm_ifindex = (int)ifindex,
			   .tcm_parent = TC_H_MAKE(TC_H_CLSACT, minor)};
	struct nl_sock *sock = nl_socket_alloc();
	int n = 0, err = -ENOMEM;

	if (!sock)
		return err;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, count_one, &n);
	err = nl_connect(sock, NETLINK_ROUTE);
	if (!err)
		err = nl_send_simple(sock, RTM_GETTFILTER, NLM_F_DUMP, &tc, sizeof(tc));
	if (err >= 0)
		err = nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	return err < 0 ? -EIO : n;
}

static void drop_clsact(__u32 ifindex)
{
	struct bpf_tc_hook both;

	if (count_filters(ifindex, TC_H_MIN_INGRESS) || count_filters(ifindex, TC_H_MIN_EGRESS))
		return;
	place(&both, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	(void)bpf_tc_hook_destroy(&both);
}

/* Does the program that stands in our place have our program's name? */
static bool is_ours(__u32 program_id, int program)
{
	struct bpf_prog_info theirs = {0}, mine = {0};
	__u32 their_len = sizeof(theirs), my_len = sizeof(mine);
	int fd = bpf_prog_get_fd_by_id(program_id);
	bool ours;

	if (fd < 0)
		return false;
	ours = !bpf_obj_get_info_by_fd(fd, &theirs, &their_len) &&
	       !bpf_obj_get_info_by_fd(program, &mine, &my_len) && !strcmp(theirs.name, mine.name);
	close(fd);
	return ours;
}

static int detach_filter(__u32 ifindex, bool egress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	struct bpf_tc_hook hook;

	place(&hook, ifindex, point(egress));
	return bpf_tc_detach(&hook, &opts);
}

static int attach_filter(int program, __u32 ifindex, bool egress)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY,
		    .prog_fd = program);
	LIBBPF_OPTS(bpf_tc_opts, there, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	struct bpf_tc_hook hook;
	int err;

	place(&hook, ifindex, point(egress));
	err = bpf_tc_attach(&hook, &opts);
	if (err != -EEXIST)
		return err;
	if (bpf_tc_query(&hook, &there) || !is_ours(there.prog_id, program))
		return -EBUSY;
	err = detach_filter(ifindex, egress);
	opts.prog_id = 0;
	return err ? err : bpf_tc_attach(&hook, &opts);
}

int inlay_turn_hook_filter(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress,
			   const struct inlay_turn_hook *beside)
{
	libbpf_print_fn_t printer = inlay_turn_hush();
	struct bpf_tc_hook both;
	bool made;
	int err;

	place(&both, ifindex, BPF_TC_INGRESS | BPF_TC_EGRESS);
	err = bpf_tc_hook_create(&both);
	made = !err;
	if (!err || err == -EEXIST)
		err = attach_filter(program, ifindex, egress);
	if (err && made)
		drop_clsact(ifindex);
	libbpf_set_print(printer);
	if (err)
		return err;
	*hook = (struct inlay_turn_hook){.link = -1,
					 .filter = true,
					 .egress = egress,
					 .made_clsact = made || beside->made_clsact,
					 .ifindex = ifindex};
	return 0;
}

int inlay_turn_hook_tc(struct inlay_turn_hook *hook, int program, __u32 ifindex, bool egress,
		       const struct inlay_turn_hook *beside)
{
	int err = inlay_turn_hook_tcx(hook, program, ifindex, egress);

	/* What a kernel says that does not know the attach type. */
	if (err == -EINVAL || err == -EOPNOTSUPP)
		err = inlay_turn_hook_filter(hook, program, ifindex, egress, beside);
	return err;
}

void inlay_turn_hook_drop(struct inlay_turn_hook *hook)
{
	libbpf_print_fn_t printer;

	if (hook->link >= 0)
		close(hook->link);
	if (hook->filter) {
		printer = inlay_turn_hush();
		(void)detach_filter(hook->ifindex, hook->egress);
		if (hook->made_clsact)
			drop_clsact(hook->ifindex);
		libbpf_set_print(printer);
	}
	*hook = INLAY_TURN_NO_HOOK;
}
