/* SPDX-License-Identifier: BSD-2-Clause */
/* See xdp_features.h. */
#include "xdp_features.h"

#include <errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

int inlay_turn_asker_init(struct inlay_turn_asker *asker)
{
	*asker = (struct inlay_turn_asker){.sock = nl_socket_alloc()};
	if (!asker->sock)
		return -ENOMEM;
	if (!genl_connect(asker->sock))
		asker->family = genl_ctrl_resolve(asker->sock, INLAY_NETDEV_FAMILY);
	if (asker->family > 0)
		return 0;
	inlay_turn_asker_fini(asker);
	return -EPROTONOSUPPORT;
}

void inlay_turn_asker_fini(struct inlay_turn_asker *asker)
{
	nl_socket_free(asker->sock);
	*asker = (struct inlay_turn_asker){0};
}

struct question {
	void (*each)(void *user, __u32 ifindex, __u64 features);
	void *user;
};

static int on_device(struct nl_msg *msg, void *arg)
{
	static struct nla_policy policy[INLAY_NETDEV_XDP_FEATURES + 1] = {
		[INLAY_NETDEV_IFINDEX] = {.type = NLA_U32},
		[INLAY_NETDEV_XDP_FEATURES] = {.type = NLA_U64},
	};
	const struct question *question = arg;
	struct nlattr *attrs[INLAY_NETDEV_XDP_FEATURES + 1];

	if (!genlmsg_parse(nlmsg_hdr(msg), 0, attrs, INLAY_NETDEV_XDP_FEATURES, policy) &&
	    attrs[INLAY_NETDEV_IFINDEX] && attrs[INLAY_NETDEV_XDP_FEATURES])
		question->each(question->user, nla_get_u32(attrs[INLAY_NETDEV_IFINDEX]),
			       nla_get_u64(attrs[INLAY_NETDEV_XDP_FEATURES]));
	return NL_OK;
}

int inlay_turn_asker_ask(struct inlay_turn_asker *asker,
			 void (*each)(void *user, __u32 ifindex, __u64 features), void *user)
{
	struct question question = {each, user};

	if (!asker->family)
		return -EIO;
	nl_socket_modify_cb(asker->sock, NL_CB_VALID, NL_CB_CUSTOM, on_device, &question);
	if (genl_send_simple(asker->sock, asker->family, INLAY_NETDEV_DEV_GET, 1, NLM_F_DUMP) >=
		    0 &&
	    nl_recvmsgs_default(asker->sock) >= 0)
		return 0;
	/* What is left of an answer would be taken for the next one. */
	inlay_turn_asker_fini(asker);
	(void)inlay_turn_asker_init(asker);
	return -EIO;
}
