/* SPDX-License-Identifier: BSD-2-Clause */
/* Generic netlink through libnl-3. Extended acknowledgements are read here: libnl leaves them. */
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "genl.h"

#define TIMEOUT_S   3
#define ANSWERS_MAX 4096 /* messages read for one request */

struct inlay_genl {
	struct nl_sock *sock;
	char words[160];
	/* of the request under way */
	inlay_genl_answer *answer;
	void *user;
	int result;
	bool done;
};

int inlay_genl_new(struct inlay_genl **ret_genl)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct inlay_genl *genl = calloc(1, sizeof(*genl));
	int one = 1, ret = -ENOMEM;

	if (!genl)
		return -ENOMEM;
	genl->sock = nl_socket_alloc();
	if (!genl->sock)
		goto fail;
	ret = -ECONNREFUSED;
	if (genl_connect(genl->sock))
		goto fail;
	nl_socket_disable_auto_ack(genl->sock);
	setsockopt(nl_socket_get_fd(genl->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(genl->sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	*ret_genl = genl;
	return 0;
fail:
	inlay_genl_free(genl);
	return ret;
}

void inlay_genl_free(struct inlay_genl *genl)
{
	if (!genl)
		return;
	nl_socket_free(genl->sock);
	free(genl);
}

const char *inlay_genl_words(const struct inlay_genl *genl)
{
	return genl->words;
}

/* linux/netlink.h: they stand behind the error and, unless capped, the request that it is about. */
static void keep_words(struct inlay_genl *genl, const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = nlmsg_data(header);
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1];
	int at = (int)sizeof(*error), len = nlmsg_datalen(header);

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(header->nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof(error->msg))
		at += (int)NLMSG_ALIGN(error->msg.nlmsg_len - sizeof(error->msg));
	if (at >= len ||
	    nla_parse(attrs, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)nlmsg_data(header) + at),
		      len - at, NULL))
		return;
	if (attrs[NLMSGERR_ATTR_MSG])
		snprintf(genl->words, sizeof(genl->words), "%.*s",
			 nla_len(attrs[NLMSGERR_ATTR_MSG]),
			 nla_get_string(attrs[NLMSGERR_ATTR_MSG]));
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct inlay_genl *genl = arg;
	const struct nlmsghdr *header = nlmsg_hdr(msg);

	if (header->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(header) >= (int)sizeof(struct nlmsgerr)) {
			genl->result = ((const struct nlmsgerr *)nlmsg_data(header))->error;
			keep_words(genl, header);
		}
		genl->done = true;
	} else if (header->nlmsg_type == NLMSG_DONE) {
		genl->done = true;
	} else if (genlmsg_valid_hdr(nlmsg_hdr(msg), 0)) {
		struct genlmsghdr *inner = genlmsg_hdr(nlmsg_hdr(msg));

		genl->answer(genl->user, genlmsg_attrdata(inner, 0), genlmsg_attrlen(inner, 0));
	}
	return NL_SKIP;
}

static int read_answers(struct inlay_genl *genl)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = 0;

	if (!cb)
		return -ENOMEM;
	/* Every message, also errors and ends, goes through one callback. */
	nl_cb_set(cb, NL_CB_MSG_IN, NL_CB_CUSTOM, on_message, genl);
	genl->done = false;
	genl->result = 0;
	for (int i = 0; i < ANSWERS_MAX && !genl->done && !ret; i++)
		ret = nl_recvmsgs_report(genl->sock, cb) < 0 ? -ETIMEDOUT : 0;
	nl_cb_put(cb);
	if (!ret && !genl->done)
		ret = -ETIMEDOUT;
	return ret ? ret : genl->result;
}

int inlay_genl_ask(struct inlay_genl *genl, const char *family, __u8 command,
		   int (*put)(struct nl_msg *msg, void *user), inlay_genl_answer *answer,
		   void *user)
{
	int id, ret = -ENOMEM;
	struct nl_msg *msg;

	genl->words[0] = 0;
	id = genl_ctrl_resolve(genl->sock, family);
	if (id < 0)
		return -ENOENT;
	msg = nlmsg_alloc();
	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, id, 0, NLM_F_REQUEST | NLM_F_ACK,
				 command, 1))
		goto out;
	ret = put(msg, user);
	if (ret < 0)
		goto out;
	genl->answer = answer;
	genl->user = user;
	ret = nl_send_auto(genl->sock, msg) < 0 ? -EIO : read_answers(genl);
out:
	nlmsg_free(msg);
	return ret;
}
