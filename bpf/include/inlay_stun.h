/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * STUN messages (RFC 8489) with the attributes that a TURN server's grants are made of (RFC 8656).
 *
 * Whoever reads a message beside the one that it is meant for must not read it otherwise. So
 * what two readers could take differently is no message but INLAY_STUN_AMBIGUOUS: one of these
 * attributes twice, or behind MESSAGE-INTEGRITY, where RFC 8489 section 14.5 has it ignored and
 * servers do not. Its header is there all the same: it names the transaction that is in doubt.
 */
#ifndef INLAY_STUN_H
#define INLAY_STUN_H

#include "inlay_cursor.h"
#include "inlay_net.h"
#include "inlay_types.h"

#define INLAY_STUN_COOKIE     0x2112a442U /* RFC 8489 section 5 */
#define INLAY_STUN_HEADER_LEN 20
#define INLAY_STUN_ID	      12

enum inlay_stun_method { /* RFC 8656 section 17; others are possible */
			 INLAY_STUN_ALLOCATE = 0x003,
			 INLAY_STUN_REFRESH = 0x004,
			 INLAY_STUN_CREATE_PERMISSION = 0x008,
			 INLAY_STUN_CHANNEL_BIND = 0x009,
};

enum inlay_stun_class {
	INLAY_STUN_REQUEST = 0,
	INLAY_STUN_INDICATION = 1,
	INLAY_STUN_SUCCESS = 2,
	INLAY_STUN_ERROR = 3,
};

enum inlay_stun_attribute {
	INLAY_STUN_MESSAGE_INTEGRITY = 0x0008,
	INLAY_STUN_ERROR_CODE = 0x0009,
	INLAY_STUN_CHANNEL_NUMBER = 0x000c,
	INLAY_STUN_LIFETIME = 0x000d,
	INLAY_STUN_XOR_PEER_ADDRESS = 0x0012,
	INLAY_STUN_XOR_RELAYED_ADDRESS = 0x0016,
	INLAY_STUN_REQUESTED_ADDRESS_FAMILY = 0x0017,
	INLAY_STUN_REQUESTED_TRANSPORT = 0x0019,
	INLAY_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
	INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY = 0x8000,
	INLAY_STUN_FINGERPRINT = 0x8028,
	INLAY_STUN_MOBILITY_TICKET = 0x8030, /* RFC 8016 */
};

enum inlay_stun_verdict {
	INLAY_STUN_OK = 0,
	INLAY_STUN_NOT_STUN, /* no header, or another cookie: nothing is known */
	/* From here on the header is known. */
	INLAY_STUN_BAD_LENGTH,	  /* not what the datagram has, or no multiple of four */
	INLAY_STUN_BAD_ATTRIBUTE, /* an attribute ends behind the message, or has a wrong length */
	INLAY_STUN_AMBIGUOUS,
};

struct inlay_stun_header {
	__u16 method;
	__u16 class; /* enum inlay_stun_class */
	__u16 len;   /* of the attributes */
	__u8 id[INLAY_STUN_ID];
};

#define INLAY_STUN_PEERS   8
#define INLAY_STUN_RELAYED 2

enum inlay_stun_has {
	INLAY_STUN_HAS_ERROR = 1 << 0,
	INLAY_STUN_HAS_CHANNEL = 1 << 1,
	INLAY_STUN_HAS_LIFETIME = 1 << 2,
	INLAY_STUN_HAS_FAMILY = 1 << 3,
	INLAY_STUN_HAS_TRANSPORT = 1 << 4,
	INLAY_STUN_HAS_ADDITIONAL = 1 << 5,
	INLAY_STUN_HAS_TICKET = 1 << 6,
	INLAY_STUN_HAS_MORE_PEERS = 1 << 7, /* than there is room for */
};

struct inlay_stun_message {
	struct inlay_stun_header header;
	__u16 has;	/* enum inlay_stun_has: which of those below mean something */
	__u16 error;	/* 300 to 699 */
	__u16 channel;	/* any number */
	__u16 family;	/* of REQUESTED-ADDRESS-FAMILY: INLAY_NET_AF_*, 0: another one */
	__u32 lifetime; /* in seconds */
	__u8 transport; /* an IP protocol */
	__u8 n_peers;
	__u8 n_relayed; /* two: of different families */
	__u8 pad;
	struct inlay_addr peers[INLAY_STUN_PEERS]; /* XOR-PEER-ADDRESS */
	struct inlay_addr relayed[INLAY_STUN_RELAYED];
};

