/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CRYPTO frames of the established phase. No TLS stack stands behind us any more, and none is
 * needed: a client gets session tickets, which it has no use for, and a server gets nothing.
 * Messages are skipped by their headers; whatever else is one is a violation (RFC 9001 sections 4.4
 * and 6).
 */
#ifndef INLAY_QUIC_POST_HANDSHAKE_H
#define INLAY_QUIC_POST_HANDSHAKE_H

#include "conn.h"
#include "stream_recv.h"

struct inlay_post_handshake {
	enum inlay_role role;
	struct inlay_stream_recv recv;
	__u8 header[4]; /* of the message that has begun: type, and length in three bytes */
	__u32 header_len;
	__u32 body_left;
};

/* Bytes that come out of order are charged to |budget|. */
void inlay_post_handshake_init(struct inlay_post_handshake *p, enum inlay_role role,
			       struct inlay_budget *budget);
void inlay_post_handshake_fini(struct inlay_post_handshake *p);
/*
 * A CRYPTO frame. NO_ERROR; CRYPTO_BUFFER_EXCEEDED; PROTOCOL_VIOLATION or CRYPTO_ERROR with an
 * alert: a message that nobody may send. |*ret_refused|: no memory, do not acknowledge it.
 */
enum inlay_quic_error inlay_post_handshake_recv(struct inlay_post_handshake *p,
						const struct inlay_quic_stream *f,
						bool *ret_refused);

#endif
