/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Netlink through libnl-3: one request, its answers, and the kernel's own words where it refuses
 * (extended acknowledgements, which libnl leaves unread). A request is bounded in time.
 */
#ifndef INLAY_OFFLOAD_NIC_NETLINK_H
#define INLAY_OFFLOAD_NIC_NETLINK_H

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "inlay_types.h"

struct inlay_nl;

/* |protocol|: NETLINK_ROUTE, ... in the caller's network namespace. 0; -ENOMEM; what socket() said.
 */
int inlay_nl_new(int protocol, struct inlay_nl **ret_nl);
/* Takes NULL. */
void inlay_nl_free(struct inlay_nl *nl);

/* Called for each answer; |header| ends with the call. */
typedef void inlay_nl_answer(void *user, struct nlmsghdr *header);

/*
 * Sends |msg|, which it frees (NULL: -ENOMEM), and reads to the end of the answers; |answer| may be
 * NULL. 0; -ETIMEDOUT; -EIO; what the kernel answered.
 */
int inlay_nl_ask(struct inlay_nl *nl, struct nl_msg *msg, inlay_nl_answer *answer, void *user);
/* The kernel's words for the last request, of which also a success may have some. "": none. */
const char *inlay_nl_words(const struct inlay_nl *nl);

#endif
