/* SPDX-License-Identifier: BSD-2-Clause */
/* How a peer's connection begins: a client's at once, a server's with the first Initial, after
 * Retry and version negotiation where they are due. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/crypto.h>

#include "addr.h"
#include "peer_impl.h"

#define RETRY_TOKEN_LIFE (10 * INLAY_S)

void inlay_wire_path_of(struct inlay_wire_path *w, const struct inlay_path *path)
{
	w->path.local.addrlen = inlay_addr_to_sockaddr(&path->local, &w->local);
	w->path.local.addr = (ngtcp2_sockaddr *)&w->local;
	w->path.remote.addrlen = inlay_addr_to_sockaddr(&path->remote, &w->remote);
	w->path.remote.addr = (ngtcp2_sockaddr *)&w->remote;
	w->path.user_data = NULL;
}

static void fill_random(uint8_t *dst, size_t len, const ngtcp2_rand_ctx *ctx)
{
	gnutls_rnd(GNUTLS_RND_NONCE, dst, len);
}

static int on_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t len, void *user)
{
	struct inlay_peer *p = user;

	if (gnutls_rnd(GNUTLS_RND_NONCE, cid->data, len) < 0)
		return NGTCP2_ERR_CALLBACK_FAILURE;
	cid->datalen = len;
	return ngtcp2_crypto_generate_stateless_reset_token(token, p->secret, sizeof(p->secret),
							    cid)
		       ? NGTCP2_ERR_CALLBACK_FAILURE
		       : 0;
}

static int on_handshake_completed(ngtcp2_conn *conn, void *user)
{
	struct inlay_peer *p = user;

	p->connected = true;
	if (p->config.ops->on_connected && !p->close_due)
		p->config.ops->on_connected(p->config.user);
	return 0;
}

static int on_stateless_reset(ngtcp2_conn *conn, const ngtcp2_pkt_stateless_reset *sr, void *user)
{
	struct inlay_peer *p = user;

	p->why.by_peer = true;
	p->why.reset = true;
	return 0;
}

static void set_callbacks(ngtcp2_callbacks *c, enum inlay_role role)
{
	memset(c, 0, sizeof(*c));
	if (role == INLAY_CLIENT) {
		c->client_initial = ngtcp2_crypto_client_initial_cb;
		c->recv_retry = ngtcp2_crypto_recv_retry_cb;
	} else {
		c->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
	}
	c->recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
	c->encrypt = ngtcp2_crypto_encrypt_cb;
	c->decrypt = ngtcp2_crypto_decrypt_cb;
	c->hp_mask = ngtcp2_crypto_hp_mask_cb;
	c->update_key = ngtcp2_crypto_update_key_cb;
	c->delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
	c->delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
	c->get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
	c->version_negotiation = ngtcp2_crypto_version_negotiation_cb;
	c->rand = fill_random;
	c->get_new_connection_id = on_new_cid;
	c->handshake_completed = on_handshake_completed;
	c->recv_stateless_reset = on_stateless_reset;
	inlay_peer_set_stream_callbacks(c);
}

static void set_settings(ngtcp2_settings *s, const struct inlay_peer_config *config, inlay_ns now)
{
	ngtcp2_settings_default(s);
	s->initial_ts = now;
	s->cc_algo = config->cc == INLAY_CC_CUBIC ? NGTCP2_CC_ALGO_CUBIC : NGTCP2_CC_ALGO_RENO;
	s->max_tx_udp_payload_size = config->max_tx_payload;
	s->no_pmtud = config->no_pmtud;
	s->handshake_timeout = config->handshake_timeout;
}

static void set_params(ngtcp2_transport_params *t, const struct inlay_transport_params *from)
{
	ngtcp2_transport_params_default(t);
	t->initial_max_data = from->initial_max_data;
	t->initial_max_stream_data_bidi_local = from->initial_max_stream_data_bidi_local;
	t->initial_max_stream_data_bidi_remote = from->initial_max_stream_data_bidi_remote;
	t->initial_max_stream_data_uni = from->initial_max_stream_data_uni;
	t->initial_max_streams_bidi = from->initial_max_streams_bidi;
	t->initial_max_streams_uni = from->initial_max_streams_uni;
	t->max_idle_timeout = from->max_idle_timeout;
	t->max_udp_payload_size = from->max_udp_payload_size;
	t->active_connection_id_limit = from->active_connection_id_limit;
	t->ack_delay_exponent = from->ack_delay_exponent;
	t->max_ack_delay = from->max_ack_delay;
	t->max_datagram_frame_size = from->max_datagram_frame_size;
	t->disable_active_migration = from->disable_active_migration;
}

#define DEFAULT(field, value)                                                                      \
	do {                                                                                       \
		if (!(field))                                                                      \
			(field) = (value);                                                         \
	} while (0)

void inlay_peer_set_defaults(struct inlay_peer_config *c)
{
	struct inlay_transport_params *t = &c->params;

	DEFAULT(t->initial_max_data, 16 << 20);
	DEFAULT(t->initial_max_stream_data_bidi_local, 1 << 20);
	DEFAULT(t->initial_max_stream_data_bidi_remote, 1 << 20);
	DEFAULT(t->initial_max_stream_data_uni, 8 << 20);
	DEFAULT(t->initial_max_streams_bidi, 128);
	DEFAULT(t->initial_max_streams_uni, 1024);
	DEFAULT(t->max_idle_timeout, 30 * INLAY_S);
	DEFAULT(t->max_udp_payload_size, 1500);
	DEFAULT(t->active_connection_id_limit, 4);
	DEFAULT(t->ack_delay_exponent, 3);
	DEFAULT(t->max_ack_delay, 25 * INLAY_MS);
	DEFAULT(t->max_datagram_frame_size, 65535);
	DEFAULT(c->max_tx_payload, 1452);
	DEFAULT(c->handshake_timeout, 10 * INLAY_S);
	DEFAULT(c->max_stream_buffer, 8 << 20);
	DEFAULT(c->max_datagram_queue, 256 << 10);
	DEFAULT(c->version, NGTCP2_PROTO_VER_V1);
	DEFAULT(c->cid_len, INLAY_OWN_CID);
	if (c->no_cid)
		c->cid_len = 0;
}

static int random_cid(ngtcp2_cid *cid, size_t len)
{
	cid->datalen = len;
	return gnutls_rnd(GNUTLS_RND_RANDOM, cid->data, len) < 0 ? -EIO : 0;
}

int inlay_peer_start_client(struct inlay_peer *p, inlay_ns now)
{
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_settings settings;
	struct inlay_wire_path path;
	ngtcp2_cid scid, dcid;
	int rv;

	set_callbacks(&callbacks, INLAY_CLIENT);
	set_settings(&settings, &p->config, now);
	set_params(&params, &p->config.params);
	inlay_wire_path_of(&path, &p->config.path);
	/* RFC 9000 section 7.2: at least eight unpredictable bytes. */
	rv = random_cid(&dcid, 16);
	if (!rv)
		rv = random_cid(&scid, p->config.cid_len);
	if (rv)
		return rv;
	if (ngtcp2_conn_client_new(&p->conn, &dcid, &scid, &path.path, p->config.version,
				   &callbacks, &settings, &params, NULL, p))
		return -ENOMEM;
	ngtcp2_conn_set_keep_alive_timeout(p->conn, p->config.keep_alive ? p->config.keep_alive
									 : UINT64_MAX);
	return inlay_peer_tls_start(p);
}

