/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all TLS sessions of one role share: certificate and key, ciphers in order of preference,
 * ALPN, and how a server's certificate is verified. TLS 1.3 alone; no session tickets, no early
 * data.
 */
#ifndef INLAY_HANDSHAKE_TLS_H
#define INLAY_HANDSHAKE_TLS_H

#include <stddef.h>

#include <gnutls/gnutls.h>

#include "conn.h"
#include "provider.h"

struct inlay_tls;

#define INLAY_TLS_CIPHERS     3
#define INLAY_TLS_FINGERPRINT 32 /* bytes: SHA-256 */

struct inlay_tls_config {
	enum inlay_role role;

	/* Server: PEM files; or |self_signed|: a throw-away certificate that exists in memory
	 * alone. */
	const char *cert_file;
	const char *key_file;
	bool self_signed;
	const char *self_signed_name; /* beside localhost and the loopback addresses; may be NULL */
	__s64 not_before, not_after;  /* of the throw-away certificate, seconds since 1970; 0: now
				       * less an hour, and 13 days from then */
	bool allow_expired; /* else a certificate out of its time is refused when loaded */

	/* Client: what the server's certificate is verified against. */
	const char *ca_file; /* PEM; NULL: the system's trust */
	bool insecure;	     /* no verification at all */

	const enum inlay_cipher *ciphers; /* in order of preference; NULL: AES-128-GCM, AES-256-GCM,
					   * ChaCha20-Poly1305 */
	size_t n_ciphers;
	const char *const *alpn; /* at least one, each at most 31 bytes */
	size_t n_alpn;
};

/*
 * 0; -EINVAL, -ENOENT, -EACCES, -EBADMSG (no PEM, or key and certificate do not match), -ETIME
 * (expired, or not valid yet), -ENOMEM, -EIO (GnuTLS refuses for another reason). Then |err| holds
 * a line that names the file and what is wrong.
 */
int inlay_tls_new(const struct inlay_tls_config *config, char *err, size_t err_len,
		  struct inlay_tls **ret_tls);
/* Takes NULL. No session may be left. */
void inlay_tls_free(struct inlay_tls *tls);

/* SHA-256 of the certificate's DER form. 0; -ENOENT: no certificate. */
int inlay_tls_fingerprint(const struct inlay_tls *tls, __u8 ret[INLAY_TLS_FINGERPRINT]);
/* Writes the certificate as PEM, and the key too if |key_path| is not NULL (mode 0600).
 * 0; -ENOENT: no certificate; what open() and write() say. */
int inlay_tls_write_pem(const struct inlay_tls *tls, const char *cert_path, const char *key_path);

/*
 * For ctrl/handshake/handshake.c: a session ready to be bound by inlay_handshake_bind_session().
 * |host|: client only; the name to verify and, unless it is an address, to send as SNI; may be NULL
 * if |insecure|; outlives the session. 0; -EINVAL; -ENOMEM; -EIO.
 */
int inlay_tls_session_new(struct inlay_tls *tls, const char *host, gnutls_session_t *ret_session);
enum inlay_role inlay_tls_role(const struct inlay_tls *tls);
/* 0: none of ours. */
enum inlay_cipher inlay_tls_cipher(gnutls_session_t session);

#endif
