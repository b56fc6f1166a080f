/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * QUIC on the wire, for reading: integers, error codes, packet headers (RFC 8999, 9000). Frames are
 * in inlay_quic_frame.h, writers in inlay_quic_write.h.
 *
 * Every pointer that a parser hands out points into the packet and its length has been checked. A
 * parser moves the cursor only when it succeeds. What depends on a connection's state (limits,
 * stream directions, which role may send what) is the engine's to check, not done here.
 */
#ifndef INLAY_QUIC_H
#define INLAY_QUIC_H

#include "inlay_abi.h"
#include "inlay_cursor.h"

#define INLAY_QUIC_V1	      0x00000001U
#define INLAY_QUIC_VARINT_MAX ((1ULL << 62) - 1)

/* Transport error codes, RFC 9000 section 20.1 and RFC 9001 section 4.8. */
enum inlay_quic_error {
	INLAY_QUIC_NO_ERROR = 0x00,
	INLAY_QUIC_INTERNAL_ERROR = 0x01,
	INLAY_QUIC_CONNECTION_REFUSED = 0x02,
	INLAY_QUIC_FLOW_CONTROL_ERROR = 0x03,
	INLAY_QUIC_STREAM_LIMIT_ERROR = 0x04,
	INLAY_QUIC_STREAM_STATE_ERROR = 0x05,
	INLAY_QUIC_FINAL_SIZE_ERROR = 0x06,
	INLAY_QUIC_FRAME_ENCODING_ERROR = 0x07,
	INLAY_QUIC_TRANSPORT_PARAMETER_ERROR = 0x08,
	INLAY_QUIC_CONNECTION_ID_LIMIT_ERROR = 0x09,
	INLAY_QUIC_PROTOCOL_VIOLATION = 0x0a,
	INLAY_QUIC_INVALID_TOKEN = 0x0b,
	INLAY_QUIC_APPLICATION_ERROR = 0x0c,
	INLAY_QUIC_CRYPTO_BUFFER_EXCEEDED = 0x0d,
	INLAY_QUIC_KEY_UPDATE_ERROR = 0x0e,
	INLAY_QUIC_AEAD_LIMIT_REACHED = 0x0f,
	INLAY_QUIC_NO_VIABLE_PATH = 0x10,
	INLAY_QUIC_CRYPTO_ERROR = 0x0100, /* to 0x01ff: plus the TLS alert */
};

/* --- Integers, RFC 9000 section 16 ---------------------------------------------------------- */

INLAY_INLINE bool inlay_quic_varint_get(struct inlay_cursor *c, __u64 *ret)
{
	__u8 first;
	size_t n;

	if (!inlay_cursor_peek_u8(c, &first))
		return false;
	n = 1U << (first >> 6);
	if (!inlay_cursor_uint(c, n, ret))
		return false;
	*ret &= ~0ULL >> (66 - 8 * n);
	return true;
}

/* Bytes of the shortest encoding; 0: |v| is above INLAY_QUIC_VARINT_MAX and has none. */
INLAY_INLINE size_t inlay_quic_varint_len(__u64 v)
{
	if (v < 1ULL << 6)
		return 1;
	if (v < 1ULL << 14)
		return 2;
	if (v < 1ULL << 30)
		return 4;
	return v <= INLAY_QUIC_VARINT_MAX ? 8 : 0;
}

/* --- Packet headers ------------------------------------------------------------------------- */

/* False: longer than a connection ID of version 1 can be. */
INLAY_INLINE bool inlay_cid_set(struct inlay_cid *cid, const __u8 *data, size_t len)
{
	if (len > INLAY_CID_MAX)
		return false;
	__builtin_memset(cid, 0, sizeof(*cid));
	cid->len = (__u8)len;
	if (len > 0)
		__builtin_memcpy(cid->data, data, len);
	return true;
}

INLAY_INLINE bool inlay_quic_is_long(__u8 first)
{
	return first & 0x80;
}

/* What long headers of every version share (RFC 8999 section 5.1). CIDs may have 255 bytes. */
struct inlay_quic_long {
	__u8 first;
	__u8 dcid_len;
	__u8 scid_len;
	__u32 version; /* 0: version negotiation */
	const __u8 *dcid;
	const __u8 *scid;
};

INLAY_INLINE bool inlay_quic_long_parse(struct inlay_cursor *c, struct inlay_quic_long *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_quic_long h = {0};

	if (!inlay_cursor_u8(&d, &h.first) || !inlay_quic_is_long(h.first) ||
	    !inlay_cursor_be32(&d, &h.version) || !inlay_cursor_u8(&d, &h.dcid_len) ||
	    !inlay_cursor_bytes(&d, h.dcid_len, &h.dcid) || !inlay_cursor_u8(&d, &h.scid_len) ||
	    !inlay_cursor_bytes(&d, h.scid_len, &h.scid))
		return false;
	*c = d;
	*ret = h;
	return true;
}

enum inlay_quic_long_type {
	INLAY_QUIC_INITIAL = 0,
	INLAY_QUIC_0RTT = 1,
	INLAY_QUIC_HANDSHAKE = 2,
	INLAY_QUIC_RETRY = 3,
};

