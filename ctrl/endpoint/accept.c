/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * New clients: version negotiation (RFC 9000 section 6), address validation by Retry (section 8.1),
 * refusals, and the start of a handshake. Until a handshake starts, a client costs no memory.
 */
#include "endpoint_impl.h"

#include <errno.h>
#include <string.h>

#include <ngtcp2/ngtcp2_crypto.h>

#include "addr.h"

#define INITIAL_MIN 1200 /* bytes of a datagram with an Initial: section 14.1 */
#define DCID_MIN    8	 /* bytes of the DCID that a client makes up: section 7.2 */

/* The Initial that starts it all. */
struct first_initial {
	const struct inlay_frame *frame;
	struct inlay_handshake_initial info;
	struct inlay_quic_long_v1 packet;
};

static void negotiate_version(struct inlay_endpoint *ep, const struct inlay_frame *frame,
			      const struct inlay_quic_long *h)
{
	const uint32_t ours[] = {INLAY_QUIC_V1};
	struct inlay_reply *reply;
	ngtcp2_ssize n;
	__u8 random;

	/* Section 6.1: not for packets too small to have opened a connection, lest we amplify. */
	if (frame->len < INITIAL_MIN) {
		inlay_endpoint_count(ep, INLAY_REASON_SMALL_INITIAL);
		return;
	}
	reply = inlay_replies_reserve(&ep->replies, frame);
	if (!reply) {
		inlay_endpoint_count(ep, INLAY_REASON_REPLIES_FULL);
		return;
	}
	inlay_endpoint_random(ep, &random, 1);
	n = ngtcp2_pkt_write_version_negotiation(reply->data, sizeof(reply->data), random, h->scid,
						 h->scid_len, h->dcid, h->dcid_len, ours,
						 INLAY_ARRAY_SIZE(ours));
	if (n <= 0)
		return;
	reply->len = (__u16)n;
	inlay_replies_commit(&ep->replies);
	ep->stats.version_negotiations_sent++;
}

/* CONNECTION_CLOSE without any state. */
static void refuse(struct inlay_endpoint *ep, const struct first_initial *in, __u64 code,
		   inlay_ns now)
{
	struct inlay_reply *reply;
	ngtcp2_cid dcid, scid;
	ngtcp2_ssize n;

	if (!inlay_bucket_take(&ep->bucket, now))
		return;
	reply = inlay_replies_reserve(&ep->replies, in->frame);
	if (!reply)
		return;
	ngtcp2_cid_init(&dcid, in->info.scid.data, in->info.scid.len);
	ngtcp2_cid_init(&scid, in->info.dcid.data, in->info.dcid.len);
	n = ngtcp2_crypto_write_connection_close(reply->data, sizeof(reply->data), INLAY_QUIC_V1,
						 &dcid, &scid, code, NULL, 0);
	if (n <= 0)
		return;
	reply->len = (__u16)n;
	inlay_replies_commit(&ep->replies);
	ep->stats.refusals_sent++;
}

/* Section 17.2.5. */
static void send_retry(struct inlay_endpoint *ep, const struct first_initial *in, inlay_ns now)
{
	__u8 token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
	struct sockaddr_storage remote;
	struct inlay_reply *reply;
	ngtcp2_cid dcid, odcid, scid = {.datalen = INLAY_OWN_CID};
	ngtcp2_ssize n;

	reply = inlay_replies_reserve(&ep->replies, in->frame);
	if (!reply) {
		inlay_endpoint_count(ep, INLAY_REASON_REPLIES_FULL);
		return;
	}
	ngtcp2_cid_init(&dcid, in->info.scid.data, in->info.scid.len);
	ngtcp2_cid_init(&odcid, in->info.dcid.data, in->info.dcid.len);
	inlay_endpoint_random(ep, scid.data, INLAY_OWN_CID);
	/* Section 17.2.5.1: not the one that the client chose; ngtcp2 takes it for our mistake. */
	if (ngtcp2_cid_eq(&scid, &odcid))
		scid.data[0] ^= 1;
	n = ngtcp2_crypto_generate_retry_token2(
		token, ep->token_key, sizeof(ep->token_key), INLAY_QUIC_V1,
		(ngtcp2_sockaddr *)&remote,
		inlay_addr_to_sockaddr(&in->frame->path.remote, &remote), &scid, &odcid, now);
	if (n <= 0)
		return;
	n = ngtcp2_crypto_write_retry(reply->data, sizeof(reply->data), INLAY_QUIC_V1, &dcid, &scid,
				      &odcid, token, (size_t)n);
	if (n <= 0)
		return;
	reply->len = (__u16)n;
	inlay_replies_commit(&ep->replies);
	ep->stats.retries_sent++;
}

