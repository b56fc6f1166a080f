/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the frames of a packet in a qlog: whatever a peer sends makes one record that fits,
 * that is JSON, and that no byte of the packet breaks out of.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_abi.h"
#include "qlog_file.h"
#include "qlog_frames.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	static char text[INLAY_QLOG_RECORD_MAX];
	json_t *frames, *again;
	size_t written;

	if (len < 1 || len > INLAY_FRAME_ROOM)
		return 0;
	frames = inlay_qlog_frames(inlay_cursor_of(data + 1, len - 1), data[0] % 21);
	if (!frames)
		abort();
	/* Less what stands around them. */
	written = json_dumpb(frames, text, sizeof(text) - 512, JSON_COMPACT);
	if (written == 0 || written > sizeof(text) - 512 || memchr(text, '\x1e', written) ||
	    memchr(text, '\n', written))
		abort();
	again = json_loadb(text, written, JSON_REJECT_DUPLICATES, NULL);
	if (!json_equal(frames, again))
		abort();
	json_decref(again);
	json_decref(frames);
	return 0;
}
