/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of one handshake: datagrams and timers through ngtcp2, completion, failure. */
#include "handshake_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENT_DCID                                                                                \
	16 /* bytes of the random DCID of a first Initial; RFC 9000 section 7.2: 8 or more */

/* --- Beginning and end ---------------------------------------------------------------------- */

static ngtcp2_conn *conn_of(ngtcp2_crypto_conn_ref *ref)
{
	struct inlay_handshake *hs = ref->user_data;

	return hs->conn;
}

static int set_path(struct inlay_handshake *hs, const struct inlay_path *path)
{
	hs->handover.path = *path;
	hs->path.local.addr = (ngtcp2_sockaddr *)&hs->local;
	hs->path.local.addrlen = inlay_addr_to_sockaddr(&path->local, &hs->local);
	hs->path.remote.addr = (ngtcp2_sockaddr *)&hs->remote;
	hs->path.remote.addrlen = inlay_addr_to_sockaddr(&path->remote, &hs->remote);
	return hs->path.local.addrlen && hs->path.remote.addrlen ? 0 : -EINVAL;
}

static int new_handshake(const struct inlay_handshake_config *config, enum inlay_role role,
			 inlay_ns now, struct inlay_handshake **ret_hs)
{
	const char *host = config->host;
	struct inlay_handshake *hs;
	int err;

	if (inlay_tls_role(config->tls) != role || config->own_cid.len != INLAY_OWN_CID ||
	    (host && strlen(host) >= INLAY_HOST_MAX))
		return -EINVAL;
	hs = calloc(1, sizeof(*hs));
	if (!hs)
		return -ENOMEM;
	hs->ref.get_conn = conn_of;
	hs->ref.user_data = hs;
	hs->role = role;
	hs->limit = now + (config->timeout ? config->timeout : INLAY_HANDSHAKE_TIMEOUT);
	hs->keystore = config->keystore;
	hs->random = config->random;
	hs->user = config->user;
	hs->handover.role = hs->role;
	hs->handover.own_cid = config->own_cid;
	hs->handover.own = *config->params;
	if (host)
		strcpy(hs->host, host);
	err = set_path(hs, &config->path);
	if (!err)
		err = inlay_tls_session_new(config->tls, host ? hs->host : NULL, &hs->session);
	/* The true cipher comes with the secrets. */
	if (!err)
		err = inlay_keystore_add(hs->keystore, INLAY_AES_128_GCM, &hs->handover.secret);
	if (err) {
		inlay_handshake_free(hs);
		return err;
	}
	hs->secret_owned = true;
	*ret_hs = hs;
	return 0;
}

static void set_settings(struct inlay_handshake *hs, ngtcp2_settings *settings, inlay_ns now)
{
	ngtcp2_settings_default(settings);
	settings->initial_ts = now;
	settings->handshake_timeout = UINT64_MAX; /* past it, ngtcp2 errs for ever: see hs->limit */
	settings->max_tx_udp_payload_size = INLAY_HANDSHAKE_ROOM;
	settings->no_pmtud = 1;
	settings->rand_ctx.native_handle = hs;
}

/* |err|: what ngtcp2 says. |hs| is freed where it fails. */
static int made(struct inlay_handshake *hs, int err, struct inlay_handshake **ret_hs)
{
	if (err || inlay_handshake_bind_session(hs)) {
		inlay_handshake_free(hs);
		return -ENOMEM;
	}
	*ret_hs = hs;
	return 0;
}

int inlay_handshake_new_server(const struct inlay_handshake_config *config,
			       const struct inlay_handshake_initial *initial, inlay_ns now,
			       struct inlay_handshake **ret_hs)
{
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_settings settings;
	ngtcp2_cid dcid, scid;
	struct inlay_handshake *hs;
	int err;