/* False: a Retry token, but not one that we made for this address lately. */
static bool verify_token(struct inlay_endpoint *ep, struct first_initial *in, inlay_ns now)
{
	struct sockaddr_storage remote;
	ngtcp2_cid dcid, odcid;

	/* Section 8.1.3: a token that is not of a Retry is as good as none; we give out no others.
	 */
	if (!in->packet.token_len || in->packet.token[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2)
		return true;
	ngtcp2_cid_init(&dcid, in->info.dcid.data, in->info.dcid.len);
	if (ngtcp2_crypto_verify_retry_token2(
		    &odcid, in->packet.token, in->packet.token_len, ep->token_key,
		    sizeof(ep->token_key), INLAY_QUIC_V1, (ngtcp2_sockaddr *)&remote,
		    inlay_addr_to_sockaddr(&in->frame->path.remote, &remote), &dcid,
		    ep->config.token_lifetime, now))
		return false;
	in->info.retried = true;
	in->info.token = in->packet.token;
	in->info.token_len = in->packet.token_len;
	return inlay_cid_set(&in->info.original_dcid, odcid.data, odcid.datalen);
}

static int new_server(struct inlay_endpoint *ep, struct inlay_ep_conn *c,
		      const struct first_initial *in, inlay_ns now)
{
	struct inlay_transport_params params = ep->config.params;
	struct inlay_handshake_config config = {
		.tls = ep->config.tls,
		.keystore = ep->config.keystore,
		.params = &params,
		.path = c->path,
		.own_cid = c->own[0],
		.timeout = ep->config.handshake_timeout,
		.random = ep->config.random,
		.user = ep->config.user,
	};
	int err;

	params.has_stateless_reset_token = true;
	inlay_reset_token(ep->config.reset_key, &c->own[0], params.stateless_reset_token);
	err = inlay_handshake_new_server(&config, &in->info, now, &c->hs);
	if (!err)
		err = inlay_demux_add_initial(&ep->demux, &in->info.dcid, c);
	if (!err)
		c->initial = in->info.dcid;
	return err;
}

static void start_handshake(struct inlay_endpoint *ep, const struct first_initial *in, inlay_ns now)
{
	const struct inlay_frame *frame = in->frame;
	struct inlay_ep_conn *c;
	size_t tail;
	int err;

	err = inlay_ep_conn_new(ep, INLAY_SERVER, &frame->path, frame->port, &c);
	if (err) {
		inlay_endpoint_count(ep, INLAY_REASON_CONNECTION_LIMIT);
		refuse(ep, in, INLAY_QUIC_CONNECTION_REFUSED, now);
		return;
	}
	if (new_server(ep, c, in, now)) {
		inlay_ep_conn_free(c);
		inlay_endpoint_count(ep, INLAY_REASON_CONNECTION_LIMIT);
		refuse(ep, in, INLAY_QUIC_CONNECTION_REFUSED, now);
		return;
	}
	if (!ep->config.no_ecn)
		inlay_handshake_set_mark(c->hs, frame->ecn);
	inlay_handshake_recv(c->hs, &frame->path, frame->data, frame->len, &tail, now);
	if (inlay_handshake_state(c->hs) == INLAY_HANDSHAKE_FAILED &&
	    inlay_handshake_failure(c->hs)->silent) {
		/* Not a byte of a ClientHello in it: as if it had not come. */
		if (inlay_handshake_failure(c->hs)->wants_retry)
			send_retry(ep, in, now);
		else
			inlay_endpoint_count(ep, INLAY_REASON_BAD_INITIAL);
		inlay_ep_conn_free(c);
		return;
	}
	c->counted = true;
	ep->stats.handshakes++;
	ep->stats.accepted++;
	inlay_ep_conn_on_handshake(c, now);
	inlay_ep_conn_mark(c);
	inlay_ep_conn_set_timer(c, now);
}

/* False: dropped and counted. */
static bool parse_initial(struct inlay_endpoint *ep, const struct inlay_frame *frame,
			  const struct inlay_quic_long *h, struct inlay_cursor rest,
			  struct first_initial *in)
{
	enum inlay_reason reason;

	memset(in, 0, sizeof(*in));
	in->frame = frame;
	if (!inlay_quic_long_v1_parse(&rest, h, &in->packet) ||
	    !inlay_cid_set(&in->info.dcid, h->dcid, h->dcid_len) ||
	    !inlay_cid_set(&in->info.scid, h->scid, h->scid_len))
		reason = INLAY_REASON_BAD_LONG_HEADER;
	else if (in->packet.type != INLAY_QUIC_INITIAL || !ep->config.tls || ep->closing)
		reason = INLAY_REASON_UNKNOWN_CID;
	else if (frame->len < INITIAL_MIN)
		reason = INLAY_REASON_SMALL_INITIAL;
	else if (h->dcid_len < DCID_MIN)
		reason = INLAY_REASON_BAD_LONG_HEADER;
	else
		return true;
	inlay_endpoint_count(ep, reason);
	return false;
}

/* Under load. A handshake costs a TLS session even if it fails at once, and is in flight no more
 * then: so their rate counts too. */
static bool wants_retry(struct inlay_endpoint *ep, inlay_ns now)
{
	return ep->config.retry || ep->stats.handshakes >= ep->config.retry_above ||
	       !inlay_bucket_take(&ep->starts, now);
}

void inlay_endpoint_accept(struct inlay_endpoint *ep, const struct inlay_frame *frame,
			   const struct inlay_quic_long *h, struct inlay_cursor rest, inlay_ns now)
{
	struct first_initial in;

	if (h->version != INLAY_QUIC_V1) {
		/* Version 0 is an answer, and gets none. */
		if (h->version && ep->config.tls && !ep->closing)
			negotiate_version(ep, frame, h);
		else
			inlay_endpoint_count(ep, INLAY_REASON_UNKNOWN_CID);
		return;
	}
	if (!parse_initial(ep, frame, h, rest, &in))
		return;
	if (!verify_token(ep, &in, now)) {
		inlay_endpoint_count(ep, INLAY_REASON_BAD_TOKEN);
		refuse(ep, &in, INLAY_QUIC_INVALID_TOKEN, now);
		return;
	}
	if (ep->stats.handshakes >= ep->config.max_handshakes) {
		inlay_endpoint_count(ep, INLAY_REASON_HANDSHAKE_LIMIT);
		return;
	}
	if (!in.info.retried && wants_retry(ep, now)) {
		send_retry(ep, &in, now);
		return;
	}
	start_handshake(ep, &in, now);
}
