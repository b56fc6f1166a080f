/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One QUIC handshake on unmodified ngtcp2 with GnuTLS, sans-I/O: datagrams and the time go in,
 * datagrams and the next deadline come out. It ends in a struct inlay_handover for the established
 * phase, or in a failure with its code and text. ngtcp2 never gets the 1-RTT keys: they go from TLS
 * to the key store and nowhere else, so that no 1-RTT packet is sealed or opened here.
 *
 * A server's object may be freed at completion. A client's goes on repeating its Finished until
 * inlay_handshake_confirmed().
 */
#ifndef INLAY_HANDSHAKE_H
#define INLAY_HANDSHAKE_H

#include "conn.h"
#include "inlay_quic.h"
#include "keystore.h"
#include "tls.h"

struct inlay_handshake;

enum inlay_handshake_state {
	INLAY_HANDSHAKE_RUNNING = 0,
	INLAY_HANDSHAKE_COMPLETE,
	INLAY_HANDSHAKE_FAILED,
};

#define INLAY_HANDSHAKE_TIMEOUT (10 * INLAY_S)
/* Room that inlay_handshake_send() wants: ngtcp2 makes no datagram larger than this. */
#define INLAY_HANDSHAKE_ROOM 1200

struct inlay_handshake_config {
	struct inlay_tls *tls; /* outlives the handshake; its role is the handshake's */
	struct inlay_keystore *keystore;
	/* Ours to announce. A server's stateless reset token is |own_cid|'s. */
	const struct inlay_transport_params *params;
	struct inlay_path path;
	struct inlay_cid own_cid; /* INLAY_OWN_CID bytes */
	inlay_ns timeout;	  /* 0: INLAY_HANDSHAKE_TIMEOUT */
	const char *host;	  /* client: see inlay_tls_session_new() */
	/* |len| random bytes, cryptographically good. NULL: those of GnuTLS. */
	void (*random)(void *user, __u8 *dst, size_t len);
	void *user;
};

/* What the first Initial of a client said. */
struct inlay_handshake_initial {
	struct inlay_cid dcid; /* as in the packet */
	struct inlay_cid scid;
	bool retried;			/* |token| came from our Retry, and verified */
	struct inlay_cid original_dcid; /* retried: from the token */
	const __u8 *token;		/* retried: as in the packet */
	size_t token_len;
};

/* Why a handshake failed. */
struct inlay_handshake_failure {
	bool by_peer;
	bool silent;	  /* nothing was or will be sent about it */
	bool wants_retry; /* server: ask for address validation by Retry, then start anew */
	__u64 code;	  /* RFC 9000 section 20.1: 0x100 and above, a TLS alert */
	char text[320];	  /* printable */
};

/* 0; -ENOMEM; -ENOSPC: the key store is full; -EINVAL; -EIO. Then give it the datagram. */
int inlay_handshake_new_server(const struct inlay_handshake_config *config,
			       const struct inlay_handshake_initial *initial, inlay_ns now,
			       struct inlay_handshake **ret_hs);
int inlay_handshake_new_client(const struct inlay_handshake_config *config, inlay_ns now,
			       struct inlay_handshake **ret_hs);
/* Sends nothing. Zeroes the secrets, unless inlay_handshake_result() handed them over. Takes NULL.
 */
void inlay_handshake_free(struct inlay_handshake *hs);

/*
 * Takes one datagram that starts with a long header. |*ret_tail| is where a coalesced 1-RTT packet
 * begins, |len| if there is none: that packet is the caller's.
 */
void inlay_handshake_recv(struct inlay_handshake *hs, const struct inlay_path *path,
			  const __u8 *data, size_t len, size_t *ret_tail, inlay_ns now);
/* Writes at most one datagram; |room| at least INLAY_HANDSHAKE_ROOM. 0: nothing to send now. */
size_t inlay_handshake_send(struct inlay_handshake *hs, __u8 *dst, size_t room, inlay_ns now);
/* ECN (enum inlay_ecn): how the datagram is marked that inlay_handshake_recv() takes next; how the
 * one is to be marked that inlay_handshake_send() wrote last. */
void inlay_handshake_set_mark(struct inlay_handshake *hs, __u8 ecn);
__u8 inlay_handshake_mark(const struct inlay_handshake *hs);
/* INLAY_NEVER: none. */
inlay_ns inlay_handshake_deadline(const struct inlay_handshake *hs);
void inlay_handshake_on_timer(struct inlay_handshake *hs, inlay_ns now);

enum inlay_handshake_state inlay_handshake_state(const struct inlay_handshake *hs);
/* Only when FAILED. */
const struct inlay_handshake_failure *inlay_handshake_failure(const struct inlay_handshake *hs);
/* Fails a running handshake with a CONNECTION_CLOSE of |code| (transport). */
void inlay_handshake_close(struct inlay_handshake *hs, __u64 code, const char *text);
/* COMPLETE: fills |ret|. The caller owns ret->secret from the first call on.
 * 0; -EAGAIN: not complete. */
int inlay_handshake_result(struct inlay_handshake *hs, struct inlay_handover *ret);
/* COMPLETE: what TLS chose. */
enum inlay_cipher inlay_handshake_cipher(const struct inlay_handshake *hs);
/* Client: HANDSHAKE_DONE arrived. From now on nothing is sent, and there is no deadline. */
void inlay_handshake_confirmed(struct inlay_handshake *hs);

/*
 * Offset of the 1-RTT packet at the end of a datagram that starts with long headers (RFC 9000
 * section 12.2); |len|: there is none, or a long header does not parse.
 */
size_t inlay_handshake_short_tail(const __u8 *data, size_t len);

#endif
