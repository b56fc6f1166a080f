/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A strict receiver's count of what its peer may send (RFC 9000 section 4, RFC 9221 section 3):
 * from the limits that were granted and the frames that came, and from nothing that either engine
 * says. One account is kept where the frames leave, of what the sender has been told; and one where
 * they arrive, of what the receiver has granted.
 */
#include <stdlib.h>
#include <string.h>

#include "conn_internal.h"
#include "sim.h"

struct stream {
	__u64 limit, highest;
};

void sim_limits_init(struct sim_limits *l, const struct inlay_transport_params *granted,
		     bool server_sends)
{
	*l = (struct sim_limits){
		.data = granted->initial_max_data,
		.streams = {granted->initial_max_streams_bidi, granted->initial_max_streams_uni},
		.initial_uni = granted->initial_max_stream_data_uni,
		/* As the receiver sees it: of streams that it opened, and that the sender did. */
		.initial_bidi = {granted->initial_max_stream_data_bidi_local,
				 granted->initial_max_stream_data_bidi_remote},
		.datagram = granted->max_datagram_frame_size,
		.packet = granted->max_udp_payload_size,
		.server_sends = server_sends,
	};
}

void sim_limits_fini(struct sim_limits *l)
{
	for (size_t i = 0; i < l->by_id.size; i++)
		free(l->by_id.slots[i].value);
	inlay_map_fini(&l->by_id);
}

static bool is_senders(const struct sim_limits *l, __u64 id)
{
	return (id & 1) == l->server_sends;
}

static struct stream *stream_of(struct sim_limits *l, __u64 id)
{
	struct stream *st = inlay_map_get(&l->by_id, id);

	if (st)
		return st;
	st = calloc(1, sizeof(*st));
	if (!st || inlay_map_set(&l->by_id, id, st))
		abort();
	st->limit = id & 2 ? l->initial_uni : l->initial_bidi[is_senders(l, id)];
	return st;
}

__u64 sim_limits_highest(struct sim_limits *l, __u64 id)
{
	const struct stream *st = inlay_map_get(&l->by_id, id);

	return st ? st->highest : 0;
}

void sim_limits_grant(struct sim_limits *l, const struct inlay_quic_frame *f)
{
	struct stream *st;
	__u64 *limit;

	if (f->type == INLAY_QUIC_MAX_DATA)
		limit = &l->data;
	else if (f->type == INLAY_QUIC_MAX_STREAMS)
		limit = &l->streams[!f->limit.bidi];
	else if (f->type == INLAY_QUIC_MAX_STREAM_DATA && (st = stream_of(l, f->limit.id)))
		limit = &st->limit;
	else
		return;
	if (f->limit.limit > *limit)
		*limit = f->limit.limit;
}

/* What is wrong; NULL: nothing. */
static const char *charge_stream(struct sim_limits *l, __u64 id, __u64 end)
{
	struct stream *st;

	if (is_senders(l, id) && id >> 2 >= l->streams[(id & 2) != 0])
		return "MAX_STREAMS";
	st = stream_of(l, id);
	if (end > st->highest) {
		l->used += end - st->highest;
		st->highest = end;
	}
	if (st->highest > st->limit)
		return "MAX_STREAM_DATA";
	return l->used > l->data ? "MAX_DATA" : NULL;
}

const char *sim_limits_charge(struct sim_limits *l, const struct inlay_quic_frame *f,
			      size_t frame_len)
{
	switch (f->type) {
	case INLAY_QUIC_STREAM:
		return charge_stream(l, f->stream.id, f->stream.offset + f->stream.len);
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
		return charge_stream(l, f->reset.id, f->reset.final_size);
	case INLAY_QUIC_DATAGRAM:
		return frame_len > l->datagram ? "max_datagram_frame_size" : NULL;
	default:
		return NULL;
	}
}
