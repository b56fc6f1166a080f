/* SPDX-License-Identifier: BSD-2-Clause */
#include "send_buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256

struct inlay_send_buffer {
	struct inlay_budget *budget;
	__u8 *data;
	__u64 base;   /* stream offset of data[start] */
	size_t start; /* dead bytes in front */
	size_t len;   /* live bytes */
	size_t room;
};

struct inlay_send_buffer *inlay_send_buffer_new(struct inlay_budget *budget)
{
	struct inlay_send_buffer *b = calloc(1, sizeof(*b));

	if (b)
		b->budget = budget;
	return b;
}

size_t inlay_send_buffer_len(const struct inlay_send_buffer *b)
{
	return b->len;
}

static int make_room(struct inlay_send_buffer *b, size_t len)
{
	size_t room = b->room ? b->room : FIRST_ROOM;
	void *p;

	if (b->start + b->len + len <= b->room)
		return 0;
	if (b->start > 0) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
	}
	while (room < b->len + len)
		room *= 2;
	if (room == b->room)
		return 0;
	p = realloc(b->data, room);
	if (!p)
		return -ENOMEM;
	b->data = p;
	b->room = room;
	return 0;
}

int inlay_send_buffer_write(struct inlay_send_buffer *b, const __u8 *data, size_t len)
{
	int err;

	if (len == 0)
		return 0;
	if (!inlay_budget_take(b->budget, len))
		return -ENOMEM;
	err = make_room(b, len);
	if (err) {
		inlay_budget_give(b->budget, len);
		return err;
	}
	memcpy(b->data + b->start + b->len, data, len);
	b->len += len;
	return 0;
}

static int on_read(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	struct inlay_send_buffer *b = ctx;

	if (offset < b->base || offset - b->base > b->len || len > b->len - (offset - b->base))
		return -ENODATA;
	memcpy(dst, b->data + b->start + (offset - b->base), len);
	return 0;
}

static void on_acked(void *ctx, __u64 offset)
{
	struct inlay_send_buffer *b = ctx;
	size_t gone;

	if (offset <= b->base)
		return;
	gone = offset - b->base < b->len ? (size_t)(offset - b->base) : b->len;
	b->base += gone;
	b->start += gone;
	b->len -= gone;
	inlay_budget_give(b->budget, gone);
	if (b->len > 0)
		return;
	/* An idle stream, such as a control stream, holds nothing. */
	free(b->data);
	b->data = NULL;
	b->start = 0;
	b->room = 0;
}

static void on_release(void *ctx)
{
	struct inlay_send_buffer *b = ctx;

	inlay_budget_give(b->budget, b->len);
	free(b->data);
	free(b);
}

const struct inlay_stream_source inlay_send_buffer_source = {
	.read = on_read,
	.acked = on_acked,
	.release = on_release,
};