	err = new_handshake(config, INLAY_SERVER, now, &hs);
	if (err)
		return err;
	inlay_params_to_ngtcp2(&hs->handover.own, &params);
	params.original_dcid_present = 1;
	inlay_cid_to_ngtcp2(initial->retried ? &initial->original_dcid : &initial->dcid,
			    &params.original_dcid);
	set_settings(hs, &settings, now);
	if (initial->retried) {
		/* RFC 9000 section 7.3; and ngtcp2 takes the address as validated. */
		params.retry_scid_present = 1;
		inlay_cid_to_ngtcp2(&initial->dcid, &params.retry_scid);
		settings.token = initial->token;
		settings.tokenlen = initial->token_len;
		settings.token_type = NGTCP2_TOKEN_TYPE_RETRY;
	}
	inlay_cid_to_ngtcp2(&initial->scid, &dcid);
	inlay_cid_to_ngtcp2(&hs->handover.own_cid, &scid);
	inlay_handshake_set_callbacks(&callbacks, INLAY_SERVER);
	err = ngtcp2_conn_server_new(&hs->conn, &dcid, &scid, &hs->path, INLAY_QUIC_V1, &callbacks,
				     &settings, &params, NULL, hs);
	return made(hs, err, ret_hs);
}

int inlay_handshake_new_client(const struct inlay_handshake_config *config, inlay_ns now,
			       struct inlay_handshake **ret_hs)
{
	ngtcp2_transport_params params;
	ngtcp2_callbacks callbacks;
	ngtcp2_settings settings;
	ngtcp2_cid dcid, scid;
	struct inlay_handshake *hs;
	int err;

	err = new_handshake(config, INLAY_CLIENT, now, &hs);
	if (err)
		return err;
	/* RFC 9000 section 18.2: a client has none to announce. */
	hs->handover.own.has_stateless_reset_token = false;
	inlay_params_to_ngtcp2(&hs->handover.own, &params);
	set_settings(hs, &settings, now);
	dcid.datalen = CLIENT_DCID;
	inlay_handshake_random(hs, dcid.data, CLIENT_DCID);
	inlay_cid_to_ngtcp2(&hs->handover.own_cid, &scid);
	inlay_handshake_set_callbacks(&callbacks, INLAY_CLIENT);
	err = ngtcp2_conn_client_new(&hs->conn, &dcid, &scid, &hs->path, INLAY_QUIC_V1, &callbacks,
				     &settings, &params, NULL, hs);
	return made(hs, err, ret_hs);
}

static void drop_ngtcp2(struct inlay_handshake *hs)
{
	ngtcp2_conn_del(hs->conn);
	hs->conn = NULL;
	if (hs->session)
		gnutls_deinit(hs->session);
	hs->session = NULL;
}

void inlay_handshake_free(struct inlay_handshake *hs)
{
	if (!hs)
		return;
	drop_ngtcp2(hs);
	if (hs->secret_owned)
		inlay_keystore_del(hs->keystore, hs->handover.secret);
	free(hs);
}

/* --- Completion and failure ----------------------------------------------------------------- */

static void copy_rtt(struct inlay_handshake *hs)
{
	ngtcp2_conn_info info;

	ngtcp2_conn_get_conn_info(hs->conn, &info);
	if (!info.latest_rtt)
		return; /* no sample: what ngtcp2 has are initial values */
	hs->handover.latest_rtt = info.latest_rtt;
	hs->handover.min_rtt = info.min_rtt;
	hs->handover.smoothed_rtt = info.smoothed_rtt;
	hs->handover.rttvar = info.rttvar;
}

static void complete(struct inlay_handshake *hs)
{
	struct inlay_handover *h = &hs->handover;

	h->version = ngtcp2_conn_get_negotiated_version(hs->conn);
	inlay_cid_from_ngtcp2(ngtcp2_conn_get_dcid(hs->conn), &h->peer_cid);
	inlay_params_from_ngtcp2(ngtcp2_conn_get_remote_transport_params(hs->conn), &h->peer);
	copy_rtt(hs);
	hs->state = INLAY_HANDSHAKE_COMPLETE;
	/* TLS has said everything; with it go its own copies of the secrets. */
	ngtcp2_conn_set_tls_native_handle(hs->conn, NULL);
	gnutls_deinit(hs->session);
	hs->session = NULL;
	/* For a server this confirms the handshake (RFC 9001 section 4.1.2). */
	if (hs->role == INLAY_SERVER)
		drop_ngtcp2(hs);
}