/* Leaves |c| behind the header; on failure where it was. */
INLAY_INLINE bool inlay_stun_header_parse(struct inlay_cursor *c, struct inlay_stun_header *ret)
{
	struct inlay_stun_header h = {0};
	struct inlay_cursor d = *c;
	__u32 cookie;
	__u16 type;

	if (!inlay_cursor_be16(&d, &type) || !inlay_cursor_be16(&d, &h.len) ||
	    !inlay_cursor_be32(&d, &cookie) || !inlay_cursor_copy(&d, h.id, sizeof(h.id)))
		return false;
	if (type & 0xc000 || cookie != INLAY_STUN_COOKIE)
		return false;
	/* RFC 8489 section 5: the class's two bits stand among those of the method. */
	h.class = (type >> 4 & 1) | (type >> 7 & 2);
	h.method = (type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80);
	*c = d;
	*ret = h;
	return true;
}

/* RFC 8489 section 14.2; |v| ends with the attribute. */
INLAY_INLINE bool inlay_stun_xor_address(struct inlay_cursor v, const __u8 id[INLAY_STUN_ID],
					 struct inlay_addr *ret)
{
	struct inlay_addr a = {0};
	__u8 mask[16] = {0x21, 0x12, 0xa4, 0x42};
	size_t len, i;
	__u8 family;
	__u16 port;

	__builtin_memcpy(mask + 4, id, INLAY_STUN_ID);
	if (!inlay_cursor_skip(&v, 1) || !inlay_cursor_u8(&v, &family) ||
	    !inlay_cursor_be16(&v, &port))
		return false;
	if (family != 1 && family != 2)
		return false;
	a.family = family == 1 ? INLAY_NET_AF_INET : INLAY_NET_AF_INET6;
	a.port = inlay_net_swap16((__u16)(port ^ INLAY_STUN_COOKIE >> 16));
	len = family == 1 ? 4 : 16;
	if (inlay_cursor_left(&v) != len)
		return false;
	if (family == 1 ? !inlay_cursor_copy(&v, a.ip, 4) : !inlay_cursor_copy(&v, a.ip, 16))
		return false;
	for (i = 0; i < len; i++)
		a.ip[i] ^= mask[i];
	*ret = a;
	return true;
}

/* RFC 8489 section 14.8. */
INLAY_INLINE bool inlay_stun_error_code(struct inlay_cursor v, __u16 *ret)
{
	__u8 class, number;

	if (!inlay_cursor_skip(&v, 2) || !inlay_cursor_u8(&v, &class) ||
	    !inlay_cursor_u8(&v, &number))
		return false;
	class &= 7;
	if (class < 3 || class > 6 || number > 99)
		return false;
	*ret = (__u16)(class * 100 + number);
	return true;
}

INLAY_INLINE enum inlay_stun_verdict inlay_stun_add_peer(struct inlay_cursor v,
							 struct inlay_stun_message *m)
{
	struct inlay_addr peer;

	if (!inlay_stun_xor_address(v, m->header.id, &peer))
		return INLAY_STUN_BAD_ATTRIBUTE;
	if (m->n_peers < INLAY_STUN_PEERS)
		m->peers[m->n_peers++] = peer;
	else
		m->has |= INLAY_STUN_HAS_MORE_PEERS;
	return INLAY_STUN_OK;
}

INLAY_INLINE enum inlay_stun_verdict inlay_stun_add_relayed(struct inlay_cursor v,
							    struct inlay_stun_message *m)
{
	struct inlay_addr relayed;

	if (!inlay_stun_xor_address(v, m->header.id, &relayed))
		return INLAY_STUN_BAD_ATTRIBUTE;
	/* RFC 8656 section 7.3: two of a dual allocation, of one family each. */
	if (m->n_relayed == INLAY_STUN_RELAYED ||
	    (m->n_relayed == 1 && m->relayed[0].family == relayed.family))
		return INLAY_STUN_AMBIGUOUS;
	m->relayed[m->n_relayed++] = relayed;
	return INLAY_STUN_OK;
}

/* Which flag says that this attribute was there; 0: none does. */
INLAY_INLINE __u16 inlay_stun_flag(__u16 type)
{
	switch (type) {
	case INLAY_STUN_ERROR_CODE:
		return INLAY_STUN_HAS_ERROR;
	case INLAY_STUN_CHANNEL_NUMBER:
		return INLAY_STUN_HAS_CHANNEL;
	case INLAY_STUN_LIFETIME:
		return INLAY_STUN_HAS_LIFETIME;
	case INLAY_STUN_REQUESTED_ADDRESS_FAMILY:
		return INLAY_STUN_HAS_FAMILY;
	case INLAY_STUN_REQUESTED_TRANSPORT:
		return INLAY_STUN_HAS_TRANSPORT;
	case INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY:
		return INLAY_STUN_HAS_ADDITIONAL;
	case INLAY_STUN_MOBILITY_TICKET:
		return INLAY_STUN_HAS_TICKET;
	default:
		return 0;
	}
}

