/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * QUIC integers and frames, for writing (RFC 9000 sections 16 and 19, RFC 9221, and the extensions
 * that inlay_quic_frame.h reads). Each put writes a whole frame and returns true, or has no room,
 * or a value that no varint holds, and leaves the writer as it was. What a frame means to a
 * connection is the caller's.
 */
#ifndef INLAY_QUIC_WRITE_H
#define INLAY_QUIC_WRITE_H

#include "inlay_quic_frame.h"
#include "inlay_writer.h"

/* |len| is 1, 2, 4 or 8, and |v| fits: for a length that is filled in later. */
INLAY_INLINE bool inlay_quic_varint_put_sized(struct inlay_writer *w, __u64 v, size_t len)
{
	size_t need = inlay_quic_varint_len(v);

	if (need == 0 || len < need)
		return false;
	switch (len) {
	case 1:
		return inlay_writer_uint(w, v, 1);
	case 2:
		return inlay_writer_uint(w, 1ULL << 14 | v, 2);
	case 4:
		return inlay_writer_uint(w, 2ULL << 30 | v, 4);
	case 8:
		return inlay_writer_uint(w, 3ULL << 62 | v, 8);
	default:
		return false;
	}
}

INLAY_INLINE bool inlay_quic_varint_put(struct inlay_writer *w, __u64 v)
{
	return inlay_quic_varint_put_sized(w, v, inlay_quic_varint_len(v));
}

