/* SPDX-License-Identifier: BSD-2-Clause */
#include "qlog_frames.h"

#include <stdio.h>

#define RANGES_MAX 64 /* of one ACK */
#define TEXT_MAX   256

json_t *inlay_qlog_text(const void *text, size_t len)
{
	const char *from = text;
	char clean[TEXT_MAX];
	size_t i;

	for (i = 0; i < len && i < sizeof(clean); i++)
		clean[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	return json_stringn(clean, i);
}

json_t *inlay_qlog_hex(const __u8 *data, size_t len)
{
	char text[2 * INLAY_CID_MAX + 1] = "";

	for (size_t i = 0; i < len && i < INLAY_CID_MAX; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	return json_string(text);
}

const char *inlay_qlog_transport_error(__u64 code, char buffer[24])
{
	static const char *const names[] = {
		"no_error",
		"internal_error",
		"connection_refused",
		"flow_control_error",
		"stream_limit_error",
		"stream_state_error",
		"final_size_error",
		"frame_encoding_error",
		"transport_parameter_error",
		"connection_id_limit_error",
		"protocol_violation",
		"invalid_token",
		"application_error",
		"crypto_buffer_exceeded",
		"key_update_error",
		"aead_limit_reached",
		"no_viable_path",
	};

	if (code < INLAY_ARRAY_SIZE(names))
		return names[code];
	if (code < INLAY_QUIC_CRYPTO_ERROR || code > INLAY_QUIC_CRYPTO_ERROR + 0xff)
		return "unknown";
	snprintf(buffer, 24, "crypto_error_0x%llx", (unsigned long long)code);
	return buffer;
}

static void set(json_t *o, const char *name, __u64 value)
{
	json_object_set_new(o, name, inlay_qlog_number(value));
}

static void set_text(json_t *o, const char *name, const char *text)
{
	json_object_set_new(o, name, json_string(text));
}

/* The draft wants the value of a frame's length field as raw.length. */
static void set_length(json_t *o, __u64 len)
{
	json_t *raw = json_object();

	set(raw, "length", len);
	set(raw, "payload_length", len);
	json_object_set_new(o, "raw", raw);
}

/* --- Each kind of frame ----------------------------------------------------------------------- */

static void put_ack(json_t *o, const struct inlay_quic_ack *ack, __u8 exponent)
{
	struct inlay_quic_ack_iter it = inlay_quic_ack_iter_of(ack);
	json_t *ranges = json_array();
	struct inlay_quic_range r;

	if (ack->delay < 1ULL << 40)
		json_object_set_new(o, "ack_delay",
				    json_real((double)(ack->delay << exponent) / 1000));
	for (int i = 0; i < RANGES_MAX && inlay_quic_ack_next(&it, &r); i++) {
		json_t *range = json_array();

		json_array_append_new(range, inlay_qlog_number(r.begin));
		if (r.end - 1 > r.begin)
			json_array_append_new(range, inlay_qlog_number(r.end - 1));
		json_array_append_new(ranges, range);
	}
	json_object_set_new(o, "acked_ranges", ranges);
	if (!ack->has_ecn)
		return;
	set(o, "ect0", ack->ecn.ect0);
	set(o, "ect1", ack->ecn.ect1);
	set(o, "ce", ack->ecn.ce);
}

static void put_stream(json_t *o, const struct inlay_quic_stream *f)
{
	set(o, "stream_id", f->id);
	set(o, "offset", f->offset);
	if (f->fin)
		json_object_set_new(o, "fin", json_true());
	set_length(o, f->len);
}

static void put_reset(json_t *o, const struct inlay_quic_frame *f)
{
	set(o, "stream_id", f->reset.id);
	set_text(o, "error", "unknown"); /* MoQ's codes have no names in qlog */
	set(o, "error_code", f->reset.code);
	if (f->type != INLAY_QUIC_STOP_SENDING)
		set(o, "final_size", f->reset.final_size);
	if (f->type == INLAY_QUIC_RESET_STREAM_AT)
		set(o, "reliable_size", f->reset.reliable);
}

static void put_new_cid(json_t *o, const struct inlay_quic_new_cid *f)
{
	set(o, "sequence_number", f->sequence);
	set(o, "retire_prior_to", f->retire_prior_to);
	set(o, "connection_id_length", f->cid_len);
	json_object_set_new(o, "connection_id", inlay_qlog_hex(f->cid, f->cid_len));
}

static void put_close(json_t *o, const struct inlay_quic_close *f)
{
	const char *error = "unknown";
	char buffer[24];

	if (!f->application)
		error = inlay_qlog_transport_error(f->code, buffer);
	set_text(o, "error_space", f->application ? "application" : "transport");
	set_text(o, "error", error);
	set(o, "error_code", f->code);
	json_object_set_new(o, "reason", inlay_qlog_text(f->reason, f->reason_len));
	if (!f->application)
		set(o, "trigger_frame_type", f->frame_type);
}

static void put_frequency(json_t *o, const struct inlay_quic_ack_frequency *f)
{
	set(o, "sequence_number", f->sequence);
	set(o, "ack_eliciting_threshold", f->threshold);
	set(o, "requested_max_ack_delay", f->max_delay_us);
	set(o, "reordering_threshold", f->reordering);
}

static const char *name_of(enum inlay_quic_frame_type type)
{
	switch (type) {
	case INLAY_QUIC_PADDING:
		return "padding";
	case INLAY_QUIC_PING:
		return "ping";
	case INLAY_QUIC_ACK:
		return "ack";
	case INLAY_QUIC_RESET_STREAM:
		return "reset_stream";
	case INLAY_QUIC_RESET_STREAM_AT:
		return "reset_stream_at";
	case INLAY_QUIC_STOP_SENDING:
		return "stop_sending";
	case INLAY_QUIC_CRYPTO:
		return "crypto";
	case INLAY_QUIC_NEW_TOKEN:
		return "new_token";
	case INLAY_QUIC_STREAM:
		return "stream";
	case INLAY_QUIC_MAX_DATA:
		return "max_data";
	case INLAY_QUIC_MAX_STREAM_DATA:
		return "max_stream_data";
	case INLAY_QUIC_MAX_STREAMS:
		return "max_streams";
	case INLAY_QUIC_DATA_BLOCKED:
		return "data_blocked";
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
		return "stream_data_blocked";
	case INLAY_QUIC_STREAMS_BLOCKED:
		return "streams_blocked";
	case INLAY_QUIC_NEW_CONNECTION_ID:
		return "new_connection_id";
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		return "retire_connection_id";
	case INLAY_QUIC_PATH_CHALLENGE:
		return "path_challenge";
	case INLAY_QUIC_PATH_RESPONSE:
		return "path_response";
	case INLAY_QUIC_CONNECTION_CLOSE:
		return "connection_close";
	case INLAY_QUIC_HANDSHAKE_DONE:
		return "handshake_done";
	case INLAY_QUIC_DATAGRAM:
		return "datagram";
	case INLAY_QUIC_ACK_FREQUENCY:
		return "ack_frequency";
	case INLAY_QUIC_IMMEDIATE_ACK:
		return "immediate_ack";
	}
	return "unknown";
}

static void put_limit(json_t *o, const struct inlay_quic_frame *f)
{
	bool blocked = f->type == INLAY_QUIC_DATA_BLOCKED ||
		       f->type == INLAY_QUIC_STREAM_DATA_BLOCKED ||
		       f->type == INLAY_QUIC_STREAMS_BLOCKED;

	if (f->type == INLAY_QUIC_MAX_STREAM_DATA || f->type == INLAY_QUIC_STREAM_DATA_BLOCKED)
		set(o, "stream_id", f->limit.id);
	if (f->type == INLAY_QUIC_MAX_STREAMS || f->type == INLAY_QUIC_STREAMS_BLOCKED)
		set_text(o, "stream_type", f->limit.bidi ? "bidirectional" : "unidirectional");
	set(o, blocked ? "limit" : "maximum", f->limit.limit);
}

static void put_frame(json_t *o, const struct inlay_quic_frame *f, __u8 exponent)
{
	switch (f->type) {
	case INLAY_QUIC_ACK:
		put_ack(o, &f->ack, exponent);
		return;
	case INLAY_QUIC_STREAM:
		put_stream(o, &f->stream);
		return;
	case INLAY_QUIC_CRYPTO:
		set(o, "offset", f->stream.offset);
		set_length(o, f->stream.len);
		return;
	case INLAY_QUIC_RESET_STREAM:
	case INLAY_QUIC_RESET_STREAM_AT:
	case INLAY_QUIC_STOP_SENDING:
		put_reset(o, f);
		return;
	case INLAY_QUIC_MAX_DATA:
	case INLAY_QUIC_MAX_STREAM_DATA:
	case INLAY_QUIC_MAX_STREAMS:
	case INLAY_QUIC_DATA_BLOCKED:
	case INLAY_QUIC_STREAM_DATA_BLOCKED:
	case INLAY_QUIC_STREAMS_BLOCKED:
		put_limit(o, f);
		return;
	case INLAY_QUIC_NEW_CONNECTION_ID:
		put_new_cid(o, &f->new_cid);
		return;
	case INLAY_QUIC_RETIRE_CONNECTION_ID:
		set(o, "sequence_number", f->retire_sequence);
		return;
	case INLAY_QUIC_CONNECTION_CLOSE:
		put_close(o, &f->close);
		return;
	case INLAY_QUIC_NEW_TOKEN:
		json_object_set_new(o, "token", json_object());
		set_length(o, f->bytes.len);
		return;
	case INLAY_QUIC_DATAGRAM:
	case INLAY_QUIC_PADDING:
		set_length(o, f->bytes.len);
		return;
	case INLAY_QUIC_ACK_FREQUENCY:
		put_frequency(o, &f->frequency);
		return;
	case INLAY_QUIC_PING:
	case INLAY_QUIC_PATH_CHALLENGE:
	case INLAY_QUIC_PATH_RESPONSE:
	case INLAY_QUIC_HANDSHAKE_DONE:
	case INLAY_QUIC_IMMEDIATE_ACK:
		return;
	}
}

/* --- A packet's --------------------------------------------------------------------------------
 */

static void put_rest(json_t *list, __u64 type, size_t len)
{
	json_t *o = json_object();

	set_text(o, "frame_type", "unknown");
	set(o, "frame_type_bytes", type);
	set_length(o, len);
	json_array_append_new(list, o);
}

json_t *inlay_qlog_frames(struct inlay_cursor frames, __u8 ack_delay_exponent)
{
	json_t *list = json_array();
	struct inlay_quic_frame f = {0};

	while (list && inlay_cursor_left(&frames) > 0) {
		size_t left = inlay_cursor_left(&frames);
		json_t *o;

		if (json_array_size(list) == INLAY_QLOG_FRAMES_MAX ||
		    inlay_quic_frame_parse(&frames, &f)) {
			put_rest(list, f.wire_type, left);
			break;
		}
		o = json_object();
		set_text(o, "frame_type", name_of(f.type));
		put_frame(o, &f, ack_delay_exponent);
		json_array_append_new(list, o);
	}
	return list;
}
