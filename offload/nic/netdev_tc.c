/* SPDX-License-Identifier: BSD-2-Clause */
/* eBPF filters at a device's ingress: cls_bpf, direct-action, under a clsact qdisc. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "netdev_impl.h"
#include "netlink.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

static struct nl_msg *tc_message(const struct inlay_dev *dev, int type, int flags, __u32 parent,
				 const struct inlay_dev_tc_place *place)
{
	struct tcmsg tc = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = dev->ifindex,
		.tcm_parent = parent,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (place) {
		tc.tcm_handle = place->handle;
		tc.tcm_info = TC_H_MAKE((__u32)place->priority << 16,
					htons(place->protocol ? place->protocol : ETH_P_ALL));
	} else {
		tc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
	}
	if (msg && (nlmsg_append(msg, &tc, sizeof(tc), NLMSG_ALIGNTO) ||
		    (place && place->chain && nla_put_u32(msg, TCA_CHAIN, place->chain)))) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* 0; -EEXIST; -errno. */
static int add_qdisc(const struct inlay_dev *dev)
{
	struct nl_msg *msg =
		tc_message(dev, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, TC_H_CLSACT, NULL);

	if (msg && nla_put_string(msg, TCA_KIND, "clsact")) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	return inlay_nl_ask(dev->nl, msg, NULL, NULL);
}

static int del_qdisc(const struct inlay_dev *dev)
{
	return inlay_nl_ask(dev->nl, tc_message(dev, RTM_DELQDISC, 0, TC_H_CLSACT, NULL), NULL,
			    NULL);
}

static int add_filter(const struct inlay_dev *dev, enum inlay_dev_tc mode, int fd,
		      const struct inlay_dev_tc_place *place, bool replace)
{
	static const __u32 mode_flags[] = {
		[INLAY_DEV_TC_DEVICE] = TCA_CLS_FLAGS_SKIP_SW,
		[INLAY_DEV_TC_HOST] = TCA_CLS_FLAGS_SKIP_HW,
	};
	struct nl_msg *msg = tc_message(dev, RTM_NEWTFILTER,
					replace ? 0 : NLM_F_CREATE | NLM_F_EXCL, INGRESS, place);
	__u32 flags = mode == INLAY_DEV_TC_BOTH ? 0 : mode_flags[mode];
	struct nlattr *nest;

	if (!msg)
		return -ENOMEM;
	if (nla_put_string(msg, TCA_KIND, "bpf"))
		goto full;
	nest = nla_nest_start(msg, TCA_OPTIONS);
	if (!nest || nla_put_u32(msg, TCA_BPF_FD, (__u32)fd) ||
	    nla_put_string(msg, TCA_BPF_NAME, "inlay") ||
	    nla_put_u32(msg, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) ||
	    (flags && nla_put_u32(msg, TCA_BPF_FLAGS_GEN, flags)))
		goto full;
	nla_nest_end(msg, nest);
	return inlay_nl_ask(dev->nl, msg, NULL, NULL);
full:
	nlmsg_free(msg);
	return -ENOMEM;
}

int inlay_dev_tc_attach(const struct inlay_dev *dev, enum inlay_dev_tc mode, int fd,
			const struct inlay_dev_tc_place *place, bool replace,
			struct inlay_dev_error *ret_error)
{
	int made = add_qdisc(dev), err;

	if (made && made != -EEXIST)
		return device_answer(ret_error, dev, STEP_TC, made, "making the tc ingress");
	err = device_answer(ret_error, dev, STEP_TC, add_filter(dev, mode, fd, place, replace),
			    mode == INLAY_DEV_TC_DEVICE
				    ? "attaching a tc filter on the device itself"
				    : "attaching a tc filter");
	if (err && !made)
		del_qdisc(dev);
	return err;
}

int inlay_dev_tc_detach(const struct inlay_dev *dev, const struct inlay_dev_tc_place *place,
			struct inlay_dev_error *ret_error)
{
	int err = inlay_nl_ask(dev->nl, tc_message(dev, RTM_DELTFILTER, 0, INGRESS, place), NULL,
			       NULL);

	return device_answer(ret_error, dev, STEP_TC, err, "detaching a tc filter");
}

int inlay_dev_tc_clear(const struct inlay_dev *dev, struct inlay_dev_error *ret_error)
{
	int err = del_qdisc(dev);

	/* The kernel's word for no such qdisc. */
	if (err == -EINVAL)
		err = -ENOENT;
	return device_answer(ret_error, dev, STEP_TC, err, "taking the tc ingress away");
}

bool inlay_dev_tc_has_qdisc(const struct inlay_dev *dev)
{
	return !inlay_nl_ask(dev->nl, tc_message(dev, RTM_GETQDISC, 0, TC_H_CLSACT, NULL), NULL,
			     NULL);
}

struct dump {
	struct inlay_dev_filter *filters;
	size_t room, n;
};

static void take_filter(void *user, struct nlmsghdr *header)
{
	struct nlattr *attrs[TCA_MAX + 1] = {0}, *bpf[TCA_BPF_MAX + 1] = {0};
	struct inlay_dev_filter filter = {0};
	struct dump *dump = user;
	const struct tcmsg *tc;
	__u32 flags = 0;

	if (header->nlmsg_type != RTM_NEWTFILTER ||
	    nlmsg_parse(header, sizeof(struct tcmsg), attrs, TCA_MAX, NULL))
		return;
	tc = nlmsg_data(header);
	/* Each priority is told of once by itself, without a filter. */
	if (!attrs[TCA_KIND] || !attrs[TCA_OPTIONS] || !tc->tcm_handle ||
	    nla_strcmp(attrs[TCA_KIND], "bpf") ||
	    nla_parse_nested(bpf, TCA_BPF_MAX, attrs[TCA_OPTIONS], NULL))
		return;
	filter.place.handle = tc->tcm_handle;
	filter.place.priority = (__u16)(TC_H_MAJ(tc->tcm_info) >> 16);
	filter.place.protocol = ntohs((__u16)TC_H_MIN(tc->tcm_info));
	if (attrs[TCA_CHAIN])
		filter.place.chain = nla_get_u32(attrs[TCA_CHAIN]);
	if (bpf[TCA_BPF_ID])
		filter.id = nla_get_u32(bpf[TCA_BPF_ID]);
	if (bpf[TCA_BPF_FLAGS_GEN])
		flags = nla_get_u32(bpf[TCA_BPF_FLAGS_GEN]);
	filter.skips_host = flags & TCA_CLS_FLAGS_SKIP_SW;
	filter.skips_device = flags & TCA_CLS_FLAGS_SKIP_HW;
	filter.on_device = flags & TCA_CLS_FLAGS_IN_HW;
	if (dump->n < dump->room)
		dump->filters[dump->n] = filter;
	dump->n++;
}

int inlay_dev_tc_query(const struct inlay_dev *dev, struct inlay_dev_filter *filters, size_t room,
		       size_t *ret_n, struct inlay_dev_error *ret_error)
{
	const struct inlay_dev_tc_place all = {0};
	struct dump dump = {.filters = filters, .room = room};
	int err = inlay_nl_ask(dev->nl, tc_message(dev, RTM_GETTFILTER, NLM_F_DUMP, INGRESS, &all),
			       take_filter, &dump);

	if (!err)
		*ret_n = dump.n;
	return device_answer(ret_error, dev, STEP_QUERY, err, "asking for tc filters");
}
