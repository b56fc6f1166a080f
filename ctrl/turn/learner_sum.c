/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The UDP checksum of a request: a datagram that the server's kernel drops for it must teach us
 * nothing.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "learner_impl.h"

bool inlay_turn_message_sound(const struct inlay_turn_event *event)
{
	size_t ip_len = event->src.family == AF_INET ? 4 : 16;
	struct inlay_net_sum s = {0};
	__u16 len = (__u16)(event->len + INLAY_NET_UDP_LEN);
	__u16 sum = ntohs(event->udp_sum);

	/* RFC 768: none was made. IPv6 has no such thing (RFC 8200 section 8.1). */
	if (sum == 0)
		return event->src.family == AF_INET;
	inlay_net_sum_add(&s, event->src.ip, ip_len);
	inlay_net_sum_add(&s, event->dst.ip, ip_len);
	inlay_net_sum_be16(&s, INLAY_NET_PROTO_UDP);
	inlay_net_sum_be16(&s, len);
	/* A sender on this host leaves the rest to hardware that is not there: the field has the
	 * pseudo-header's sum, and the receiver looks no further (CHECKSUM_PARTIAL). */
	if (sum == inlay_net_swap16(inlay_net_sum_fold(s.value)))
		return true;
	inlay_net_sum_be16(&s, ntohs(event->src.port));
	inlay_net_sum_be16(&s, ntohs(event->dst.port));
	inlay_net_sum_be16(&s, len);
	inlay_net_sum_be16(&s, sum);
	inlay_net_sum_add(&s, event->data, event->len);
	return inlay_net_sum_end(&s) == 0;
}
