/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams waiting to be sent (RFC 9221), by priority and then by age, bounded in bytes. */
#ifndef INLAY_QUIC_DATAGRAMS_H
#define INLAY_QUIC_DATAGRAMS_H

#include "conn.h"
#include "list.h"

struct inlay_datagrams {
	struct inlay_list queue;
	__u64 bytes;
	__u64 max_bytes;
	__u64 pending[INLAY_CLASSES]; /* bytes of datagrams, by class */
};

struct inlay_datagram {
	struct inlay_list node;
	struct inlay_datagram_order order;
	size_t len;
	__u8 data[];
};

void inlay_datagrams_init(struct inlay_datagrams *q, __u64 max_bytes);
void inlay_datagrams_fini(struct inlay_datagrams *q);
/* 0; -ENOBUFS: full; -ENOMEM. */
int inlay_datagrams_push(struct inlay_datagrams *q, const struct inlay_datagram_order *order,
			 const __u8 *data, size_t len);
/* NULL: empty. */
const struct inlay_datagram *inlay_datagrams_first(const struct inlay_datagrams *q);
void inlay_datagrams_pop(struct inlay_datagrams *q);
/* Of one flow: how many there are; removes them, and returns how many there were. */
size_t inlay_datagrams_queued(const struct inlay_datagrams *q, __u64 flow);
size_t inlay_datagrams_drop(struct inlay_datagrams *q, __u64 flow);

#endif
