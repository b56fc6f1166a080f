/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS contexts: credentials, priorities, ALPN; and sessions made from them. */
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/x509.h>

#include "certificate.h"

#define ALPN_MAX  8  /* protocols */
#define ALPN_ROOM 32 /* bytes each, with a NUL: inlay_handover.alpn */

struct inlay_tls {
	enum inlay_role role;
	bool insecure;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	struct inlay_certificate cert;
	char alpn[ALPN_MAX][ALPN_ROOM];
	unsigned int n_alpn;
};

static const char *cipher_priority(enum inlay_cipher cipher)
{
	switch (cipher) {
	case INLAY_AES_128_GCM:
		return ":+AES-128-GCM";
	case INLAY_AES_256_GCM:
		return ":+AES-256-GCM";
	case INLAY_CHACHA20_POLY1305:
		return ":+CHACHA20-POLY1305";
	}
	return NULL;
}

/*
 * TLS 1.3 alone, without the middlebox disguise that RFC 9001 section 8.4 forbids; ciphers in the
 * configured order, and the server's order counts.
 */
static int set_priority(struct inlay_tls *tls, const struct inlay_tls_config *config,
			struct inlay_error_text *e)
{
	static const enum inlay_cipher preferred[] = {INLAY_AES_128_GCM, INLAY_AES_256_GCM,
						      INLAY_CHACHA20_POLY1305};
	const enum inlay_cipher *ciphers = config->ciphers ? config->ciphers : preferred;
	size_t n = config->ciphers ? config->n_ciphers : INLAY_ARRAY_SIZE(preferred);
	char text[512] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL";
	int rv;

	if (!n || n > INLAY_TLS_CIPHERS)
		return inlay_error(e, -EINVAL, "ciphers: want 1 to %d", INLAY_TLS_CIPHERS);
	for (size_t i = 0; i < n; i++) {
		const char *name = cipher_priority(ciphers[i]);

		if (!name)
			return inlay_error(e, -EINVAL, "ciphers: unknown cipher %d", ciphers[i]);
		strcat(text, name);
	}
	strcat(text, ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1"
		     ":%DISABLE_TLS13_COMPAT_MODE:%SERVER_PRECEDENCE");
	rv = gnutls_priority_init(&tls->priority, text, NULL);
	if (rv < 0)
		return inlay_error(e, -EIO, "TLS priorities: %s", gnutls_strerror(rv));
	return 0;
}

static int set_alpn(struct inlay_tls *tls, const struct inlay_tls_config *config,
		    struct inlay_error_text *e)
{
	if (!config->n_alpn || config->n_alpn > ALPN_MAX)
		return inlay_error(e, -EINVAL, "ALPN: want 1 to %d protocols", ALPN_MAX);
	for (size_t i = 0; i < config->n_alpn; i++) {
		size_t len = strlen(config->alpn[i]);

		if (!len || len >= ALPN_ROOM)
			return inlay_error(e, -EINVAL, "ALPN: a protocol's name has 1 to %d bytes",
					   ALPN_ROOM - 1);
		memcpy(tls->alpn[i], config->alpn[i], len + 1);
	}
	tls->n_alpn = (unsigned int)config->n_alpn;
	return 0;
}

static int set_server(struct inlay_tls *tls, const struct inlay_tls_config *config,
		      struct inlay_error_text *e)
{
	int err, rv;

	if (config->self_signed)
		err = inlay_certificate_self_signed(&tls->cert, config->self_signed_name,
						    config->not_before, config->not_after, e);
	else if (config->cert_file && config->key_file)
		err = inlay_certificate_load(&tls->cert, config->cert_file, config->key_file,
					     config->allow_expired, e);
	else
		err = inlay_error(e, -EINVAL, "a server wants a certificate and a key file");
	if (err)
		return err;
	rv = gnutls_certificate_set_x509_key(tls->credentials, tls->cert.chain,
					     (int)tls->cert.n_chain, tls->cert.key);
	if (rv < 0)
		return inlay_error(e, -EIO, "%s: unusable certificate: %s",
				   config->self_signed ? "(throw-away)" : config->cert_file,
				   gnutls_strerror(rv));
	return 0;
}

static int set_client(struct inlay_tls *tls, const struct inlay_tls_config *config,
		      struct inlay_error_text *e)
{
	int rv;

	tls->insecure = config->insecure;
	if (config->insecure)
		return 0;
	if (!config->ca_file) {
		rv = gnutls_certificate_set_x509_system_trust(tls->credentials);
		if (rv < 0)
			return inlay_error(e, -EIO, "the system's trusted certificates: %s",
					   gnutls_strerror(rv));
		return 0;
	}
	rv = gnutls_certificate_set_x509_trust_file(tls->credentials, config->ca_file,
						    GNUTLS_X509_FMT_PEM);
	if (rv == GNUTLS_E_FILE_ERROR)
		return inlay_error(e, -ENOENT, "%s: cannot be read", config->ca_file);
	if (rv <= 0)
		return inlay_error(e, -EBADMSG, "%s: no PEM certificate: %s", config->ca_file,
				   rv ? gnutls_strerror(rv) : "empty");
	return 0;
}

