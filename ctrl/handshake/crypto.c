/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where TLS, ngtcp2 and the key store meet. Handshake keys are installed in ngtcp2; 1-RTT secrets
 * go to the key store and nowhere else. So ngtcp2 never learns that the handshake is complete: its
 * own recv_crypto_data must not be used (it would enter gnutls_handshake() again), and the
 * callbacks of the established phase are never called.
 */
#include "handshake_impl.h"

#include <stdio.h>
#include <string.h>

#include <gnutls/crypto.h>

/* --- Callbacks of TLS ----------------------------------------------------------------------- */

static int keep_secrets(struct inlay_handshake *hs, const void *rx, const void *tx, size_t len)
{
	hs->cipher = inlay_tls_cipher(hs->session);
	if (!hs->cipher)
		return -1;
	if (rx &&
	    inlay_keystore_set(hs->keystore, hs->handover.secret, INLAY_RX, hs->cipher, rx, len))
		return -1;
	if (tx &&
	    inlay_keystore_set(hs->keystore, hs->handover.secret, INLAY_TX, hs->cipher, tx, len))
		return -1;
	return 0;
}

/* On a server the transmit secret comes first, the receive secret with the client's Finished. */
static int on_secret(gnutls_session_t session, gnutls_record_encryption_level_t level,
		     const void *rx, const void *tx, size_t len)
{
	struct inlay_handshake *hs = inlay_handshake_of(session);

	if (level == GNUTLS_ENCRYPTION_LEVEL_APPLICATION)
		return keep_secrets(hs, rx, tx, len);
	if (level != GNUTLS_ENCRYPTION_LEVEL_HANDSHAKE)
		return -1; /* early data is not offered */
	if (rx && ngtcp2_crypto_derive_and_install_rx_key(
			  hs->conn, NULL, NULL, NULL, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE, rx, len))
		return -1;
	if (tx && ngtcp2_crypto_derive_and_install_tx_key(
			  hs->conn, NULL, NULL, NULL, NGTCP2_ENCRYPTION_LEVEL_HANDSHAKE, tx, len))
		return -1;
	return 0;
}

/* TLS has something to send. */
static int on_tls_output(gnutls_session_t session, gnutls_record_encryption_level_t level,
			 gnutls_handshake_description_t type, const void *data, size_t len)
{
	struct inlay_handshake *hs = inlay_handshake_of(session);
	int rv;

	/* Tickets are off; nothing else is sent at the application level before completion. */
	if (type == GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC ||
	    level == GNUTLS_ENCRYPTION_LEVEL_APPLICATION)
		return 0;
	rv = ngtcp2_conn_submit_crypto_data(
		hs->conn, ngtcp2_crypto_gnutls_from_gnutls_record_encryption_level(level), data,
		len);
	if (rv) {
		ngtcp2_conn_set_tls_error(hs->conn, rv);
		return -1;
	}
	return 0;
}

static int on_alert(gnutls_session_t session, gnutls_record_encryption_level_t level,
		    gnutls_alert_level_t alert_level, gnutls_alert_description_t alert)
{
	ngtcp2_conn_set_tls_alert(inlay_handshake_of(session)->conn, (uint8_t)alert);
	return 0;
}

int inlay_handshake_bind_session(struct inlay_handshake *hs)
{
	hs->ref.user_data = hs;
	gnutls_session_set_ptr(hs->session, &hs->ref);
	gnutls_handshake_set_secret_function(hs->session, on_secret);
	gnutls_handshake_set_read_function(hs->session, on_tls_output);
	gnutls_alert_set_read_function(hs->session, on_alert);
	ngtcp2_conn_set_tls_native_handle(hs->conn, hs->session);
	return inlay_handshake_add_extension(hs);
}

/* --- Callbacks of ngtcp2 -------------------------------------------------------------------- */

static void describe_tls_failure(struct inlay_handshake *hs, int error)
{
	char *text = hs->failure.text;
	size_t room = sizeof(hs->failure.text);
	gnutls_datum_t why = {0};
	unsigned int status;

	if (error == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
		status = gnutls_session_get_verify_cert_status(hs->session);
		if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why,
								 0) >= 0) {
			snprintf(text, room, "the certificate of %.80s is refused: %.200s",
				 hs->host, (const char *)why.data);
			gnutls_free(why.data);
			return;
		}
	}
	if (error == GNUTLS_E_NO_APPLICATION_PROTOCOL)
		snprintf(text, room, "no application protocol in common");
	else
		snprintf(text, room, "TLS: %s", gnutls_strerror(error));
}

