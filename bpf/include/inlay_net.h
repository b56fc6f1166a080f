/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What stands around a datagram: Ethernet, one VLAN tag, IPv4 or IPv6, UDP. For reading, with a
 * verdict that says why something is not for us (it takes the ordinary path then: design section
 * 4); and for writing: whole headers once, lengths and checksums packet by packet.
 *
 * A parser moves the cursor only when it succeeds. Multi-byte fields in structs are host order.
 */
#ifndef INLAY_NET_H
#define INLAY_NET_H

#include "inlay_abi.h"
#include "inlay_cursor.h"
#include "inlay_writer.h"

enum inlay_net_verdict {
	INLAY_NET_OK = 0,
	INLAY_NET_SHORT,  /* ends within a header, or before a length that a header names */
	INLAY_NET_NOT_IP, /* another ethertype, or more than one VLAN tag */
	INLAY_NET_BAD_IP, /* version or a length is impossible, or the header's checksum is wrong */
	INLAY_NET_IP_OPTIONS, /* of IPv4 */
	INLAY_NET_FRAGMENT,   /* also the first one */
	INLAY_NET_NOT_UDP,    /* another protocol, or an IPv6 extension header before it */
	INLAY_NET_BAD_UDP,    /* its length is impossible */
};

#define INLAY_NET_MAC	   6
#define INLAY_NET_ETH_LEN  14
#define INLAY_NET_VLAN_LEN 4
#define INLAY_NET_IPV4_LEN 20
#define INLAY_NET_IPV6_LEN 40
#define INLAY_NET_UDP_LEN  8

/* Of the kernel's ABI: BPF has no header that says so. */
#define INLAY_NET_AF_INET  2
#define INLAY_NET_AF_INET6 10

enum inlay_net_numbers {
	INLAY_NET_TYPE_IPV4 = 0x0800,
	INLAY_NET_TYPE_VLAN = 0x8100,
	INLAY_NET_TYPE_IPV6 = 0x86dd,
	INLAY_NET_PROTO_UDP = 17,
	INLAY_NET_PROTO_IPV6_FRAGMENT = 44,
	INLAY_NET_IPV4_DF = 0x4000,
	INLAY_NET_IPV4_FRAGMENT = 0x3fff, /* MF and the offset */
};

struct inlay_net_eth {
	__u8 dst[INLAY_NET_MAC];
	__u8 src[INLAY_NET_MAC];
	__u16 type; /* behind the tag, if there is one */
	__u16 tci;  /* priority, DEI and VLAN ID; only if |has_vlan| */
	bool has_vlan;
};

struct inlay_net_ip {
	__u8 version; /* 4 or 6 */
	__u8 tos;     /* DSCP and ECN */
	__u8 ttl;     /* or hop limit */
	__u8 protocol;
	__u16 len;    /* bytes behind the header */
	__u16 id;     /* IPv4; of an atomic datagram it means nothing (RFC 6864) */
	__u32 flow;   /* IPv6: flow label */
	__u8 src[16]; /* IPv4 in the first four bytes, the others zero */
	__u8 dst[16];
};

struct inlay_net_udp {
	__u16 src;
	__u16 dst;
	__u16 len; /* of the payload */
	__u16 sum; /* as on the wire; 0: none was made */
};

/* A datagram as a wire port sees it. */
struct inlay_net_datagram {
	struct inlay_net_eth eth;
	struct inlay_net_ip ip;
	struct inlay_net_udp udp;
	struct inlay_cursor payload; /* without the padding behind a short frame */
};

/* --- Byte order ------------------------------------------------------------------------------- */

/* From host to network order, and back. */
INLAY_INLINE __u16 inlay_net_swap16(__u16 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(v);
#else
	return v;
#endif
}

INLAY_INLINE __u32 inlay_net_swap32(__u32 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32(v);
#else
	return v;
#endif
}

INLAY_INLINE __u64 inlay_net_swap64(__u64 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(v);
#else
	return v;
#endif
}

/* --- Internet checksum (RFC 1071) ------------------------------------------------------------- */

/* Over ranges of any lengths, as if they stood behind each other. Zeroed memory is the start. */
struct inlay_net_sum {
	__u64 value; /* of 16-bit words as memory has them; carries not yet added in */
	__u32 odd;   /* the bytes so far are an odd number */
};