static void send_version_negotiation(struct inlay_peer *p, const ngtcp2_version_cid *ids)
{
	uint32_t versions[] = {NGTCP2_PROTO_VER_V1};
	uint8_t unused;
	ngtcp2_ssize n;

	gnutls_rnd(GNUTLS_RND_NONCE, &unused, 1);
	n = ngtcp2_pkt_write_version_negotiation(p->farewell, sizeof(p->farewell), unused,
						 ids->scid, ids->scidlen, ids->dcid, ids->dcidlen,
						 versions, 1);
	p->farewell_len = n > 0 ? (size_t)n : 0;
	p->farewell_due = n > 0;
}

static void send_retry(struct inlay_peer *p, const ngtcp2_pkt_hd *hd,
		       const struct inlay_wire_path *path, inlay_ns now)
{
	uint8_t token[NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2];
	ngtcp2_ssize n;
	ngtcp2_cid scid;

	if (random_cid(&scid, p->config.cid_len))
		return;
	n = ngtcp2_crypto_generate_retry_token2(token, p->secret, sizeof(p->secret), hd->version,
						path->path.remote.addr, path->path.remote.addrlen,
						&scid, &hd->dcid, now);
	if (n > 0)
		n = ngtcp2_crypto_write_retry(p->farewell, sizeof(p->farewell), hd->version,
					      &hd->scid, &scid, &hd->dcid, token, (size_t)n);
	p->farewell_len = n > 0 ? (size_t)n : 0;
	p->farewell_due = n > 0;
}