static int tls_failed(struct inlay_handshake *hs, int error)
{
	int rv = ngtcp2_conn_get_tls_error(hs->conn);

	/* Reaches ngtcp2 by on_alert(). */
	gnutls_alert_send_appropriate(hs->session, error);
	/* A transport parameter was wrong, or the like: ngtcp2 has the words for it. */
	if (rv)
		return rv;
	describe_tls_failure(hs, error);
	return NGTCP2_ERR_CRYPTO;
}

/* What TLS does not insist on by itself. */
static int check_completion(struct inlay_handshake *hs)
{
	gnutls_datum_t alpn;

	/* RFC 9001 section 8.1. */
	if (gnutls_alpn_get_selected_protocol(hs->session, &alpn) < 0 ||
	    alpn.size >= sizeof(hs->handover.alpn)) {
		ngtcp2_conn_set_tls_alert(hs->conn, GNUTLS_A_NO_APPLICATION_PROTOCOL);
		snprintf(hs->failure.text, sizeof(hs->failure.text),
			 "no application protocol was chosen");
		return NGTCP2_ERR_CRYPTO;
	}
	memcpy(hs->handover.alpn, alpn.data, alpn.size);
	/* RFC 9001 section 8.2. */
	if (!ngtcp2_conn_get_remote_transport_params(hs->conn)) {
		ngtcp2_conn_set_tls_alert(hs->conn, GNUTLS_A_MISSING_EXTENSION);
		snprintf(hs->failure.text, sizeof(hs->failure.text), "no transport parameters");
		return NGTCP2_ERR_CRYPTO;
	}
	return 0;
}

static int on_crypto_data(ngtcp2_conn *conn, ngtcp2_encryption_level level, uint64_t offset,
			  const uint8_t *data, size_t len, void *user_data)
{
	struct inlay_handshake *hs = user_data;
	int rv;

	if (hs->tls_done || !hs->session)
		return 0;
	rv = gnutls_handshake_write(
		hs->session, ngtcp2_crypto_gnutls_from_ngtcp2_encryption_level(level), data, len);
	if (rv == 0)
		rv = gnutls_handshake(hs->session);
	if (rv < 0)
		return gnutls_error_is_fatal(rv) ? tls_failed(hs, rv) : 0;
	rv = check_completion(hs);
	if (!rv)
		hs->tls_done = true;
	return rv;
}

void inlay_handshake_random(struct inlay_handshake *hs, __u8 *dst, size_t len)
{
	if (hs->random)
		hs->random(hs->user, dst, len);
	else if (gnutls_rnd(GNUTLS_RND_RANDOM, dst, len) < 0)
		memset(dst, 0, len); /* GnuTLS dies rather than come here */
}

static void on_random(uint8_t *dst, size_t len, const ngtcp2_rand_ctx *rand_ctx)
{
	inlay_handshake_random(rand_ctx->native_handle, dst, len);
}

static int no_new_cid(ngtcp2_conn *conn, ngtcp2_cid *cid, uint8_t *token, size_t cid_len,
		      void *user_data)
{
	return NGTCP2_ERR_CALLBACK_FAILURE;
}

void inlay_handshake_set_callbacks(ngtcp2_callbacks *callbacks, enum inlay_role role)
{
	*callbacks = (ngtcp2_callbacks){
		.recv_crypto_data = on_crypto_data,
		.encrypt = ngtcp2_crypto_encrypt_cb,
		.decrypt = ngtcp2_crypto_decrypt_cb,
		.hp_mask = ngtcp2_crypto_hp_mask_cb,
		.rand = on_random,
		.get_new_connection_id = no_new_cid,
		.update_key = ngtcp2_crypto_update_key_cb,
		.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb,
		.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb,
		.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb,
		.version_negotiation = ngtcp2_crypto_version_negotiation_cb,
	};
	if (role == INLAY_SERVER) {
		callbacks->recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
	} else {
		callbacks->client_initial = ngtcp2_crypto_client_initial_cb;
		callbacks->recv_retry = ngtcp2_crypto_recv_retry_cb;
	}
}
