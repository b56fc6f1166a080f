/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The TLS extension quic_transport_parameters (RFC 9001 section 8.2). ngtcp2 writes and reads the
 * parameters that it knows; ours follow them, and are read here first, because ngtcp2 passes over
 * what it does not know and cannot be told to send it.
 */
#include "handshake_impl.h"

#include <errno.h>

#define EXTENSION   57	 /* RFC 9001 section 8.2 */
#define PARAMS_ROOM 1024 /* bytes; all that either end writes takes less than 300 */

static int on_receive(gnutls_session_t session, const unsigned char *data, size_t len)
{
	struct inlay_handshake *hs = inlay_handshake_of(session);
	int rv = NGTCP2_ERR_TRANSPORT_PARAM;

	if (inlay_params_read_extensions(data, len, &hs->handover.peer))
		rv = ngtcp2_conn_decode_and_set_remote_transport_params(hs->conn, data, len);
	if (!rv)
		return 0;
	/* Where tls_failed() looks for what to tell the peer. */
	ngtcp2_conn_set_tls_error(hs->conn, rv);
	return GNUTLS_E_RECEIVED_ILLEGAL_PARAMETER;
}

static int on_send(gnutls_session_t session, gnutls_buffer_t to)
{
	struct inlay_handshake *hs = inlay_handshake_of(session);
	__u8 room[PARAMS_ROOM];
	struct inlay_writer w;
	ngtcp2_ssize len;
	__u64 random;

	len = ngtcp2_conn_encode_local_transport_params(hs->conn, room, sizeof(room));
	if (len < 0)
		return GNUTLS_E_INTERNAL_ERROR;
	w = inlay_writer_of(room + len, sizeof(room) - (size_t)len);
	inlay_handshake_random(hs, (__u8 *)&random, sizeof(random));
	if (!inlay_params_put_extensions(&w, &hs->handover.own, random))
		return GNUTLS_E_INTERNAL_ERROR;
	return gnutls_buffer_append_data(to, room, (size_t)len + inlay_writer_len(&w));
}

int inlay_handshake_add_extension(struct inlay_handshake *hs)
{
	int rv = gnutls_session_ext_register(hs->session, "QUIC transport parameters", EXTENSION,
					     GNUTLS_EXT_TLS, on_receive, on_send, NULL, NULL, NULL,
					     GNUTLS_EXT_FLAG_TLS | GNUTLS_EXT_FLAG_CLIENT_HELLO |
						     GNUTLS_EXT_FLAG_EE);

	return rv < 0 ? -ENOMEM : 0;
}
