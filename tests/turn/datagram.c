/* SPDX-License-Identifier: BSD-2-Clause */
/* See datagram.h. */
#include "datagram.h"

#include <arpa/inet.h>
#include <string.h>

#define ETH 14

static void put16(__u8 *p, __u32 v)
{
	p[0] = (__u8)(v >> 8);
	p[1] = (__u8)v;
}

static bool is_v4(const struct datagram *d)
{
	return d->src.family == AF_INET;
}

static size_t ip_len(const struct datagram *d)
{
	return is_v4(d) ? 20 : 40;
}

size_t datagram_udp_at(const struct datagram *d)
{
	return ETH + ip_len(d);
}

/* RFC 1071, word by word as it stands there. */
static __u32 sum_of(__u32 sum, const __u8 *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (__u32)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

void datagram_sum(const struct datagram *d, __u8 *frame)
{
	__u8 *ip = frame + ETH, *udp = ip + ip_len(d);
	__u32 len = (__u32)udp[4] << 8 | udp[5], sum;

	if (is_v4(d)) {
		put16(ip + 10, 0);
		put16(ip + 10, ~sum_of(0, ip, 20));
		sum = sum_of(0, ip + 12, 8);
	} else {
		sum = sum_of(0, ip + 8, 32);
	}
	sum += IPPROTO_UDP + len;
	put16(udp + 6, 0);
	if (d->sum == SUM_ZERO)
		return;
	if (d->sum == SUM_PARTIAL) {
		put16(udp + 6, sum_of(sum, NULL, 0));
		return;
	}
	sum = ~sum_of(sum, udp, len) & 0xffff;
	if (d->sum == SUM_WRONG)
		sum = sum_of(sum + 0x1111, NULL, 0);
	put16(udp + 6, sum ? sum : 0xffff);
}

static void put_ip(const struct datagram *d, size_t udp_len, __u8 *ip)
{
	if (is_v4(d)) {
		ip[0] = 0x45;
		ip[1] = d->tos;
		put16(ip + 2, (__u32)(20 + udp_len));
		put16(ip + 4, d->no_df ? 0x1234 : 0);
		put16(ip + 6, d->no_df ? 0 : 0x4000);
		ip[8] = d->ttl;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, d->src.ip, 4);
		memcpy(ip + 16, d->dst.ip, 4);
		return;
	}
	put16(ip, 0x6000 | (__u32)d->tos << 4 | 0xa);
	put16(ip + 2, 0xbcde);
	put16(ip + 4, (__u32)udp_len);
	ip[6] = IPPROTO_UDP;
	ip[7] = d->ttl;
	memcpy(ip + 8, d->src.ip, 16);
	memcpy(ip + 24, d->dst.ip, 16);
}

size_t datagram_put(const struct datagram *d, __u8 *frame)
{
	size_t header = d->channel ? 4 : 0, udp_len = 8 + header + d->len + d->pad;
	__u8 *udp = frame + datagram_udp_at(d), *data = udp + 8 + header;

	memset(frame, 0, FRAME_MAX);
	memcpy(frame, d->dst_mac, 6);
	memcpy(frame + 6, d->src_mac, 6);
	put16(frame + 12, is_v4(d) ? 0x0800 : 0x86dd);
	put_ip(d, udp_len, frame + ETH);
	memcpy(udp, &d->src.port, 2);
	memcpy(udp + 2, &d->dst.port, 2);
	put16(udp + 4, (__u32)udp_len);
	if (d->channel) {
		put16(udp + 8, d->channel);
		put16(udp + 10, (__u32)d->len + d->claims);
	}
	for (size_t i = 0; i < d->len; i++)
		data[i] = d->data ? ((const __u8 *)d->data)[i] : (__u8)(0x80 + i * 7);
	memset(data + d->len, d->pad_byte, d->pad);
	memset(data + d->len + d->pad, 0xee, d->trailer);
	datagram_sum(d, frame);
	return (size_t)(data - frame) + d->len + d->pad + d->trailer;
}
