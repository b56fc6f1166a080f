/* SPDX-License-Identifier: BSD-2-Clause */
#include "datagrams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void inlay_datagrams_init(struct inlay_datagrams *q, __u64 max_bytes)
{
	inlay_list_init(&q->queue);
	memset(q->pending, 0, sizeof(q->pending));
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

static struct inlay_datagram *of(struct inlay_list *node)
{
	return inlay_list_entry(node, struct inlay_datagram, node);
}

int inlay_datagrams_push(struct inlay_datagrams *q, const struct inlay_datagram_order *order,
			 const __u8 *data, size_t len)
{
	size_t cost = sizeof(struct inlay_datagram) + len;
	struct inlay_list *before = q->queue.prev;
	struct inlay_datagram *d;

	if (cost > q->max_bytes - q->bytes)
		return -ENOBUFS;
	d = malloc(cost);
	if (!d)
		return -ENOMEM;
	d->order = *order;
	d->len = len;
	if (len > 0)
		memcpy(d->data, data, len);
	/* From the end: mostly they come in order. */
	while (before != &q->queue && of(before)->order.priority > order->priority)
		before = before->prev;
	inlay_list_insert_before(before->next, &d->node);
	q->bytes += cost;
	q->pending[order->class] += len;
	return 0;
}

const struct inlay_datagram *inlay_datagrams_first(const struct inlay_datagrams *q)
{
	return inlay_list_is_empty(&q->queue) ? NULL : of(q->queue.next);
}

static void remove_one(struct inlay_datagrams *q, struct inlay_datagram *d)
{
	inlay_list_remove(&d->node);
	q->bytes -= sizeof(*d) + d->len;
	q->pending[d->order.class] -= d->len;
	free(d);
}

void inlay_datagrams_pop(struct inlay_datagrams *q)
{
	remove_one(q, of(q->queue.next));
}

size_t inlay_datagrams_queued(const struct inlay_datagrams *q, __u64 flow)
{
	struct inlay_list *node;
	size_t n = 0;

	inlay_list_for_each (node, &q->queue)
		n += of(node)->order.flow == flow;
	return n;
}

size_t inlay_datagrams_drop(struct inlay_datagrams *q, __u64 flow)
{
	struct inlay_list *node, *after;
	size_t n = 0;

	inlay_list_for_each_safe (node, after, &q->queue) {
		if (of(node)->order.flow != flow)
			continue;
		remove_one(q, of(node));
		n++;
	}
	return n;
}
