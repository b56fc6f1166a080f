/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sources of ctrl/handshake/ share. */
#ifndef INLAY_HANDSHAKE_IMPL_H
#define INLAY_HANDSHAKE_IMPL_H

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include "addr.h"
#include "handshake.h"
#include "inlay_writer.h"

#define INLAY_HOST_MAX 256

struct inlay_handshake {
	ngtcp2_crypto_conn_ref ref; /* what a TLS session points at; its user_data is this object */
	ngtcp2_conn *conn;	    /* NULL: done with */
	gnutls_session_t session;   /* NULL: done with */
	enum inlay_role role;
	enum inlay_handshake_state state;
	struct inlay_handshake_failure failure;
	ngtcp2_ccerr close; /* to be sent while |close_due| */
	bool close_due;
	bool tls_done;		/* gnutls_handshake() has returned 0 */
	bool secret_owned;	/* |handover.secret| is ours to delete */
	inlay_ns limit;		/* own deadline */
	__u8 mark_in, mark_out; /* enum inlay_ecn */

	struct inlay_keystore *keystore;
	struct inlay_handover handover;
	enum inlay_cipher cipher;
	ngtcp2_path path; /* points at the two below */
	struct sockaddr_storage local, remote;
	char host[INLAY_HOST_MAX];

	void (*random)(void *user, __u8 *dst, size_t len);
	void *user;
};

/* crypto.c: between TLS, ngtcp2 and the key store. */
static inline struct inlay_handshake *inlay_handshake_of(gnutls_session_t session)
{
	ngtcp2_crypto_conn_ref *ref = gnutls_session_get_ptr(session);

	return ref->user_data;
}

void inlay_handshake_set_callbacks(ngtcp2_callbacks *callbacks, enum inlay_role role);
/* Makes hs->session one for QUIC, and hs->conn's. 0; -ENOMEM. */
int inlay_handshake_bind_session(struct inlay_handshake *hs);
void inlay_handshake_random(struct inlay_handshake *hs, __u8 *dst, size_t len);

/* extension.c: transport parameters in TLS. 0; -ENOMEM. */
int inlay_handshake_add_extension(struct inlay_handshake *hs);

/* params.c: transport parameters and CIDs, ours and ngtcp2's. */
void inlay_params_to_ngtcp2(const struct inlay_transport_params *params,
			    ngtcp2_transport_params *ret);
/* All but the extensions. */
void inlay_params_from_ngtcp2(const ngtcp2_transport_params *params,
			      struct inlay_transport_params *ret);
/* Extensions of |own|, and a reserved parameter made from |random|. False: no room. */
bool inlay_params_put_extensions(struct inlay_writer *w, const struct inlay_transport_params *own,
				 __u64 random);
/* The extensions among a peer's parameters. False: TRANSPORT_PARAMETER_ERROR. */
bool inlay_params_read_extensions(const __u8 *data, size_t len, struct inlay_transport_params *ret);
void inlay_cid_to_ngtcp2(const struct inlay_cid *cid, ngtcp2_cid *ret);
void inlay_cid_from_ngtcp2(const ngtcp2_cid *cid, struct inlay_cid *ret);

#endif