/* Carries added in; 0 only if all is zero. */
INLAY_INLINE __u16 inlay_net_sum_fold(__u64 value)
{
	value = (value & 0xffffffff) + (value >> 32);
	value = (value & 0xffff) + (value >> 16 & 0xffff) + (value >> 32);
	value = (value & 0xffff) + (value >> 16);
	value = (value & 0xffff) + (value >> 16);
	return (__u16)value;
}

/* The sum of |len| bytes on their own, at most 64 KiB. BPF: |len| is a constant. */
INLAY_INLINE __u64 inlay_net_sum_of(const __u8 *data, size_t len)
{
	__u64 low = 0, high = 0, v;
	__u8 last[2] = {0};
	__u16 word;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		__builtin_memcpy(&v, data + i, 8);
		low += v & 0xffffffff;
		high += v >> 32;
	}
	low += high;
	for (; i + 2 <= len; i += 2) {
		__builtin_memcpy(&word, data + i, 2);
		low += word;
	}
	if (i < len) {
		last[0] = data[i];
		__builtin_memcpy(&word, last, 2);
		low += word;
	}
	return low;
}

/* |data| may be NULL where |len| is 0; at most 64 KiB a call. */
INLAY_INLINE void inlay_net_sum_add(struct inlay_net_sum *s, const __u8 *data, size_t len)
{
	__u64 sum = inlay_net_sum_of(data, len);

	/* RFC 1071 section 2 (B): words that begin at an odd byte have their halves swapped. */
	if (s->odd)
		sum = __builtin_bswap16(inlay_net_sum_fold(sum));
	s->value += sum;
	s->odd ^= len & 1;
}

/* A 16-bit number, in host order. An even number of bytes so far. */
INLAY_INLINE void inlay_net_sum_be16(struct inlay_net_sum *s, __u16 v)
{
	s->value += inlay_net_swap16(v);
}

/* The checksum, in host order. */
INLAY_INLINE __u16 inlay_net_sum_end(const struct inlay_net_sum *s)
{
	return inlay_net_swap16((__u16)~inlay_net_sum_fold(s->value));
}

/* RFC 1624: the checksum |sum| after a 16-bit word went from |old| to |new_value|; all of them in
 * host order, or all as memory has them (RFC 1071 section 2 (B)). */
INLAY_INLINE __u16 inlay_net_sum_update(__u16 sum, __u16 old, __u16 new_value)
{
	__u32 v = (__u32)(__u16)~sum + (__u16)~old + new_value;

	v = (v & 0xffff) + (v >> 16);
	return (__u16) ~((v & 0xffff) + (v >> 16));
}

/* --- Reading ---------------------------------------------------------------------------------- */

INLAY_INLINE enum inlay_net_verdict inlay_net_eth_parse(struct inlay_cursor *c,
							struct inlay_net_eth *ret)
{
	struct inlay_cursor d = *c;
	struct inlay_net_eth e = {0};

	if (!inlay_cursor_copy(&d, e.dst, sizeof(e.dst)) ||
	    !inlay_cursor_copy(&d, e.src, sizeof(e.src)) || !inlay_cursor_be16(&d, &e.type))
		return INLAY_NET_SHORT;
	if (e.type == INLAY_NET_TYPE_VLAN) {
		e.has_vlan = true;
		if (!inlay_cursor_be16(&d, &e.tci) || !inlay_cursor_be16(&d, &e.type))
			return INLAY_NET_SHORT;
	}
	*c = d;
	*ret = e;
	return INLAY_NET_OK;
}

/* Leaves |c| at what the datagram carries, and ends it with the datagram. */
INLAY_INLINE enum inlay_net_verdict inlay_net_ipv4_parse(struct inlay_cursor *c,
							 struct inlay_net_ip *ret)
{
	struct inlay_cursor d = *c, body;
	struct inlay_net_ip ip = {.version = 4};
	__u16 total, fragment, sum;
	__u8 first;

