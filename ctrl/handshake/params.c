/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Transport parameters and connection IDs: ours from ngtcp2's and back; and the parameters of the
 * extensions that ngtcp2 does not know, on the wire (RFC 9000 section 18).
 */
#include "handshake_impl.h"

#include <string.h>

#include "inlay_quic_write.h"

_Static_assert(INLAY_CID_MAX == NGTCP2_MAX_CIDLEN, "both are RFC 9000 section 17.2's");
_Static_assert(INLAY_S == NGTCP2_SECONDS, "both count nanoseconds");

void inlay_cid_to_ngtcp2(const struct inlay_cid *cid, ngtcp2_cid *ret)
{
	ngtcp2_cid_init(ret, cid->data, cid->len);
}

void inlay_cid_from_ngtcp2(const ngtcp2_cid *cid, struct inlay_cid *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->len = (__u8)cid->datalen;
	memcpy(ret->data, cid->data, cid->datalen);
}

/* Fields of the same name and unit on both sides. */
#define FOR_EACH_PARAM(f)                                                                          \
	f(initial_max_data);                                                                       \
	f(initial_max_stream_data_bidi_local);                                                     \
	f(initial_max_stream_data_bidi_remote);                                                    \
	f(initial_max_stream_data_uni);                                                            \
	f(initial_max_streams_bidi);                                                               \
	f(initial_max_streams_uni);                                                                \
	f(max_idle_timeout);                                                                       \
	f(max_udp_payload_size);                                                                   \
	f(active_connection_id_limit);                                                             \
	f(ack_delay_exponent);                                                                     \
	f(max_ack_delay);                                                                          \
	f(max_datagram_frame_size);                                                                \
	f(disable_active_migration)

#define COPY_PARAM(name) ret->name = params->name

void inlay_params_to_ngtcp2(const struct inlay_transport_params *params,
			    ngtcp2_transport_params *ret)
{
	ngtcp2_transport_params_default(ret);
	FOR_EACH_PARAM(COPY_PARAM);
	ret->stateless_reset_token_present = params->has_stateless_reset_token;
	memcpy(ret->stateless_reset_token, params->stateless_reset_token,
	       sizeof(ret->stateless_reset_token));
}

void inlay_params_from_ngtcp2(const ngtcp2_transport_params *params,
			      struct inlay_transport_params *ret)
{
	FOR_EACH_PARAM(COPY_PARAM);
	ret->has_stateless_reset_token = params->stateless_reset_token_present;
	memcpy(ret->stateless_reset_token, params->stateless_reset_token,
	       sizeof(ret->stateless_reset_token));
}

/* --- Extensions ------------------------------------------------------------------------------ */

#define PARAM_MAX_ACK_DELAY   0x0bULL
#define PARAM_RESET_STREAM_AT 0x1dULL
#define PARAM_MIN_ACK_DELAY   0xff04de1bULL
#define DEFAULT_MAX_ACK_DELAY (25 * INLAY_MS) /* RFC 9000 section 18.2 */
#define DISTINCT_MAX	      64 /* parameters; who sends more is not held to section 7.4 */

static bool put_param(struct inlay_writer *w, __u64 id, const void *value, size_t len)
{
	return inlay_quic_varint_put(w, id) && inlay_quic_varint_put(w, len) &&
	       inlay_writer_bytes(w, value, len);
}

bool inlay_params_put_extensions(struct inlay_writer *w, const struct inlay_transport_params *own,
				 __u64 random)
{
	/* Section 18.1: peers that cannot ignore what they do not know are found early. */
	__u64 reserved = 31 * (random >> 8) + 27;
	__u8 number[8];
	struct inlay_writer v = inlay_writer_of(number, sizeof(number));

	if (!put_param(w, reserved, &random, random & 7))
		return false;
	if (own->reset_stream_at && !put_param(w, PARAM_RESET_STREAM_AT, NULL, 0))
		return false;
	return !own->has_min_ack_delay ||
	       (inlay_quic_varint_put(&v, own->min_ack_delay / INLAY_US) &&
		put_param(w, PARAM_MIN_ACK_DELAY, number, inlay_writer_len(&v)));
}

/* A parameter whose value is one integer, to the last byte. */
static bool read_integer(struct inlay_cursor value, __u64 *ret)
{
	return inlay_quic_varint_get(&value, ret) && inlay_cursor_left(&value) == 0;
}

static bool read_param(struct inlay_transport_params *p, __u64 id, struct inlay_cursor value,
		       __u64 *max_ack_delay)
{
	__u64 number;

	switch (id) {
	case PARAM_MAX_ACK_DELAY:
		if (!read_integer(value, &number) || number >= 1 << 14)
			return false;
		*max_ack_delay = number * INLAY_MS;
		return true;
	case PARAM_MIN_ACK_DELAY:
		if (!read_integer(value, &number) || number >= (1 << 14) * 1000ULL)
			return false;
		p->has_min_ack_delay = true;
		p->min_ack_delay = number * INLAY_US;
		return true;
	case PARAM_RESET_STREAM_AT:
		p->reset_stream_at = true;
		return inlay_cursor_left(&value) == 0;
	default:
		return true;
	}
}

/* False: |id| is among the |*n| seen; if not, it is now. */
static bool is_new(__u64 *seen, size_t *n, __u64 id)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (seen[i] == id)
			return false;
	if (*n < DISTINCT_MAX)
		seen[(*n)++] = id;
	return true;
}

bool inlay_params_read_extensions(const __u8 *data, size_t len, struct inlay_transport_params *ret)
{
	struct inlay_cursor c = inlay_cursor_of(data, len), value;
	__u64 seen[DISTINCT_MAX], id, size, max_ack_delay = DEFAULT_MAX_ACK_DELAY;
	const __u8 *bytes;
	size_t n = 0;

	ret->has_min_ack_delay = false;
	ret->min_ack_delay = 0;
	ret->reset_stream_at = false;
	while (inlay_cursor_left(&c) > 0) {
		if (!inlay_quic_varint_get(&c, &id) || !inlay_quic_varint_get(&c, &size) ||
		    !inlay_cursor_bytes(&c, size, &bytes))
			return false;
		value = inlay_cursor_of(bytes, size);
		if (!is_new(seen, &n, id) || !read_param(ret, id, value, &max_ack_delay))
			return false;
	}
	return !ret->has_min_ack_delay || ret->min_ack_delay <= max_ack_delay;
}
