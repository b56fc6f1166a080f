/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Generic netlink, as far as asking a device goes: one request, its answers, and the kernel's own
 * words where it refuses. A request is bounded in time: a driver that hangs fails it.
 */
#ifndef INLAY_OFFLOAD_NIC_GENL_H
#define INLAY_OFFLOAD_NIC_GENL_H

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "inlay_types.h"

struct inlay_genl;

/* In the network namespace of the caller. 0; -ENOMEM; what socket() returned. */
int inlay_genl_new(struct inlay_genl **ret_genl);
/* Takes NULL. */
void inlay_genl_free(struct inlay_genl *genl);

/* Called for each answer with the attributes behind its header; they end with the call. */
typedef void inlay_genl_answer(void *user, const struct nlattr *attrs, int len);

/*
 * A request of |command| to |family|, whose attributes |put| appends (a negative return ends it).
 * 0; -ENOENT: the kernel has no such family; -ETIMEDOUT; what the kernel answered: its words, if
 * any, in inlay_genl_words() until the next request.
 */
int inlay_genl_ask(struct inlay_genl *genl, const char *family, __u8 command,
		   int (*put)(struct nl_msg *msg, void *user), inlay_genl_answer *answer,
		   void *user);
/* "": it said nothing. */
const char *inlay_genl_words(const struct inlay_genl *genl);

#endif
