/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the frames of a packet. What parses is written again, and what was written parses to
 * the same; no frame reaches beyond the payload, or is empty.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_quic_write.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

/* Writes the ACK's ranges again. */
static bool put_ack(struct inlay_writer *w, const struct inlay_quic_ack *ack)
{
	static struct inlay_quic_range ranges[INLAY_QUIC_ACK_RANGES_MAX + 1];
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	size_t n = 0;

	while (inlay_quic_ack_next(&it, &ranges[n])) {
		if (ranges[n].begin >= ranges[n].end)
			abort();
		if (n > 0 && ranges[n].end >= ranges[n - 1].begin)
			abort();
		n++;
	}
	if (n != ack->range_count + 1 || ranges[0].end != ack->largest + 1)
		abort();
	if (n > INLAY_QUIC_ACK_RANGES_MAX) /* one more than is ever sent */
		return false;
	return inlay_quic_put_ack(w, ranges, n, ack->delay, ack->has_ecn ? &ack->ecn : NULL) == n;
}

static bool put(struct inlay_writer *w, const struct inlay_quic_frame *f)
{
	struct inlay_cid cid;

	switch (f->type) {
	case INLAY_QUIC_PADDING:
		return inlay_quic_put_padding(w, f->bytes.len);
	case INLAY_QUIC_PING:
		return inlay_quic_put_ping(w);
	case INLAY_QUIC_ACK:
		return put_ack(w, &f->ack);
	case INLAY_QUIC_RESET_STREAM:
		return inlay_quic_put_reset_stream(w, f->reset.id, f->reset.code,
						   f->reset.final_size);
	case INLAY_QUIC_RESET_STREAM_AT:
		return inlay_quic_put_reset_stream_at(w, f->reset.id, f->reset.code,
						      f->reset.final_size, f->reset.reliable);
	case INLAY_QUIC_STOP_SENDING:
		return inlay_quic_put_stop_sending(w, f->reset.id, f->reset.code);
	case INLAY_QUIC_CRYPTO:
		return inlay_quic_put_crypto(w, f->stream.offset, f->stream.data, f->stream.len);
	case INLAY_QUIC_NEW_TOKEN:
		return inlay_quic_put_new_token(w, f->bytes.data, f->bytes.len);
	case INLAY_QUIC_STREAM:
		return inlay_quic_put_stream(w, &f->stream);
	case INLAY_QUIC_MAX_DATA:
		return inlay_quic_put_max_data(w, f->limit.limit);
	case INLAY_QUIC_MAX_STREAM_DATA:
		return inlay_quic_put_max_stream_data(w, f->limit.id, f->limit.limit);
	case INLAY_QUIC_MAX_STREAMS:
		return inlay_quic_put_max_streams(w, f->limit.bidi, f->limit.limit);
	case INLAY_QUIC_DATA_BLOCKED:
		return inlay_quic_put_data_blocked(w, f->limit.limit);
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		return inlay_quic_put_stream_data_blocked(w, f->limit.id, f->limit.limit);
	case INLAY_QUIC_STREAMS_BLOCKED:
		return inlay_quic_put_streams_blocked(w, f->limit.bidi, f->limit.limit);
	case INLAY_QUIC_NEW_CONNECTION_ID:
		if (!inlay_cid_set(&cid, f->new_cid.cid, f->new_cid.cid_len))
			abort();
		return inlay_quic_put_new_connection_id(
			w, f->new_cid.sequence, f->new_cid.retire_prior_to, &cid, f->new_cid.token);
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		return inlay_quic_put_retire_connection_id(w, f->retire_sequence);
	case INLAY_QUIC_PATH_CHALLENGE:
		return inlay_quic_put_path_challenge(w, f->path_data);
	case INLAY_QUIC_PATH_RESPONSE:
		return inlay_quic_put_path_response(w, f->path_data);
	case INLAY_QUIC_CONNECTION_CLOSE:
		return inlay_quic_put_close(w, f->close.application, f->close.code,
					    f->close.frame_type, (const char *)f->close.reason,
					    f->close.reason_len);
	case INLAY_QUIC_HANDSHAKE_DONE:
		return inlay_quic_put_handshake_done(w);
	case INLAY_QUIC_IMMEDIATE_ACK:
		return inlay_quic_put_immediate_ack(w);
	case INLAY_QUIC_ACK_FREQUENCY:
		return inlay_quic_put_ack_frequency(w, &f->frequency);
	case INLAY_QUIC_DATAGRAM:
		return inlay_quic_put_datagram(w, f->bytes.data, f->bytes.len, f->bytes.has_len);
	}
	abort();
}

/* A shortest form parses, is written again as it is, and says the same. */
static void check_again(const struct inlay_quic_frame *f, size_t room)
{
	static __u8 first[INLAY_FRAME_MAX + 64], second[INLAY_FRAME_MAX + 64];
	struct inlay_writer w = inlay_writer_of(first, room), v;
	struct inlay_quic_frame again;
	struct inlay_cursor c;

	if (f->type == INLAY_QUIC_ACK && f->ack.range_count == INLAY_QUIC_ACK_RANGES_MAX)
		return;
	/* The shortest form is never longer than what came in. */
	if (!put(&w, f))
		abort();
	c = inlay_cursor_of(first, inlay_writer_len(&w));
	if (inlay_quic_frame_parse(&c, &again) != INLAY_QUIC_NO_ERROR ||
	    inlay_cursor_left(&c) != 0 || again.type != f->type)
		abort();
	v = inlay_writer_of(second, room);
	if (!put(&v, &again) || inlay_writer_len(&v) != inlay_writer_len(&w) ||
	    memcmp(first, second, inlay_writer_len(&w)))
		abort();
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_quic_frame f;
	const __u8 *start;

	if (len > INLAY_FRAME_MAX)
		return 0;
	while (inlay_cursor_left(&c) > 0) {
		start = c.pos;
		switch (inlay_quic_frame_parse(&c, &f)) {
		case INLAY_QUIC_NO_ERROR:
			break;
		case INLAY_QUIC_FRAME_ENCODING_ERROR:
		case INLAY_QUIC_PROTOCOL_VIOLATION:
			if (c.pos != start)
				abort();
			return 0;
		default:
			abort();
		}
		if (c.pos <= start || c.pos > c.end)
			abort();
		if (f.type == INLAY_QUIC_RESET_STREAM_AT && f.reset.reliable > f.reset.final_size)
			abort();
		check_again(&f, (size_t)(c.pos - start));
	}
	return 0;
}
