/* SPDX-License-Identifier: BSD-2-Clause */
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Loading a program into a device may take its firmware seconds. */
#define TIMEOUT_S   20
#define ANSWERS_MAX 65536 /* messages read for one request */

struct inlay_nl {
	struct nl_sock *sock;
	char words[256];
	/* of the request under way */
	inlay_nl_answer *answer;
	void *user;
	__u32 sequence;
	int result;
	bool done;
};

int inlay_nl_new(int protocol, struct inlay_nl **ret_nl)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct inlay_nl *nl = calloc(1, sizeof(*nl));
	int one = 1, err = -ENOMEM;

	if (!nl)
		return -ENOMEM;
	nl->sock = nl_socket_alloc();
	if (!nl->sock)
		goto fail;
	errno = ECONNREFUSED;
	err = nl_connect(nl->sock, protocol) ? -errno : 0;
	if (err)
		goto fail;
	setsockopt(nl_socket_get_fd(nl->sock), SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	*ret_nl = nl;
	return 0;
fail:
	inlay_nl_free(nl);
	return err;
}

void inlay_nl_free(struct inlay_nl *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->sock);
	free(nl);
}

const char *inlay_nl_words(const struct inlay_nl *nl)
{
	return nl->words;
}

/* linux/netlink.h: they stand behind the error and, unless capped, the request it is about. */
static void keep_words(struct inlay_nl *nl, struct nlmsghdr *header)
{
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1] = {0};
	const struct nlmsgerr *error = nlmsg_data(header);
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
		snprintf(nl->words, sizeof(nl->words), "%.*s", nla_len(attrs[NLMSGERR_ATTR_MSG]),
			 nla_get_string(attrs[NLMSGERR_ATTR_MSG]));
}

static int on_message(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct inlay_nl *nl = arg;

	if (header->nlmsg_seq != nl->sequence)
		return NL_SKIP; /* of a request that timed out */
	if (header->nlmsg_type == NLMSG_ERROR) {
		if (nlmsg_datalen(header) >= (int)sizeof(struct nlmsgerr)) {
			nl->result = ((const struct nlmsgerr *)nlmsg_data(header))->error;
			keep_words(nl, header);
		}
		nl->done = true;
	} else if (header->nlmsg_type == NLMSG_DONE) {
		nl->done = true;
	} else if (nl->answer) {
		nl->answer(nl->user, header);
	}
	return NL_SKIP;
}

static int read_answers(struct inlay_nl *nl)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err = 0;

	if (!cb)
		return -ENOMEM;
	/* Every message, also errors and ends, goes through one callback. */
	nl_cb_set(cb, NL_CB_MSG_IN, NL_CB_CUSTOM, on_message, nl);
	nl->done = false;
	nl->result = 0;
	for (int i = 0; i < ANSWERS_MAX && !nl->done && !err; i++)
		err = nl_recvmsgs_report(nl->sock, cb) < 0 ? -ETIMEDOUT : 0;
	nl_cb_put(cb);
	if (!err && !nl->done)
		err = -ETIMEDOUT;
	return err ? err : nl->result;
}

int inlay_nl_ask(struct inlay_nl *nl, struct nl_msg *msg, inlay_nl_answer *answer, void *user)
{
	int err = -EIO;

	nl->words[0] = 0;
	if (!msg)
		return -ENOMEM;
	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	nl->answer = answer;
	nl->user = user;
	nl_complete_msg(nl->sock, msg);
	nl->sequence = nlmsg_hdr(msg)->nlmsg_seq;
	if (nl_send(nl->sock, msg) >= 0)
		err = read_answers(nl);
	nlmsg_free(msg);
	return err;
}