/* False: the token is not one that we made for this client. */
static bool take_token(struct inlay_peer *p, const ngtcp2_pkt_hd *hd,
		       const struct inlay_wire_path *path, ngtcp2_settings *settings,
		       ngtcp2_transport_params *params, inlay_ns now)
{
	if (ngtcp2_crypto_verify_retry_token2(&params->original_dcid, hd->token, hd->tokenlen,
					      p->secret, sizeof(p->secret), hd->version,
					      path->path.remote.addr, path->path.remote.addrlen,
					      &hd->dcid, RETRY_TOKEN_LIFE, now))
		return false;
	params->retry_scid = hd->dcid;
	params->retry_scid_present = 1;
	settings->token = hd->token;
	settings->tokenlen = hd->tokenlen;
	settings->token_type = NGTCP2_TOKEN_TYPE_RETRY;
	return true;
}

/* The first Initial makes the connection; Retry and version negotiation come before it. */
int inlay_peer_start_server(struct inlay_peer *p, const struct inlay_wire_path *path,
			    const __u8 *datagram, size_t len, inlay_ns now)
{
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_settings settings;
	ngtcp2_version_cid ids;
	ngtcp2_pkt_hd hd;
	ngtcp2_cid scid;

	if (ngtcp2_pkt_decode_version_cid(&ids, datagram, len, p->config.cid_len) ==
	    NGTCP2_ERR_VERSION_NEGOTIATION) {
		send_version_negotiation(p, &ids);
		return 0;
	}
	if (ngtcp2_accept(&hd, datagram, len))
		return 0;
	if (p->config.retry && !hd.tokenlen) {
		send_retry(p, &hd, path, now);
		return 0;
	}
	set_callbacks(&callbacks, INLAY_SERVER);
	set_settings(&settings, &p->config, now);
	set_params(&params, &p->config.params);
	params.original_dcid = hd.dcid;
	params.original_dcid_present = 1;
	if (p->config.retry && !take_token(p, &hd, path, &settings, &params, now))
		return 0;
	if (random_cid(&scid, p->config.cid_len) ||
	    ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, p->secret,
							 sizeof(p->secret), &scid))
		return -EIO;
	params.stateless_reset_token_present = 1;
	if (ngtcp2_conn_server_new(&p->conn, &hd.scid, &scid, &path->path, hd.version, &callbacks,
				   &settings, &params, NULL, p)) {
		p->conn = NULL;
		return -ENOMEM;
	}
	ngtcp2_conn_set_keep_alive_timeout(p->conn, p->config.keep_alive ? p->config.keep_alive
									 : UINT64_MAX);
	return inlay_peer_tls_start(p);
}