/* |hs->failure.text| stays where TLS has described the failure already. */
static void fail(struct inlay_handshake *hs, __u64 code, bool silent, const char *text)
{
	struct inlay_handshake_failure *f = &hs->failure;

	if (!f->text[0])
		snprintf(f->text, sizeof(f->text), "%s", text);
	f->code = code;
	f->silent = silent;
	hs->state = INLAY_HANDSHAKE_FAILED;
	hs->close_due = !silent;
	/* A reason phrase tells a stranger nothing that the code does not. */
	ngtcp2_ccerr_set_transport_error(&hs->close, code, NULL, 0);
	inlay_keystore_del(hs->keystore, hs->handover.secret);
	hs->secret_owned = false;
}

static void closed_by_peer(struct inlay_handshake *hs)
{
	const ngtcp2_ccerr *e = ngtcp2_conn_get_ccerr(hs->conn);
	struct inlay_handshake_failure *f = &hs->failure;
	size_t n = (size_t)snprintf(f->text, sizeof(f->text), "closed by the peer: ");

	for (size_t i = 0; i < e->reasonlen && n < sizeof(f->text) - 1; i++)
		f->text[n++] =
			e->reason[i] >= 0x20 && e->reason[i] < 0x7f ? (char)e->reason[i] : '?';
	if (!e->reasonlen)
		snprintf(f->text + n, sizeof(f->text) - n, "error 0x%llx",
			 (unsigned long long)e->error_code);
	else
		f->text[n] = '\0';
	f->by_peer = true;
	fail(hs, e->error_code, true, "");
}

static void fail_by_ngtcp2(struct inlay_handshake *hs, int rv)
{
	ngtcp2_ccerr e;

	if (hs->state == INLAY_HANDSHAKE_COMPLETE) {
		/* A client's tail end, before confirmation: the established phase decides. */
		drop_ngtcp2(hs);
		return;
	}
	switch (rv) {
	case NGTCP2_ERR_DRAINING:
		closed_by_peer(hs);
		return;
	case NGTCP2_ERR_CRYPTO:
		fail(hs, INLAY_QUIC_CRYPTO_ERROR | ngtcp2_conn_get_tls_alert(hs->conn), false,
		     "TLS failed");
		return;
	case NGTCP2_ERR_RETRY:
		hs->failure.wants_retry = true;
		fail(hs, INLAY_QUIC_NO_ERROR, true, "address validation wanted");
		return;
	case NGTCP2_ERR_RECV_VERSION_NEGOTIATION:
		fail(hs, INLAY_QUIC_NO_ERROR, true, "the server does not speak QUIC version 1");
		return;
	case NGTCP2_ERR_DROP_CONN:
	case NGTCP2_ERR_IDLE_CLOSE:
		fail(hs, INLAY_QUIC_NO_ERROR, true,
		     rv == NGTCP2_ERR_IDLE_CLOSE ? "no answer"
						 : "no ClientHello in the first packet");
		return;
	default:
		ngtcp2_ccerr_default(&e);
		ngtcp2_ccerr_set_liberr(&e, rv, NULL, 0);
		fail(hs, e.error_code, false, ngtcp2_strerror(rv));
	}
}

void inlay_handshake_close(struct inlay_handshake *hs, __u64 code, const char *text)
{
	if (hs->state == INLAY_HANDSHAKE_RUNNING)
		fail(hs, code, false, text);
}

/* --- Datagrams and timers ------------------------------------------------------------------- */

size_t inlay_handshake_short_tail(const __u8 *data, size_t len)
{
	struct inlay_cursor c = inlay_cursor_of(data, len);
	struct inlay_quic_long_v1 rest;
	struct inlay_quic_long h;
	__u8 first;

	while (inlay_cursor_peek_u8(&c, &first)) {
		if (!inlay_quic_is_long(first))
			return (size_t)(c.pos - data);
		if (!inlay_quic_long_parse(&c, &h) || !inlay_quic_long_v1_parse(&c, &h, &rest))
			break;
	}
	return len;
}

