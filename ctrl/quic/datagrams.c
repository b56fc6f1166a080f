/* SPDX-License-Identifier: BSD-2-Clause */
#include "datagrams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void inlay_datagrams_init(struct inlay_datagrams *q, __u64 max_bytes)
{
	inlay_list_init(&q->queue);
	q->bytes = 0;
	q->max_bytes = max_bytes;
}

void inlay_datagrams_fini(struct inlay_datagrams *q)
{
	if (!q->queue.next)
		return;
	while (inlay_datagrams_first(q))
		inlay_datagrams_pop(q);
}

int inlay_datagrams_push(struct inlay_datagrams *q, const __u8 *data, size_t len)
{
	size_t cost = sizeof(struct inlay_datagram) + len;
	struct inlay_datagram *d;

	if (cost > q->max_bytes - q->bytes)
		return -ENOBUFS;
	d = malloc(cost);
	if (!d)
		return -ENOMEM;
	d->len = len;
	if (len > 0)
		memcpy(d->data, data, len);
	inlay_list_append(&q->queue, &d->node);
	q->bytes += cost;
	return 0;
}

const struct inlay_datagram *inlay_datagrams_first(const struct inlay_datagrams *q)
{
	if (inlay_list_is_empty(&q->queue))
		return NULL;
	return inlay_list_entry(q->queue.next, struct inlay_datagram, node);
}

void inlay_datagrams_pop(struct inlay_datagrams *q)
{
	struct inlay_datagram *d = inlay_list_entry(q->queue.next, struct inlay_datagram, node);

	inlay_list_remove(&d->node);
	q->bytes -= sizeof(*d) + d->len;
	free(d);
}
