/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes gathered until a message or a header is whole: see session_impl.h. */
#include "session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int inlay_moq_buffer_append(struct inlay_moq_buffer *b, const __u8 *data, size_t len)
{
	if (len > b->room - b->len) {
		size_t room = b->room == 0 ? 64 : b->room;
		void *bigger;

		while (room - b->len < len)
			room *= 2;
		bigger = realloc(b->data, room);
		if (bigger == NULL)
			return -ENOMEM;
		*b->account += room - b->room;
		b->data = bigger;
		b->room = room;
	}
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void inlay_moq_buffer_fini(struct inlay_moq_buffer *b)
{
	if (b->data != NULL)
		*b->account -= b->room;
	free(b->data);
	b->data = NULL;
	b->len = b->room = 0;
}

struct inlay_moq_buffer inlay_moq_buffer_take(struct inlay_moq_buffer *b)
{
	struct inlay_moq_buffer taken = *b;

	b->data = NULL;
	b->len = b->room = 0;
	return taken;
}