void inlay_handshake_recv(struct inlay_handshake *hs, const struct inlay_path *path,
			  const __u8 *data, size_t len, size_t *ret_tail, inlay_ns now)
{
	ngtcp2_pkt_info pi = {.ecn = hs->mark_in};
	int rv;

	*ret_tail = inlay_handshake_short_tail(data, len);
	if (!hs->conn || hs->state == INLAY_HANDSHAKE_FAILED || !*ret_tail)
		return;
	/* RFC 9000 section 9: nobody migrates before the handshake is confirmed. */
	if (memcmp(&path->remote, &hs->handover.path.remote, sizeof(path->remote)))
		return;
	/* A socket bound to any address learns from the first answer which one it is. */
	hs->handover.path.local = path->local;
	/* The whole datagram: an Initial in less than 1200 bytes would be dropped. */
	rv = ngtcp2_conn_read_pkt(hs->conn, &hs->path, &pi, data, len, now);
	if (hs->state == INLAY_HANDSHAKE_RUNNING && hs->tls_done)
		complete(hs);
	else if (rv)
		fail_by_ngtcp2(hs, rv);
}

static size_t send_close(struct inlay_handshake *hs, __u8 *dst, size_t room, inlay_ns now)
{
	ngtcp2_pkt_info pi;
	ngtcp2_ssize n;

	hs->close_due = false;
	n = ngtcp2_conn_write_connection_close(hs->conn, NULL, &pi, dst, room, &hs->close, now);
	return n > 0 ? (size_t)n : 0;
}

size_t inlay_handshake_send(struct inlay_handshake *hs, __u8 *dst, size_t room, inlay_ns now)
{
	ngtcp2_pkt_info pi = {0};
	ngtcp2_ssize n;

	hs->mark_out = INLAY_ECN_NOT_ECT;
	if (!hs->conn)
		return 0;
	if (hs->state == INLAY_HANDSHAKE_FAILED)
		return hs->close_due ? send_close(hs, dst, room, now) : 0;
	n = ngtcp2_conn_write_pkt(hs->conn, NULL, &pi, dst, room, now);
	if (n < 0) {
		fail_by_ngtcp2(hs, (int)n);
		return 0;
	}
	if (n > 0)
		hs->mark_out = pi.ecn & INLAY_ECN_CE;
	return (size_t)n;
}

void inlay_handshake_set_mark(struct inlay_handshake *hs, __u8 ecn)
{
	hs->mark_in = ecn & INLAY_ECN_CE;
}

__u8 inlay_handshake_mark(const struct inlay_handshake *hs)
{
	return hs->mark_out;
}

inlay_ns inlay_handshake_deadline(const struct inlay_handshake *hs)
{
	inlay_ns expiry;

	if (!hs->conn || hs->state == INLAY_HANDSHAKE_FAILED)
		return INLAY_NEVER;
	expiry = ngtcp2_conn_get_expiry(hs->conn);
	return hs->state == INLAY_HANDSHAKE_RUNNING && hs->limit < expiry ? hs->limit : expiry;
}

void inlay_handshake_on_timer(struct inlay_handshake *hs, inlay_ns now)
{
	int rv;

	if (!hs->conn || hs->state == INLAY_HANDSHAKE_FAILED)
		return;
	if (hs->state == INLAY_HANDSHAKE_RUNNING && now >= hs->limit) {
		fail(hs, INLAY_QUIC_NO_ERROR, false, "the handshake took too long");
		return;
	}
	if (now < ngtcp2_conn_get_expiry(hs->conn))
		return;
	rv = ngtcp2_conn_handle_expiry(hs->conn, now);
	if (rv)
		fail_by_ngtcp2(hs, rv);
}

/* --- Questions ------------------------------------------------------------------------------ */

enum inlay_handshake_state inlay_handshake_state(const struct inlay_handshake *hs)
{
	return hs->state;
}

const struct inlay_handshake_failure *inlay_handshake_failure(const struct inlay_handshake *hs)
{
	return &hs->failure;
}

enum inlay_cipher inlay_handshake_cipher(const struct inlay_handshake *hs)
{
	return hs->cipher;
}

int inlay_handshake_result(struct inlay_handshake *hs, struct inlay_handover *ret)
{
	if (hs->state != INLAY_HANDSHAKE_COMPLETE)
		return -EAGAIN;
	*ret = hs->handover;
	hs->secret_owned = false;
	return 0;
}

void inlay_handshake_confirmed(struct inlay_handshake *hs)
{
	if (hs->state == INLAY_HANDSHAKE_COMPLETE)
		drop_ngtcp2(hs);
}