	if (!inlay_cursor_has(&d, INLAY_NET_IPV4_LEN))
		return INLAY_NET_SHORT;
	sum = inlay_net_sum_fold(inlay_net_sum_of(inlay_cursor_at(&d), INLAY_NET_IPV4_LEN));
	if (!inlay_cursor_u8(&d, &first) || !inlay_cursor_u8(&d, &ip.tos) ||
	    !inlay_cursor_be16(&d, &total) || !inlay_cursor_be16(&d, &ip.id) ||
	    !inlay_cursor_be16(&d, &fragment) || !inlay_cursor_u8(&d, &ip.ttl) ||
	    !inlay_cursor_u8(&d, &ip.protocol) || !inlay_cursor_skip(&d, 2) ||
	    !inlay_cursor_copy(&d, ip.src, 4) || !inlay_cursor_copy(&d, ip.dst, 4))
		return INLAY_NET_SHORT;
	if (first >> 4 != 4 || (first & 0xf) < 5)
		return INLAY_NET_BAD_IP;
	if ((first & 0xf) > 5)
		return INLAY_NET_IP_OPTIONS;
	if (sum != 0xffff || total < INLAY_NET_IPV4_LEN)
		return INLAY_NET_BAD_IP;
	if (fragment & INLAY_NET_IPV4_FRAGMENT)
		return INLAY_NET_FRAGMENT;
	ip.len = (__u16)(total - INLAY_NET_IPV4_LEN);
	if (!inlay_cursor_take(&d, ip.len, &body))
		return INLAY_NET_SHORT;
	*c = body;
	*ret = ip;
	return INLAY_NET_OK;
}

/* As above. A jumbogram (RFC 2675) has a header that we do not read. */
INLAY_INLINE enum inlay_net_verdict inlay_net_ipv6_parse(struct inlay_cursor *c,
							 struct inlay_net_ip *ret)
{
	struct inlay_cursor d = *c, body;
	struct inlay_net_ip ip = {.version = 6};
	__u32 first;

	if (!inlay_cursor_be32(&d, &first) || !inlay_cursor_be16(&d, &ip.len) ||
	    !inlay_cursor_u8(&d, &ip.protocol) || !inlay_cursor_u8(&d, &ip.ttl) ||
	    !inlay_cursor_copy(&d, ip.src, 16) || !inlay_cursor_copy(&d, ip.dst, 16))
		return INLAY_NET_SHORT;
	if (first >> 28 != 6)
		return INLAY_NET_BAD_IP;
	if (ip.protocol == INLAY_NET_PROTO_IPV6_FRAGMENT)
		return INLAY_NET_FRAGMENT;
	ip.tos = (__u8)(first >> 20);
	ip.flow = first & 0xfffff;
	if (!inlay_cursor_take(&d, ip.len, &body))
		return INLAY_NET_SHORT;
	*c = body;
	*ret = ip;
	return INLAY_NET_OK;
}

/* As above; |c| is what an IP datagram carries. Its checksum is not looked at: what matters of the
 * payload is authenticated. */
INLAY_INLINE enum inlay_net_verdict inlay_net_udp_parse(struct inlay_cursor *c,
							struct inlay_net_udp *ret)
{
	struct inlay_cursor d = *c, body;
	struct inlay_net_udp u;
	__u16 len;

	if (!inlay_cursor_be16(&d, &u.src) || !inlay_cursor_be16(&d, &u.dst) ||
	    !inlay_cursor_be16(&d, &len) || !inlay_cursor_be16(&d, &u.sum))
		return INLAY_NET_SHORT;
	if (len < INLAY_NET_UDP_LEN)
		return INLAY_NET_BAD_UDP;
	u.len = (__u16)(len - INLAY_NET_UDP_LEN);
	if (!inlay_cursor_take(&d, u.len, &body))
		return INLAY_NET_BAD_UDP;
	*c = body;
	*ret = u;
	return INLAY_NET_OK;
}

/* A whole frame of a wire port, from the Ethernet header on. |ret| is whole only if OK. */
INLAY_INLINE enum inlay_net_verdict inlay_net_parse(struct inlay_cursor c,
						    struct inlay_net_datagram *ret)
{
	enum inlay_net_verdict v;

	v = inlay_net_eth_parse(&c, &ret->eth);
	if (v != INLAY_NET_OK)
		return v;
	if (ret->eth.type == INLAY_NET_TYPE_IPV4)
		v = inlay_net_ipv4_parse(&c, &ret->ip);
	else if (ret->eth.type == INLAY_NET_TYPE_IPV6)
		v = inlay_net_ipv6_parse(&c, &ret->ip);
	else
		v = INLAY_NET_NOT_IP;
	if (v != INLAY_NET_OK)
		return v;
	if (ret->ip.protocol != INLAY_NET_PROTO_UDP)
		return INLAY_NET_NOT_UDP;
	v = inlay_net_udp_parse(&c, &ret->udp);
	if (v != INLAY_NET_OK)
		return v;
	ret->payload = c;
	return INLAY_NET_OK;
}

