/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams waiting to be sent (RFC 9221), oldest first, bounded in bytes. */
#ifndef INLAY_QUIC_DATAGRAMS_H
#define INLAY_QUIC_DATAGRAMS_H

#include "inlay_types.h"
#include "list.h"

struct inlay_datagrams {
	struct inlay_list queue;
	__u64 bytes;
	__u64 max_bytes;
};

struct inlay_datagram {
	struct inlay_list node;
	size_t len;
	__u8 data[];
};

void inlay_datagrams_init(struct inlay_datagrams *q, __u64 max_bytes);
void inlay_datagrams_fini(struct inlay_datagrams *q);
/* 0; -ENOBUFS: full; -ENOMEM. */
int inlay_datagrams_push(struct inlay_datagrams *q, const __u8 *data, size_t len);
/* NULL: empty. */
const struct inlay_datagram *inlay_datagrams_first(const struct inlay_datagrams *q);
void inlay_datagrams_pop(struct inlay_datagrams *q);

#endif