/* The rest of a long header of version 1, and where its packet ends. */
struct inlay_quic_long_v1 {
	enum inlay_quic_long_type type;
	__u64 token_len; /* Initial and Retry; 0 otherwise */
	const __u8 *token;
	__u64 payload_len; /* packet number and ciphertext; Retry: the 16-byte integrity tag */
	const __u8 *payload;
};

/*
 * Goes on where inlay_quic_long_parse() stopped, and leaves the cursor behind the packet: at the
 * next one of a coalesced datagram (RFC 9000 section 12.2). False: to be discarded.
 */
INLAY_INLINE bool inlay_quic_long_v1_parse(struct inlay_cursor *c, const struct inlay_quic_long *h,
					   struct inlay_quic_long_v1 *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_quic_long_v1 v = {.type = (h->first >> 4) & 3};

	/* RFC 9000 section 17.2: fixed bit, and connection IDs of at most 20 bytes. */
	if (h->version != INLAY_QUIC_V1 || !(h->first & 0x40) || h->dcid_len > INLAY_CID_MAX ||
	    h->scid_len > INLAY_CID_MAX)
		return false;
	if (v.type == INLAY_QUIC_RETRY) {
		/* Section 17.2.5: no length; everything but the tag is the token. */
		if (inlay_cursor_left(&d) < INLAY_TAG)
			return false;
		v.token_len = inlay_cursor_left(&d) - INLAY_TAG;
		v.payload_len = INLAY_TAG;
	} else if (v.type == INLAY_QUIC_INITIAL && !inlay_quic_varint_get(&d, &v.token_len)) {
		return false;
	}
	if (!inlay_cursor_bytes(&d, v.token_len, &v.token))
		return false;
	if (v.type != INLAY_QUIC_RETRY && !inlay_quic_varint_get(&d, &v.payload_len))
		return false;
	if (!inlay_cursor_bytes(&d, v.payload_len, &v.payload))
		return false;
	*c = d;
	*ret = v;
	return true;
}

/* A short header as on the wire: the rest of it is behind header protection. */
struct inlay_quic_short {
	__u8 first;
	const __u8 *dcid; /* as many bytes as the caller said */
};

INLAY_INLINE bool inlay_quic_short_parse(struct inlay_cursor *c, __u8 cid_len,
					 struct inlay_quic_short *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_quic_short h = {0};

	if (!inlay_cursor_u8(&d, &h.first) || inlay_quic_is_long(h.first) || !(h.first & 0x40) ||
	    !inlay_cursor_bytes(&d, cid_len, &h.dcid))
		return false;
	*c = d;
	*ret = h;
	return true;
}

/* A clear packet (design section 4), taken apart. */
struct inlay_quic_clear {
	__u8 first;	 /* header protection is off */
	__u8 pn_len;	 /* 1 to 4 */
	__u8 desc_flags; /* enum inlay_desc_flags */
	__u8 hdr_len;
	__u16 generation;
	__u32 sa;
	__u32 pn_truncated; /* as the header has it */
	__u64 pn;	    /* whole, from the descriptor */
	const __u8 *dcid;
	struct inlay_cursor frames;
};

/* RFC 9000 section 17.3.1: a packet with one of these set is a PROTOCOL_VIOLATION. */
#define INLAY_QUIC_SHORT_RESERVED 0x18
#define INLAY_QUIC_SHORT_PHASE	  0x04

INLAY_INLINE bool inlay_quic_pn_get(struct inlay_cursor *c, __u8 pn_len, __u32 *ret)
{
	__u32 pn = 0;
	__u8 byte, i;

	for (i = 0; i < 4 && i < pn_len; i++) {
		if (!inlay_cursor_u8(c, &byte))
			return false;
		pn = pn << 8 | byte;
	}
	*ret = pn;
	return true;
}

/* |cid_len|: of the destination CID. False: not a clear packet; |packet| must be the whole of it.
 */
INLAY_INLINE bool inlay_quic_clear_parse(const __u8 *packet, size_t len, __u8 cid_len,
					 struct inlay_quic_clear *ret)
{
	struct inlay_cursor c = inlay_cursor_of(packet, len), t;
	struct inlay_quic_clear p = {0};
	struct inlay_quic_short h;
	__u32 high, low;

	if (cid_len > INLAY_CID_MAX || !inlay_cursor_take_last(&c, INLAY_TAG, &t))
		return false;
	if (!inlay_quic_short_parse(&c, cid_len, &h))
		return false;
	p.first = h.first;
	p.dcid = h.dcid;
	p.pn_len = (__u8)((h.first & 3) + 1);
	if (!inlay_quic_pn_get(&c, p.pn_len, &p.pn_truncated) || !inlay_cursor_be32(&t, &p.sa) ||
	    !inlay_cursor_u8(&t, &p.desc_flags) || !inlay_cursor_u8(&t, &p.hdr_len) ||
	    !inlay_cursor_be16(&t, &p.generation) || !inlay_cursor_be32(&t, &high) ||
	    !inlay_cursor_be32(&t, &low))
		return false;
	p.pn = (__u64)high << 32 | low;
	/* The descriptor and the header were written by the same hand and must agree. */
	if (p.pn > INLAY_PN_MAX || p.hdr_len != 1 + cid_len + p.pn_len ||
	    p.pn_truncated != (p.pn & (0xffffffffU >> (32 - 8 * p.pn_len))))
		return false;
	p.frames = c;
	*ret = p;
	return true;
}

#endif
