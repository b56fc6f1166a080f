/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_features.h"

#include "netdev_family.h"

struct question {
	void (*each)(void *user, __u32 ifindex, __u64 features);
	void *user;
};

static int put_dump(struct nl_msg *msg, void *user)
{
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP;
	return 0;
}

static void on_device(void *user, const struct nlattr *attrs, int len)
{
	static const struct nla_policy policy[INLAY_NETDEV_XDP_FEATURES + 1] = {
		[INLAY_NETDEV_IFINDEX] = {.type = NLA_U32},
		[INLAY_NETDEV_XDP_FEATURES] = {.type = NLA_U64},
	};
	const struct question *question = user;
	struct nlattr *a[INLAY_NETDEV_XDP_FEATURES + 1];

	if (!nla_parse(a, INLAY_NETDEV_XDP_FEATURES, (struct nlattr *)attrs, len, policy) &&
	    a[INLAY_NETDEV_IFINDEX] && a[INLAY_NETDEV_XDP_FEATURES])
		question->each(question->user, nla_get_u32(a[INLAY_NETDEV_IFINDEX]),
			       nla_get_u64(a[INLAY_NETDEV_XDP_FEATURES]));
}

int inlay_turn_xdp_features(struct inlay_genl *genl,
			    void (*each)(void *user, __u32 ifindex, __u64 features), void *user)
{
	struct question question = {each, user};

	return inlay_genl_ask(genl, INLAY_NETDEV_FAMILY, INLAY_NETDEV_DEV_GET, put_dump, on_device,
			      &question);
}
