/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as control messages, in every context. What parses is written, parsed and written
 * again, and both writings are the same; what does not has a code to close the session with.
 */
#include <stdlib.h>
#include <string.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static const __u64 requests[] = {
	0,
	INLAY_MOQ_MSG_SUBSCRIBE,
	INLAY_MOQ_MSG_PUBLISH,
	INLAY_MOQ_MSG_FETCH,
	INLAY_MOQ_MSG_TRACK_STATUS,
	INLAY_MOQ_MSG_PUBLISH_NAMESPACE,
	INLAY_MOQ_MSG_SUBSCRIBE_NAMESPACE,
	INLAY_MOQ_MSG_SUBSCRIBE_TRACKS,
};

static void check(const struct inlay_moq_message_context *context, __u64 type,
		  struct inlay_cursor payload)
{
	static __u8 first[INLAY_MOQ_MESSAGE_MAX], second[INLAY_MOQ_MESSAGE_MAX];
	static struct inlay_moq_message m, again;
	struct inlay_writer w = inlay_writer_of(first, sizeof(first));
	struct inlay_writer v = inlay_writer_of(second, sizeof(second));
	struct inlay_cursor c;
	__u64 error = 0, type_again;

	if (inlay_moq18_message_parse(context, type, payload, &m, &error)) {
		if (error == INLAY_MOQ_SESSION_NO_ERROR)
			abort();
		return;
	}
	if (inlay_moq18_message_put(&w, &m))
		abort();
	c = inlay_cursor_of(first, inlay_writer_len(&w));
	if (inlay_moq18_message_frame(&c, &type_again, &payload) != INLAY_MOQ_OK ||
	    inlay_cursor_left(&c) > 0 || type_again != m.type)
		abort();
	if (inlay_moq18_message_parse(context, type_again, payload, &again, &error) ||
	    inlay_moq18_message_put(&v, &again))
		abort();
	if (inlay_writer_len(&w) != inlay_writer_len(&v) ||
	    memcmp(first, second, inlay_writer_len(&w)))
		abort();
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct inlay_moq_message_context context;
	struct inlay_cursor c = inlay_cursor_of(data, len), payload;
	__u64 type;
	size_t i;

	while (inlay_moq18_message_frame(&c, &type, &payload) == INLAY_MOQ_OK) {
		for (i = 0; i < 8 * INLAY_ARRAY_SIZE(requests); i++) {
			context = (struct inlay_moq_message_context){
				.from_client = i & 1,
				.control = i & 2,
				.answers_update = i & 4,
				.webtransport = (i & 6) == 6,
				.request = requests[i / 8],
			};
			check(&context, type, payload);
		}
	}
	return 0;
}