/* A type and a few integers: what most frames are. */
INLAY_INLINE bool inlay_quic_put_integers(struct inlay_writer *w, __u64 type, const __u64 *v,
					  size_t n)
{
	struct inlay_writer t = *w;
	size_t i;

	if (!inlay_quic_varint_put(&t, type))
		return false;
	for (i = 0; i < n; i++)
		if (!inlay_quic_varint_put(&t, v[i]))
			return false;
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_quic_put_padding(struct inlay_writer *w, size_t len)
{
	return inlay_writer_zeros(w, len);
}

INLAY_INLINE bool inlay_quic_put_ping(struct inlay_writer *w)
{
	return inlay_writer_u8(w, INLAY_QUIC_PING);
}

INLAY_INLINE bool inlay_quic_put_handshake_done(struct inlay_writer *w)
{
	return inlay_writer_u8(w, INLAY_QUIC_HANDSHAKE_DONE);
}

INLAY_INLINE bool inlay_quic_put_reset_stream(struct inlay_writer *w, __u64 id, __u64 code,
					      __u64 final_size)
{
	const __u64 v[] = {id, code, final_size};

	return inlay_quic_put_integers(w, INLAY_QUIC_RESET_STREAM, v, 3);
}

INLAY_INLINE bool inlay_quic_put_reset_stream_at(struct inlay_writer *w, __u64 id, __u64 code,
						 __u64 final_size, __u64 reliable)
{
	const __u64 v[] = {id, code, final_size, reliable};

	return inlay_quic_put_integers(w, INLAY_QUIC_RESET_STREAM_AT, v, 4);
}

INLAY_INLINE bool inlay_quic_put_immediate_ack(struct inlay_writer *w)
{
	return inlay_writer_u8(w, INLAY_QUIC_IMMEDIATE_ACK);
}

INLAY_INLINE bool inlay_quic_put_ack_frequency(struct inlay_writer *w,
					       const struct inlay_quic_ack_frequency *f)
{
	const __u64 v[] = {f->sequence, f->threshold, f->max_delay_us, f->reordering};

	return inlay_quic_put_integers(w, INLAY_QUIC_ACK_FREQUENCY, v, 4);
}

INLAY_INLINE bool inlay_quic_put_stop_sending(struct inlay_writer *w, __u64 id, __u64 code)
{
	const __u64 v[] = {id, code};

	return inlay_quic_put_integers(w, INLAY_QUIC_STOP_SENDING, v, 2);
}

INLAY_INLINE bool inlay_quic_put_max_data(struct inlay_writer *w, __u64 limit)
{
	return inlay_quic_put_integers(w, INLAY_QUIC_MAX_DATA, &limit, 1);
}

INLAY_INLINE bool inlay_quic_put_max_stream_data(struct inlay_writer *w, __u64 id, __u64 limit)
{
	const __u64 v[] = {id, limit};

	return inlay_quic_put_integers(w, INLAY_QUIC_MAX_STREAM_DATA, v, 2);
}

INLAY_INLINE bool inlay_quic_put_max_streams(struct inlay_writer *w, bool bidi, __u64 limit)
{
	return inlay_quic_put_integers(w, (__u64)INLAY_QUIC_MAX_STREAMS | !bidi, &limit, 1);
}

INLAY_INLINE bool inlay_quic_put_data_blocked(struct inlay_writer *w, __u64 limit)
{
	return inlay_quic_put_integers(w, INLAY_QUIC_DATA_BLOCKED, &limit, 1);
}

INLAY_INLINE bool inlay_quic_put_stream_data_blocked(struct inlay_writer *w, __u64 id, __u64 limit)
{
	const __u64 v[] = {id, limit};

	return inlay_quic_put_integers(w, INLAY_QUIC_STREAM_DATA_BLOCKED, v, 2);
}

INLAY_INLINE bool inlay_quic_put_streams_blocked(struct inlay_writer *w, bool bidi, __u64 limit)
{
	return inlay_quic_put_integers(w, (__u64)INLAY_QUIC_STREAMS_BLOCKED | !bidi, &limit, 1);
}

INLAY_INLINE bool inlay_quic_put_retire_connection_id(struct inlay_writer *w, __u64 sequence)
{
	return inlay_quic_put_integers(w, INLAY_QUIC_RETIRE_CONNECTION_ID, &sequence, 1);
}

INLAY_INLINE bool inlay_quic_put_new_connection_id(struct inlay_writer *w, __u64 sequence,
						   __u64 retire_prior_to,
						   const struct inlay_cid *cid,
						   const __u8 token[16])
{
	const __u64 v[] = {sequence, retire_prior_to};
	struct inlay_writer t = *w;

	if (!inlay_quic_put_integers(&t, INLAY_QUIC_NEW_CONNECTION_ID, v, 2) ||
	    !inlay_writer_u8(&t, cid->len) || !inlay_writer_bytes(&t, cid->data, cid->len) ||
	    !inlay_writer_bytes(&t, token, 16))
		return false;
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_quic_put_path(struct inlay_writer *w, enum inlay_quic_frame_type type,
				      const __u8 data[8])
{
	struct inlay_writer t = *w;

	if (!inlay_writer_u8(&t, (__u8)type) || !inlay_writer_bytes(&t, data, 8))
		return false;
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_quic_put_path_challenge(struct inlay_writer *w, const __u8 data[8])
{
	return inlay_quic_put_path(w, INLAY_QUIC_PATH_CHALLENGE, data);
}

INLAY_INLINE bool inlay_quic_put_path_response(struct inlay_writer *w, const __u8 data[8])
{
	return inlay_quic_put_path(w, INLAY_QUIC_PATH_RESPONSE, data);
}

/* As much of |reason| as there is room for; |frame_type| is left out if |application|. */
INLAY_INLINE bool inlay_quic_put_close(struct inlay_writer *w, bool application, __u64 code,
				       __u64 frame_type, const char *reason, size_t reason_len)
{
	const __u64 v[] = {code, frame_type};
	struct inlay_writer t = *w;
	size_t fits;

	if (!inlay_quic_put_integers(&t, (__u64)INLAY_QUIC_CONNECTION_CLOSE | application, v,
				     application ? 1 : 2))
		return false;
	fits = inlay_writer_left(&t);
	fits -= fits > 63 ? 2 : 1; /* wraps if there is no room for the length, and is caught */
	if (reason_len < fits)
		fits = reason_len;
	if (!inlay_quic_varint_put(&t, fits) || !inlay_writer_bytes(&t, reason, fits))
		return false;
	*w = t;
	return true;
}

INLAY_INLINE __u64 inlay_quic_ack_gap(const struct inlay_quic_range *ranges, size_t i)
{
	return ranges[i - 1].begin - ranges[i].end - 1;
}

INLAY_INLINE __u64 inlay_quic_ack_len(const struct inlay_quic_range *ranges, size_t i)
{
	return ranges[i].end - ranges[i].begin - 1;
}

/* How many of |ranges| an ACK of |room| bytes can hold; |fixed| are the delay and the ECN counts.
 */
INLAY_INLINE size_t inlay_quic_ack_fits(const struct inlay_quic_range *ranges, size_t n,
					size_t fixed, size_t room)
{
	size_t i, need;

	need = 1 + inlay_quic_varint_len(ranges[0].end - 1) + fixed + inlay_quic_varint_len(n - 1) +
	       inlay_quic_varint_len(inlay_quic_ack_len(ranges, 0));
	if (need > room)
		return 0;
	for (i = 1; i < n; i++) {
		need += inlay_quic_varint_len(inlay_quic_ack_gap(ranges, i)) +
			inlay_quic_varint_len(inlay_quic_ack_len(ranges, i));
		if (need > room)
			break;
	}
	return i;
}

/*
 * ACK of |ranges|, which run from the largest numbers down, neither touching nor overlapping;
 * |delay| already shifted; |ecn| may be NULL. Leaves out the smallest ranges where there is no
 * room. Returns how many it wrote; 0: no room even for one.
 */
INLAY_INLINE size_t inlay_quic_put_ack(struct inlay_writer *w,
				       const struct inlay_quic_range *ranges, size_t n, __u64 delay,
				       const struct inlay_quic_ecn_counts *ecn)
{
	struct inlay_writer t = *w;
	size_t i, fixed = inlay_quic_varint_len(delay);

	if (n == 0)
		return 0;
	if (n > INLAY_QUIC_ACK_RANGES_MAX)
		n = INLAY_QUIC_ACK_RANGES_MAX;
	if (ecn)
		fixed += inlay_quic_varint_len(ecn->ect0) + inlay_quic_varint_len(ecn->ect1) +
			 inlay_quic_varint_len(ecn->ce);
	n = inlay_quic_ack_fits(ranges, n, fixed, inlay_writer_left(&t));
	if (n == 0 || !inlay_writer_u8(&t, (__u8)(INLAY_QUIC_ACK | (ecn != NULL))) ||
	    !inlay_quic_varint_put(&t, ranges[0].end - 1) || !inlay_quic_varint_put(&t, delay) ||
	    !inlay_quic_varint_put(&t, n - 1) ||
	    !inlay_quic_varint_put(&t, inlay_quic_ack_len(ranges, 0)))
		return 0;
	for (i = 1; i < n; i++)
		if (!inlay_quic_varint_put(&t, inlay_quic_ack_gap(ranges, i)) ||
		    !inlay_quic_varint_put(&t, inlay_quic_ack_len(ranges, i)))
			return 0;
	if (ecn && (!inlay_quic_varint_put(&t, ecn->ect0) ||
		    !inlay_quic_varint_put(&t, ecn->ect1) || !inlay_quic_varint_put(&t, ecn->ce)))
		return 0;
	*w = t;
	return n;
}

/*
 * The header of a STREAM frame; its |len| bytes follow at the writer's position. Without a length
 * field (|has_len| false) the frame must end the packet. Offset 0 is not written.
 */
INLAY_INLINE bool inlay_quic_put_stream_header(struct inlay_writer *w, __u64 id, __u64 offset,
					       __u64 len, bool fin, bool has_len)
{
	__u64 v[3] = {id};
	__u8 type = INLAY_QUIC_STREAM;
	size_t n = 1;

	if (fin)
		type |= INLAY_QUIC_STREAM_FIN;
	if (offset > 0) {
		type |= INLAY_QUIC_STREAM_OFF;
		v[n++] = offset;
	}
	if (has_len) {
		type |= INLAY_QUIC_STREAM_LEN;
		v[n++] = len;
	}
	return inlay_quic_put_integers(w, type, v, n);
}

INLAY_INLINE size_t inlay_quic_stream_header_len(__u64 id, __u64 offset, __u64 len, bool has_len)
{
	return 1 + inlay_quic_varint_len(id) + (offset > 0 ? inlay_quic_varint_len(offset) : 0) +
	       (has_len ? inlay_quic_varint_len(len) : 0);
}

INLAY_INLINE bool inlay_quic_put_stream(struct inlay_writer *w, const struct inlay_quic_stream *s)
{
	struct inlay_writer t = *w;

	if (!inlay_quic_put_stream_header(&t, s->id, s->offset, s->len, s->fin, s->has_len) ||
	    !inlay_writer_bytes(&t, s->data, s->len))
		return false;
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_quic_put_crypto(struct inlay_writer *w, __u64 offset, const __u8 *data,
					size_t len)
{
	const __u64 v[] = {offset, len};
	struct inlay_writer t = *w;

	if (!inlay_quic_put_integers(&t, INLAY_QUIC_CRYPTO, v, 2) ||
	    !inlay_writer_bytes(&t, data, len))
		return false;
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_quic_put_new_token(struct inlay_writer *w, const __u8 *token, size_t len)
{
	const __u64 v[] = {len};
	struct inlay_writer t = *w;

	if (!inlay_quic_put_integers(&t, INLAY_QUIC_NEW_TOKEN, v, 1) ||
	    !inlay_writer_bytes(&t, token, len))
		return false;
	*w = t;
	return true;
}

/* Without a length field the frame must end the packet. */
INLAY_INLINE bool inlay_quic_put_datagram(struct inlay_writer *w, const __u8 *data, size_t len,
					  bool has_len)
{
	const __u64 v[] = {len};
	struct inlay_writer t = *w;

	if (!inlay_quic_put_integers(&t, (__u64)INLAY_QUIC_DATAGRAM | has_len, v, has_len) ||
	    !inlay_writer_bytes(&t, data, len))
		return false;
	*w = t;
	return true;
}

/* The descriptor behind a clear packet (design section 4). */
INLAY_INLINE bool inlay_quic_put_desc(struct inlay_writer *w, __u32 sa, __u16 generation,
				      __u8 flags, __u8 hdr_len, __u64 pn)
{
	struct inlay_writer t = *w;

	if (!inlay_writer_be32(&t, sa) || !inlay_writer_u8(&t, flags) ||
	    !inlay_writer_u8(&t, hdr_len) || !inlay_writer_be16(&t, generation) ||
	    !inlay_writer_be32(&t, (__u32)(pn >> 32)) || !inlay_writer_be32(&t, (__u32)pn))
		return false;
	*w = t;
	return true;
}

/* A short header with packet number |pn| in |pn_len| bytes (1 to 4); the phase bit is the
 * provider's. */
INLAY_INLINE bool inlay_quic_put_short(struct inlay_writer *w, const struct inlay_cid *dcid,
				       __u64 pn, __u8 pn_len)
{
	struct inlay_writer t = *w;
	__u8 i;

	if (pn_len < 1 || pn_len > 4 || !inlay_writer_u8(&t, (__u8)(0x40 | (pn_len - 1))) ||
	    !inlay_writer_bytes(&t, dcid->data, dcid->len))
		return false;
	for (i = pn_len; i > 0; i--)
		if (!inlay_writer_u8(&t, (__u8)(pn >> (8 * (i - 1)))))
			return false;
	*w = t;
	return true;
}

#endif
