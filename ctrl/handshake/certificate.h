/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A certificate chain with its key, from PEM files or made up in memory. Internal to
 * ctrl/handshake/; see tls.h.
 */
#ifndef INLAY_HANDSHAKE_CERTIFICATE_H
#define INLAY_HANDSHAKE_CERTIFICATE_H

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "inlay_types.h"

#define INLAY_CHAIN_MAX 8

struct inlay_certificate {
	gnutls_x509_crt_t chain[INLAY_CHAIN_MAX]; /* the leaf first */
	unsigned int n_chain;
	gnutls_x509_privkey_t key;
};

/* Where an error is described: one line. */
struct inlay_error_text {
	char *text;
	size_t room;
};

/* Writes the line; returns |err|, so that a caller can `return inlay_error(...)`. */
int inlay_error(struct inlay_error_text *e, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* 0; -ENOENT, -EACCES and other errors of open(); -EFBIG; -EBADMSG; -ETIME; -ENOMEM. */
int inlay_certificate_load(struct inlay_certificate *cert, const char *cert_file,
			   const char *key_file, bool allow_expired, struct inlay_error_text *e);
/* ECDSA on P-256, for localhost, the loopback addresses and |name|. 0; -ENOMEM; -EIO. */
int inlay_certificate_self_signed(struct inlay_certificate *cert, const char *name,
				  __s64 not_before, __s64 not_after, struct inlay_error_text *e);
/* Takes a zeroed or half-built one. */
void inlay_certificate_fini(struct inlay_certificate *cert);

/* 0; what open() and write() say; -EIO. */
int inlay_certificate_write_pem(const struct inlay_certificate *cert, const char *cert_path,
				const char *key_path);

#endif