/* The datagram's path as the receiver has it: what it was sent to is local. */
INLAY_INLINE void inlay_net_path(const struct inlay_net_datagram *d, struct inlay_path *ret)
{
	__u16 family = d->ip.version == 4 ? INLAY_NET_AF_INET : INLAY_NET_AF_INET6;

	__builtin_memset(ret, 0, sizeof(*ret));
	ret->local.family = family;
	ret->local.port = inlay_net_swap16(d->udp.dst);
	__builtin_memcpy(ret->local.ip, d->ip.dst, sizeof(ret->local.ip));
	ret->remote.family = family;
	ret->remote.port = inlay_net_swap16(d->udp.src);
	__builtin_memcpy(ret->remote.ip, d->ip.src, sizeof(ret->remote.ip));
}

/* --- Writing: headers ------------------------------------------------------------------------- */

INLAY_INLINE bool inlay_net_put_eth(struct inlay_writer *w, const struct inlay_net_eth *e)
{
	struct inlay_writer t = *w;

	if (!inlay_writer_bytes(&t, e->dst, sizeof(e->dst)) ||
	    !inlay_writer_bytes(&t, e->src, sizeof(e->src)) ||
	    (e->has_vlan &&
	     (!inlay_writer_be16(&t, INLAY_NET_TYPE_VLAN) || !inlay_writer_be16(&t, e->tci))) ||
	    !inlay_writer_be16(&t, e->type))
		return false;
	*w = t;
	return true;
}

/* With DF: QUIC is never fragmented (RFC 9000 section 14); its ID may be anything then. */
INLAY_INLINE bool inlay_net_put_ipv4(struct inlay_writer *w, const struct inlay_net_ip *ip)
{
	const __u8 *header = inlay_writer_at(w);
	struct inlay_writer t = *w, at_sum;
	__u16 sum;

	if (!inlay_writer_u8(&t, 0x45) || !inlay_writer_u8(&t, ip->tos) ||
	    !inlay_writer_be16(&t, (__u16)(INLAY_NET_IPV4_LEN + ip->len)) ||
	    !inlay_writer_be16(&t, ip->id) || !inlay_writer_be16(&t, INLAY_NET_IPV4_DF) ||
	    !inlay_writer_u8(&t, ip->ttl) || !inlay_writer_u8(&t, ip->protocol))
		return false;
	at_sum = t;
	if (!inlay_writer_be16(&t, 0) || !inlay_writer_bytes(&t, ip->src, 4) ||
	    !inlay_writer_bytes(&t, ip->dst, 4))
		return false;
	sum = (__u16)~inlay_net_sum_fold(inlay_net_sum_of(header, INLAY_NET_IPV4_LEN));
	inlay_writer_be16(&at_sum, inlay_net_swap16(sum));
	*w = t;
	return true;
}

INLAY_INLINE bool inlay_net_put_ipv6(struct inlay_writer *w, const struct inlay_net_ip *ip)
{
	struct inlay_writer t = *w;

	if (!inlay_writer_be32(&t, 6U << 28 | (__u32)ip->tos << 20 | (ip->flow & 0xfffff)) ||
	    !inlay_writer_be16(&t, ip->len) || !inlay_writer_u8(&t, ip->protocol) ||
	    !inlay_writer_u8(&t, ip->ttl) || !inlay_writer_bytes(&t, ip->src, 16) ||
	    !inlay_writer_bytes(&t, ip->dst, 16))
		return false;
	*w = t;
	return true;
}

/* |u->sum| as it stands: inlay_net_udp_finish(). */
INLAY_INLINE bool inlay_net_put_udp(struct inlay_writer *w, const struct inlay_net_udp *u)
{
	struct inlay_writer t = *w;

	if (!inlay_writer_be16(&t, u->src) || !inlay_writer_be16(&t, u->dst) ||
	    !inlay_writer_be16(&t, (__u16)(INLAY_NET_UDP_LEN + u->len)) ||
	    !inlay_writer_be16(&t, u->sum))
		return false;
	*w = t;
	return true;
}

/* The headers of every datagram to one peer, for a payload that is empty. |d->ip.version| chooses;
 * lengths, types and checksums in |d| are ignored. */
