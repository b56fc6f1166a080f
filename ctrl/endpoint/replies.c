/* SPDX-License-Identifier: BSD-2-Clause */
#include "replies.h"

#include <string.h>

struct inlay_reply *inlay_replies_reserve(struct inlay_replies *r, const struct inlay_frame *frame)
{
	struct inlay_reply *reply;

	if (r->n == INLAY_REPLIES)
		return NULL;
	reply = &r->queue[(r->first + r->n) % INLAY_REPLIES];
	reply->path = frame->path;
	reply->port = frame->port;
	reply->kind = INLAY_FRAME_SEALED;
	reply->len = 0;
	return reply;
}

void inlay_replies_commit(struct inlay_replies *r)
{
	r->n++;
}

bool inlay_replies_pop(struct inlay_replies *r, struct inlay_frame *ret_frame)
{
	const struct inlay_reply *reply = &r->queue[r->first];

	if (!r->n)
		return false;
	memset(ret_frame, 0, offsetof(struct inlay_frame, data));
	ret_frame->len = reply->len;
	ret_frame->kind = reply->kind;
	ret_frame->port = reply->port;
	ret_frame->path = reply->path;
	memcpy(ret_frame->data, reply->data, reply->len);
	r->first = (r->first + 1) % INLAY_REPLIES;
	r->n--;
	return true;
}

void inlay_bucket_init(struct inlay_bucket *b, __u32 per_second, inlay_ns now)
{
	b->per_second = per_second;
	b->credit = INLAY_S;
	b->last = now;
}

bool inlay_bucket_take(struct inlay_bucket *b, inlay_ns now)
{
	inlay_ns since = now > b->last ? now - b->last : 0;
	inlay_ns cost;

	if (!b->per_second)
		return false;
	cost = INLAY_S / b->per_second;
	b->credit = since > INLAY_S - b->credit ? INLAY_S : b->credit + since;
	if (now > b->last)
		b->last = now;
	if (b->credit < cost)
		return false;
	b->credit -= cost;
	return true;
}
