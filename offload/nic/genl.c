/* SPDX-License-Identifier: BSD-2-Clause */
/* Generic netlink: families have names, and numbers that the kernel gives out. */
#include <errno.h>
#include <linux/genetlink.h>
#include <netlink/genl/genl.h>
#include <stdlib.h>

#include "genl.h"
#include "netlink.h"

struct inlay_genl {
	struct inlay_nl *nl;
	/* of the request under way */
	inlay_genl_answer *answer;
	void *user;
};

int inlay_genl_new(struct inlay_genl **ret_genl)
{
	struct inlay_genl *genl = calloc(1, sizeof(*genl));
	int err;

	if (!genl)
		return -ENOMEM;
	err = inlay_nl_new(NETLINK_GENERIC, &genl->nl);
	if (err) {
		free(genl);
		return err;
	}
	*ret_genl = genl;
	return 0;
}

void inlay_genl_free(struct inlay_genl *genl)
{
	if (!genl)
		return;
	inlay_nl_free(genl->nl);
	free(genl);
}

const char *inlay_genl_words(const struct inlay_genl *genl)
{
	return inlay_nl_words(genl->nl);
}

static void on_answer(void *user, struct nlmsghdr *header)
{
	struct inlay_genl *genl = user;
	struct genlmsghdr *inner;

	if (!genlmsg_valid_hdr(header, 0))
		return;
	inner = genlmsg_hdr(header);
	genl->answer(genl->user, genlmsg_attrdata(inner, 0), genlmsg_attrlen(inner, 0));
}

static int ask(struct inlay_genl *genl, int family, __u8 command,
	       int (*put)(struct nl_msg *msg, void *put_user), void *put_user,
	       inlay_genl_answer *answer, void *user)
{
	struct nl_msg *msg = nlmsg_alloc();
	int err = -ENOMEM;

	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, 0, command, 1))
		err = put(msg, put_user);
	if (err < 0) {
		nlmsg_free(msg);
		return err;
	}
	genl->answer = answer;
	genl->user = user;
	return inlay_nl_ask(genl->nl, msg, on_answer, genl);
}

static int put_family_name(struct nl_msg *msg, void *name)
{
	return nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name) ? -ENOBUFS : 0;
}

static void read_family(void *ret_family, const struct nlattr *attrs, int len)
{
	struct nlattr *a = nla_find((struct nlattr *)attrs, len, CTRL_ATTR_FAMILY_ID);

	if (a && nla_len(a) == 2)
		*(int *)ret_family = nla_get_u16(a);
}

int inlay_genl_ask(struct inlay_genl *genl, const char *family, __u8 command,
		   int (*put)(struct nl_msg *msg, void *user), inlay_genl_answer *answer,
		   void *user)
{
	int err, number = 0;

	err = ask(genl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, put_family_name, (void *)family,
		  read_family, &number);
	if (err)
		return err;
	if (!number)
		return -ENOENT;
	return ask(genl, number, command, put, user, answer, user);
}