INLAY_INLINE bool inlay_net_put(struct inlay_writer *w, const struct inlay_net_datagram *d)
{
	struct inlay_net_eth eth = d->eth;
	struct inlay_net_ip ip = d->ip;
	struct inlay_net_udp udp = {.src = d->udp.src, .dst = d->udp.dst};
	struct inlay_writer t = *w;

	eth.type = ip.version == 4 ? INLAY_NET_TYPE_IPV4 : INLAY_NET_TYPE_IPV6;
	ip.protocol = INLAY_NET_PROTO_UDP;
	ip.len = INLAY_NET_UDP_LEN;
	if (!inlay_net_put_eth(&t, &eth) ||
	    !(ip.version == 4 ? inlay_net_put_ipv4(&t, &ip) : inlay_net_put_ipv6(&t, &ip)) ||
	    !inlay_net_put_udp(&t, &udp))
		return false;
	*w = t;
	return true;
}

/* --- Writing: packet by packet ---------------------------------------------------------------- */

/*
 * These work on headers that stand in memory, from the link layer to UDP; |l2_len| and |ip_len| are
 * as in struct inlay_headers, |ip_len| being 20 or 40. BPF: the memory has 128 bytes, and |l2_len|
 * and |ip_len| are below 64.
 */
INLAY_INLINE __u16 inlay_net_get16(const __u8 *p)
{
	return (__u16)((__u16)p[0] << 8 | p[1]);
}

INLAY_INLINE void inlay_net_set16(__u8 *p, __u16 v)
{
	p[0] = (__u8)(v >> 8);
	p[1] = (__u8)v;
}

/* One 16-bit word of an IPv4 header changes, and its checksum with it. */
INLAY_INLINE void inlay_net_ipv4_change(__u8 *ip, __u32 at, __u16 v)
{
	__u16 sum, old;

	v = inlay_net_swap16(v);
	__builtin_memcpy(&sum, ip + 10, sizeof(sum));
	__builtin_memcpy(&old, ip + at, sizeof(old));
	sum = inlay_net_sum_update(sum, old, v);
	__builtin_memcpy(ip + 10, &sum, sizeof(sum));
	__builtin_memcpy(ip + at, &v, sizeof(v));
}

/* Both length fields, for |udp_payload| bytes, and the sum of the IPv4 header. */
INLAY_INLINE void inlay_net_set_lengths(__u8 *headers, __u32 l2_len, __u32 ip_len,
					__u32 udp_payload)
{
	__u16 udp_len = (__u16)(INLAY_NET_UDP_LEN + udp_payload);
	__u8 *ip = headers + l2_len;

	if (ip_len == INLAY_NET_IPV4_LEN)
		inlay_net_ipv4_change(ip, 2, (__u16)(INLAY_NET_IPV4_LEN + udp_len));
	else
		inlay_net_set16(ip + 4, udp_len);
	inlay_net_set16(ip + ip_len + 4, udp_len);
}

/* The two bits of RFC 3168. */
INLAY_INLINE void inlay_net_set_ecn(__u8 *headers, __u32 l2_len, __u32 ip_len, __u8 ecn)
{
	__u8 *ip = headers + l2_len;

	ecn &= 3;
	if (ip_len == INLAY_NET_IPV4_LEN && !((ip[1] ^ ecn) & 3))
		return;
	if (ip_len == INLAY_NET_IPV4_LEN)
		inlay_net_ipv4_change(ip, 0, (__u16)((inlay_net_get16(ip) & ~3U) | ecn));
	else
		ip[1] = (__u8)((ip[1] & ~0x30U) | (__u32)ecn << 4);
}

/* The checksum's start: pseudo-header and UDP header, whatever stands in its checksum field. The
 * payload is to be added. Lengths are set. */
INLAY_INLINE struct inlay_net_sum inlay_net_udp_begin(const __u8 *headers, __u32 l2_len,
						      __u32 ip_len)
{
	const __u8 *ip = headers + l2_len, *udp = ip + ip_len;
	struct inlay_net_sum s = {0};

	if (ip_len == INLAY_NET_IPV4_LEN)
		s.value = inlay_net_sum_of(ip + 12, 8);
	else
		s.value = inlay_net_sum_of(ip + 8, 32);
	s.value += inlay_net_sum_of(udp, 6);
	inlay_net_sum_be16(&s, INLAY_NET_PROTO_UDP);
	inlay_net_sum_be16(&s, inlay_net_get16(udp + 4));
	return s;
}

/* Writes the checksum. A sum of zero goes as 0xffff: zero says that there is none (RFC 768). */
INLAY_INLINE void inlay_net_udp_finish(__u8 *headers, __u32 l2_len, __u32 ip_len,
				       const struct inlay_net_sum *s)
{
	__u16 sum = inlay_net_sum_end(s);

	inlay_net_set16(headers + l2_len + ip_len + 6, sum ? sum : 0xffff);
}

#endif
