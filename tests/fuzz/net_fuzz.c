/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as a frame: what is handed out lies within it, and the headers of what parses, written
 * again, parse to the same.
 */
#include <stdlib.h>
#include <string.h>

#include "inlay_net.h"

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len);

static void write_again(const struct inlay_net_datagram *d)
{
	__u32 l2_len = d->eth.has_vlan ? 18 : 14, ip_len = d->ip.version == 4 ? 20 : 40;
	size_t payload = inlay_cursor_left(&d->payload);
	__u8 *out = calloc(1, INLAY_HDR_MAX + payload);
	struct inlay_writer w = inlay_writer_of(out, INLAY_HDR_MAX + payload);
	struct inlay_net_datagram again;
	struct inlay_net_sum s;

	if (!out || !inlay_net_put(&w, d) || inlay_writer_len(&w) != l2_len + ip_len + 8 ||
	    !inlay_writer_bytes(&w, d->payload.pos, payload))
		abort();
	inlay_net_set_lengths(out, l2_len, ip_len, (__u32)payload);
	s = inlay_net_udp_begin(out, l2_len, ip_len);
	inlay_net_sum_add(&s, d->payload.pos, payload);
	inlay_net_udp_finish(out, l2_len, ip_len, &s);
	if (inlay_net_parse(inlay_cursor_of(out, inlay_writer_len(&w)), &again) != INLAY_NET_OK ||
	    memcmp(&again.eth, &d->eth, sizeof(d->eth)) || again.ip.tos != d->ip.tos ||
	    again.ip.ttl != d->ip.ttl || again.ip.flow != d->ip.flow ||
	    again.ip.len != payload + 8 || memcmp(again.ip.src, d->ip.src, 16) ||
	    memcmp(again.ip.dst, d->ip.dst, 16) || again.udp.src != d->udp.src ||
	    again.udp.dst != d->udp.dst || again.udp.len != payload)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t len)
{
	struct inlay_net_datagram d;
	size_t left;

	if (inlay_net_parse(inlay_cursor_of(data, len), &d) != INLAY_NET_OK)
		return 0;
	left = inlay_cursor_left(&d.payload);
	if (d.payload.pos < data || d.payload.pos + left > data + len || left != d.udp.len)
		abort();
	write_again(&d);
	return 0;
}