int inlay_tls_new(const struct inlay_tls_config *config, char *err_text, size_t err_len,
		  struct inlay_tls **ret_tls)
{
	struct inlay_error_text e = {.text = err_text, .room = err_len};
	struct inlay_tls *tls = calloc(1, sizeof(*tls));
	int err;

	if (!tls || gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
		free(tls);
		return inlay_error(&e, -ENOMEM, "out of memory");
	}
	tls->role = config->role;
	err = set_priority(tls, config, &e);
	if (!err)
		err = set_alpn(tls, config, &e);
	if (!err)
		err = config->role == INLAY_SERVER ? set_server(tls, config, &e)
						   : set_client(tls, config, &e);
	if (err) {
		inlay_tls_free(tls);
		return err;
	}
	*ret_tls = tls;
	return 0;
}

void inlay_tls_free(struct inlay_tls *tls)
{
	if (!tls)
		return;
	if (tls->credentials)
		gnutls_certificate_free_credentials(tls->credentials);
	if (tls->priority)
		gnutls_priority_deinit(tls->priority);
	inlay_certificate_fini(&tls->cert);
	free(tls);
}

int inlay_tls_fingerprint(const struct inlay_tls *tls, __u8 ret[INLAY_TLS_FINGERPRINT])
{
	size_t len = INLAY_TLS_FINGERPRINT;

	if (!tls->cert.n_chain)
		return -ENOENT;
	return gnutls_x509_crt_get_fingerprint(tls->cert.chain[0], GNUTLS_DIG_SHA256, ret, &len) < 0
		       ? -EIO
		       : 0;
}

int inlay_tls_write_pem(const struct inlay_tls *tls, const char *cert_path, const char *key_path)
{
	if (!tls->cert.n_chain)
		return -ENOENT;
	return inlay_certificate_write_pem(&tls->cert, cert_path, key_path);
}

static bool is_address(const char *host)
{
	unsigned char ip[16];

	return inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1;
}

/* RFC 9001 section 8.1: no common application protocol ends the handshake. GnuTLS lets a client
 * pass that offers none at all. */
static int require_alpn(gnutls_session_t session)
{
	gnutls_datum_t chosen;

	if (gnutls_alpn_get_selected_protocol(session, &chosen) < 0)
		return GNUTLS_E_NO_APPLICATION_PROTOCOL;
	return 0;
}

/* GnuTLS would write every secret, those of 1-RTT too, to the file that SSLKEYLOGFILE names. */
static int log_no_key(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
	return 0;
}

static int configure_server(struct inlay_tls *tls, gnutls_session_t session)
{
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_IGNORE);
	gnutls_handshake_set_post_client_hello_function(session, require_alpn);
	return 0;
}

static int configure_client(struct inlay_tls *tls, const char *host, gnutls_session_t session)
{
	if (!tls->insecure) {
		if (!host)
			return -EINVAL;
		gnutls_session_set_verify_cert(session, host, 0);
	}
	if (host && !is_address(host) &&
	    gnutls_server_name_set(session, GNUTLS_NAME_DNS, host, strlen(host)) < 0)
		return -EINVAL;
	return 0;
}

int inlay_tls_session_new(struct inlay_tls *tls, const char *host, gnutls_session_t *ret_session)
{
	unsigned int side = tls->role == INLAY_SERVER ? GNUTLS_SERVER : GNUTLS_CLIENT;
	gnutls_datum_t alpn[ALPN_MAX];
	gnutls_session_t session;
	int err;

	/* Early data and tickets would need state past the handshake, which nobody keeps. */
	if (gnutls_init(&session, side | GNUTLS_NO_TICKETS) < 0)
		return -ENOMEM;
	gnutls_session_set_keylog_function(session, log_no_key);
	for (unsigned int i = 0; i < tls->n_alpn; i++) {
		alpn[i].data = (unsigned char *)tls->alpn[i];
		alpn[i].size = (unsigned int)strlen(tls->alpn[i]);
	}
	err = -EIO;
	if (gnutls_priority_set(session, tls->priority) < 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0 ||
	    gnutls_alpn_set_protocols(session, alpn, tls->n_alpn,
				      GNUTLS_ALPN_MANDATORY | GNUTLS_ALPN_SERVER_PRECEDENCE) < 0)
		goto fail;
	err = tls->role == INLAY_SERVER ? configure_server(tls, session)
					: configure_client(tls, host, session);
	if (err)
		goto fail;
	*ret_session = session;
	return 0;

fail:
	gnutls_deinit(session);
	return err;
}

enum inlay_role inlay_tls_role(const struct inlay_tls *tls)
{
	return tls->role;
}

enum inlay_cipher inlay_tls_cipher(gnutls_session_t session)
{
	switch (gnutls_cipher_get(session)) {
	case GNUTLS_CIPHER_AES_128_GCM:
		return INLAY_AES_128_GCM;
	case GNUTLS_CIPHER_AES_256_GCM:
		return INLAY_AES_256_GCM;
	case GNUTLS_CIPHER_CHACHA20_POLY1305:
		return INLAY_CHACHA20_POLY1305;
	default:
		return 0;
	}
}