/* Those that may stand there once. |v| ends with the attribute. */
INLAY_INLINE bool inlay_stun_single(__u16 type, struct inlay_cursor v, struct inlay_stun_message *m)
{
	__u8 family;

	switch (type) {
	case INLAY_STUN_ERROR_CODE:
		return inlay_stun_error_code(v, &m->error);
	case INLAY_STUN_CHANNEL_NUMBER:
		return inlay_cursor_left(&v) == 4 && inlay_cursor_be16(&v, &m->channel);
	case INLAY_STUN_LIFETIME:
		return inlay_cursor_left(&v) == 4 && inlay_cursor_be32(&v, &m->lifetime);
	case INLAY_STUN_REQUESTED_TRANSPORT:
		return inlay_cursor_left(&v) == 4 && inlay_cursor_u8(&v, &m->transport);
	case INLAY_STUN_REQUESTED_ADDRESS_FAMILY:
		if (inlay_cursor_left(&v) != 4 || !inlay_cursor_u8(&v, &family))
			return false;
		m->family = family == 1 ? INLAY_NET_AF_INET : family == 2 ? INLAY_NET_AF_INET6 : 0;
		return true;
	case INLAY_STUN_ADDITIONAL_ADDRESS_FAMILY:
		return inlay_cursor_left(&v) == 4;
	default: /* MOBILITY-TICKET: of any length, also none */
		return true;
	}
}

/* One attribute. |*sealed|: those before it are covered by MESSAGE-INTEGRITY, this one is not. */
INLAY_INLINE enum inlay_stun_verdict
inlay_stun_attribute(__u16 type, struct inlay_cursor v, bool *sealed, struct inlay_stun_message *m)
{
	__u16 flag = inlay_stun_flag(type);

	if (type == INLAY_STUN_MESSAGE_INTEGRITY || type == INLAY_STUN_MESSAGE_INTEGRITY_SHA256 ||
	    type == INLAY_STUN_FINGERPRINT) {
		*sealed = true;
		return INLAY_STUN_OK;
	}
	if (flag == 0 && type != INLAY_STUN_XOR_PEER_ADDRESS &&
	    type != INLAY_STUN_XOR_RELAYED_ADDRESS)
		return INLAY_STUN_OK;
	if (*sealed || m->has & flag)
		return INLAY_STUN_AMBIGUOUS;
	if (type == INLAY_STUN_XOR_PEER_ADDRESS)
		return inlay_stun_add_peer(v, m);
	if (type == INLAY_STUN_XOR_RELAYED_ADDRESS)
		return inlay_stun_add_relayed(v, m);
	m->has |= flag;
	return inlay_stun_single(type, v, m) ? INLAY_STUN_OK : INLAY_STUN_BAD_ATTRIBUTE;
}

/* A datagram's whole payload. |ret->header| is set unless NOT_STUN; all of it only if OK. */
INLAY_INLINE enum inlay_stun_verdict inlay_stun_parse(struct inlay_cursor c,
						      struct inlay_stun_message *ret)
{
	enum inlay_stun_verdict v = INLAY_STUN_OK;
	struct inlay_cursor value;
	bool sealed = false;
	__u16 type, len;

	__builtin_memset(ret, 0, sizeof(*ret));
	if (!inlay_stun_header_parse(&c, &ret->header))
		return INLAY_STUN_NOT_STUN;
	if (ret->header.len & 3 || ret->header.len != inlay_cursor_left(&c))
		return INLAY_STUN_BAD_LENGTH;
	while (v == INLAY_STUN_OK && inlay_cursor_left(&c) > 0) {
		/* Padded to four bytes, which the length does not count (RFC 8489 section 14). */
		if (!inlay_cursor_be16(&c, &type) || !inlay_cursor_be16(&c, &len) ||
		    !inlay_cursor_take(&c, len, &value) || !inlay_cursor_skip(&c, -len & 3))
			return INLAY_STUN_BAD_ATTRIBUTE;
		v = inlay_stun_attribute(type, value, &sealed, ret);
	}
	return v;
}

#endif
